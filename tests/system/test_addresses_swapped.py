"""The lab file with every driver, its simulated addresses swapped for real ones: nothing else has to change.

The simulator is a process of its own here. Whoever is told where its instruments answer finds them as any others:
pseudo-terminals, ports of this machine, folders. What is wrong with such an address is told in one sentence that names
the instrument, the address and the line of the lab file.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import serial

from lab.config.lab_file import LabConfig, load_lab
from lab.simulator import Serving, running_simulator, start_simulator

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "examples" / "instruments" / "lab.yaml"

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(120)]


@dataclass(frozen=True)
class Served:
    """The lab file as somebody would write it who has these instruments."""

    config: LabConfig
    addresses: dict[str, str]
    """Device -> its real address, as lab files have it."""
    text: str

    def write(self, folder: Path, *changes: tuple[str, str]) -> Path:
        """Write it with changes, each of which must be possible."""
        text = self.text
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path = folder / "lab.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    def swapped(self, one: str, other: str) -> tuple[tuple[str, str], ...]:
        """The changes that give two devices each other's address."""
        a, b = f'"{self.addresses[one]}"', f'"{self.addresses[other]}"'
        return (a, "ONE"), (b, "OTHER"), ("address: ONE", f"address: {b}"), ("address: OTHER", f"address: {a}")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    config = load_lab(LAB)
    process = start_simulator(LAB, config.name, Serving(ephemeral=True))
    try:
        facts = running_simulator(config.name)
        assert facts is not None
        addresses = dict(facts["endpoints"])
        yield Served(config, addresses, rewritten(config, addresses, f"dir:{facts['results']}"))
    finally:
        process.terminate()
        process.communicate(timeout=20)
        patch.undo()


def rewritten(config: LabConfig, addresses: dict[str, str], results: str) -> str:
    """The text of the lab file with other addresses, and with the files it names found from anywhere."""
    text = LAB.read_text(encoding="utf-8").replace("../", f"{ROOT / 'examples'}/")
    for name, device in config.devices.items():
        assert text.count(f'"{device.address}"') == 1
        text = text.replace(f'"{device.address}"', f'"{addresses[name]}"')
        if device.results is not None:
            text = text.replace(f'"{device.results}"', f'"{results}"')
    return text


def connect(lab: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "lab", "check", str(lab), "--connect", "--json"]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def told(lab: Path) -> list[dict[str, Any]]:
    """What is wrong, one entry for each fault."""
    done = connect(lab)
    assert done.returncode == 2
    found: list[dict[str, Any]] = json.loads(done.stdout)["errors"]
    return found


def line_of(lab: Path, address: str) -> int:
    return next(n for n, line in enumerate(lab.read_text(encoding="utf-8").splitlines(), 1) if f'"{address}"' in line)


def sentences(lab: Path) -> list[str]:
    """What each instrument has against the file; every one of them with its place in it."""
    found = [f"{fault['file']}:{fault['line']}: {fault['message']}" for fault in told(lab)]
    for line in found:
        assert re.match(rf"{re.escape(str(lab))}:\d+: [\w-]+: ", line), line
    return found


def test_only_addresses_differ_and_all_of_them_are_real(served: Served, tmp_path: Path) -> None:
    real = load_lab(served.write(tmp_path))
    assert real.real_devices == list(served.config.devices)
    for name, device in served.config.devices.items():
        same = device.model_dump(exclude={"address", "results"})
        assert real.devices[name].model_dump(exclude={"address", "results"}) == same


def test_every_instrument_says_who_it_is(served: Served, tmp_path: Path) -> None:
    done = connect(served.write(tmp_path))
    assert done.returncode == 0, done.stdout
    answers = dict(line.split(": ", 1) for line in done.stderr.splitlines())
    assert set(answers) == set(served.config.devices)
    assert answers["doser-1"] == "Quantos SIM-doser-1"
    assert answers["balance-1"].endswith("SIM-balance-1")


