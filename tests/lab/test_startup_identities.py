"""Who stands behind each address is found out at start-up: on all wires at once, on one of them in turn."""

from __future__ import annotations

import os

os.environ.setdefault("OPHYD_CONTROL_LAYER", "dummy")

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.clock import Clock, JumpClock, RealClock
from drivers.gate import DriverError
from lab.startup import Choices, open_lab
from tests.drivers.fakes import Answer, FakeSocket
from tests.lab.conftest import LabFolder

TIMEOUT_S, TRIES = 0.3, 3
GIVEN_UP_S = TIMEOUT_S * TRIES
MODBUS = ("eurotherm-3216p", "safety-io")
UNIT_AT = 6
"""Where the unit stands in a frame of Modbus TCP."""

pytestmark = pytest.mark.system


class Silent:
    """Everybody has the plug in, and nobody says anything."""

    def __init__(self, lab_folder: LabFolder) -> None:
        text = lab_folder.path("lab.yaml").read_text(encoding="utf-8").replace("    baud: 19200\n", "")
        text = re.sub(r"(address: \"[^\"]+\")(,?)", rf"\1, options: {{timeout: {TIMEOUT_S} s}}\2", text)
        text = re.sub(r'^    (address: "[^"]+"), options:', r"    \1\n    options:", text, flags=re.MULTILINE)
        lab_folder.write("lab.yaml", text)
        self.config = lab_folder.load()
        self.asked: list[tuple[float, str, bytes]] = []
        self._sockets = {name: FakeSocket(self._hears(name)) for name in self.config.devices}
        self.endpoints = {name: self._endpoint(name) for name in self.config.devices}

    def _hears(self, name: str) -> Answer:
        def hear(data: bytes) -> bytes:
            self.asked.append((time.monotonic(), name, data))
            return b""

        return hear

    def _endpoint(self, name: str) -> str:
        port = self._sockets[name].port
        is_modbus = self.config.devices[name].driver in MODBUS
        return f"modbus-tcp://127.0.0.1:{port}/1" if is_modbus else f"socket://127.0.0.1:{port}"

    def close(self) -> None:
        for one in self._sockets.values():
            one.close()

    def open(self, folder: Path, clock: Clock | None = None) -> list[str]:
        """What the lab says about its instruments, one line for each."""
        with pytest.raises(DriverError) as caught:
            open_lab(self.config, folder, Choices(), wires=self, clock=clock or RealClock())
        return str(caught.value).splitlines()


@pytest.fixture
def silent(lab_folder: LabFolder) -> Iterator[Silent]:
    found = Silent(lab_folder)
    yield found
    for one in found._sockets.values():  # closed with the lab where it was opened
        if one._thread.is_alive():
            one.close()


def test_all_are_asked_before_anybody_is_given_up(silent: Silent, tmp_path: Path) -> None:
    lines = silent.open(tmp_path)
    first_s: dict[str, float] = {}
    for at_s, name, _ in silent.asked:
        first_s.setdefault(name, at_s)
    assert set(first_s) == set(silent.config.devices)
    assert max(first_s.values()) - min(first_s.values()) < GIVEN_UP_S
    assert len(lines) == len(first_s)


def test_everybody_who_is_silent_is_named_in_the_order_of_the_lab_file(silent: Silent, tmp_path: Path) -> None:
    lines = silent.open(tmp_path)
    places = [f"{silent.config.place_of(name)}: {name}: nobody answers at " for name in silent.config.devices]
    assert [line[: len(place)] for line, place in zip(lines, places, strict=True)] == places


def test_those_on_one_wire_are_asked_in_turn(silent: Silent, tmp_path: Path) -> None:
    wire = silent.endpoints["furnace-1"]
    silent.endpoints["furnace-2"] = wire.removesuffix("/1") + "/2"
    assert len(silent.open(tmp_path)) == len(silent.config.devices)
    units = [data[UNIT_AT] for _, name, data in silent.asked if name == "furnace-1"]
    assert units[: 2 * TRIES] == [1] * TRIES + [2] * TRIES


def test_where_time_jumps_they_are_asked_in_an_order_that_is_always_the_same(lab_folder: LabFolder) -> None:
    said = []
    for name in "ab":
        folder = lab_folder.folder / name
        folder.mkdir()
        lab = open_lab(lab_folder.load(), folder, Choices(seed=3))
        assert isinstance(lab.clock, JumpClock)
        lab.close()
        assert list(lab.answers) == list(lab.config.devices)
        said.append((folder / "transcript.jsonl").read_bytes())
    assert said[0] == said[1]


@pytest.mark.slow
def test_ctrl_c_ends_at_once_and_without_a_trace(lab_folder: LabFolder) -> None:
    """Also after the interlocks were proved, and while an instrument has seconds left to answer."""
    silent = Silent(lab_folder)
    text = lab_folder.path("lab.yaml").read_text(encoding="utf-8").replace(f"{TIMEOUT_S} s", "10 s")
    for name, device in silent.config.devices.items():
        text = text.replace(f'"{device.address}"', f'"{silent.endpoints[name]}"')
    lab = lab_folder.write("lab.yaml", text.replace("wavelength: CuKa", 'wavelength: CuKa, results: "dir:/tmp"'))
    words = [sys.executable, "-m", "lab", "check", str(lab), "--connect"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline_s = time.monotonic() + 30.0
    while len({name for _, name, _ in silent.asked}) < len(silent.config.devices):
        assert time.monotonic() < deadline_s
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    began_s = time.monotonic()
    out, err = process.communicate(timeout=30.0)
    silent.close()
    assert time.monotonic() - began_s < 8.0
    assert process.returncode == 130
    assert "Traceback" not in out + err