@pytest.mark.parametrize("alone", ["safety-2", "furnace-2", "robot-1"])
def test_one_real_instrument_among_simulated_ones_is_one_other_address(
    served: Served, tmp_path: Path, alone: str
) -> None:
    text = LAB.read_text(encoding="utf-8").replace("../", f"{ROOT / 'examples'}/")
    lab = tmp_path / "lab.yaml"
    lab.write_text(
        text.replace(f'"{served.config.devices[alone].address}"', f'"{served.addresses[alone]}"'), encoding="utf-8"
    )
    assert load_lab(lab).real_devices == [alone]
    done = connect(lab)
    assert (done.returncode, done.stderr.count("\n")) == (0, len(served.config.devices)), done.stdout


def test_everything_that_is_wrong_is_told_at_once(served: Served, tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        dead = f"socket://127.0.0.1:{held.getsockname()[1]}"
        unit_4 = served.addresses["furnace-3"].removesuffix("/3") + "/4"
        nowhere, hasty = "/dev/ttyNOBODY", "\n    options: {timeout: 0.2 s}"
        lab = served.write(
            tmp_path,
            (f'"{served.addresses["mover-1"]}"', f'"{dead}"{hasty}'),
            (f'"{served.addresses["furnace-3"]}"', f'"{unit_4}"{hasty}'),
            (f'"{served.addresses["gas-1"]}"', f'"{nowhere}"'),
        )
        found = sentences(lab)
    assert len(found) == 3
    for name, address in (("mover-1", dead), ("furnace-3", unit_4), ("gas-1", nowhere)):
        sentence = next(line for line in found if f": {name}: " in line)
        assert sentence.startswith(f"{lab}:{line_of(lab, address)}: ")
        assert address.removeprefix("socket://").removeprefix("modbus-rtu:").removesuffix("/4") in sentence


def test_other_instruments_behind_addresses_are_named(served: Served, tmp_path: Path) -> None:
    pairs = [("mill-2", "shaker-1"), ("balance-1", "doser-1"), ("furnace-2", "safety-1"), ("furnace-1", "furnace-3")]
    lab = served.write(tmp_path, *(change for pair in pairs for change in served.swapped(*pair)))
    found = sentences(lab)
    assert len(found) == 2 * len(pairs)
    for name, other in [*pairs, *(pair[::-1] for pair in pairs)]:
        address = served.addresses[other]
        (sentence,) = (line for line in found if f": {name}: " in line)
        assert sentence.startswith(f"{lab}:{line_of(lab, address)}: ")
        assert address in sentence


def test_a_port_that_somebody_else_has_open_is_named(served: Served, tmp_path: Path) -> None:
    port = served.addresses["balance-1"]
    lab = served.write(tmp_path)
    with serial.Serial(port, exclusive=True):
        (sentence,) = sentences(lab)
    assert sentence.startswith(f"{lab}:{line_of(lab, port)}: balance-1: ")
    assert port in sentence


def test_other_decimals_than_the_lab_file_says_are_named(served: Served, tmp_path: Path) -> None:
    address = served.addresses["furnace-1"]
    lab = served.write(tmp_path, ("baud: 19200", "baud: 19200\n    options: {decimals: 1}"))
    (sentence,) = sentences(lab)
    assert sentence.startswith(f"{lab}:{line_of(lab, address)}: furnace-1: ")
    assert "decimals" in sentence


def test_a_missing_limit_is_named_with_its_line(served: Served, tmp_path: Path) -> None:
    lab = served.write(tmp_path, ("    limits: {flow: 200 sccm}\n", ""))
    (fault,) = told(lab)
    assert fault["file"] == str(lab)
    line = lab.read_text(encoding="utf-8").splitlines()[fault["line"] - 1]
    assert (line, fault["message"][:13]) == ("  gas-1:", "devices.gas-1")
    assert "limits.flow is missing" in fault["message"]


def test_a_real_diffractometer_needs_a_real_folder_of_results(served: Served, tmp_path: Path) -> None:
    results = re.search(r'    results: "dir:[^"]+" # dir:/mnt/aeris.*\n', served.text)
    assert results is not None
    for instead in ("", '    results: "dir:sim/xrd-1"\n'):
        (fault,) = told(served.write(tmp_path, (results[0], instead)))
        assert fault["message"].startswith("devices.xrd-1.")
        assert "write results: dir:PATH" in fault["message"]
