"""The simulator as a process of its own: being found, refusing a second one, leaving nothing behind."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import serial

from drivers.transcript import Frame, read_transcript
from lab.errors import UsageError
from lab.simulator import COMMAND, Serving, running_simulator, serving
from lab.trouble import Trouble
from tests.lab.conftest import LabFolder

pytestmark = pytest.mark.system

FREE = Serving(ephemeral=True)


@pytest.fixture
def runtime(state_folder: Callable[[], Path]) -> Path:
    return state_folder() / "run" / "powder-1"


def test_a_lab_without_a_simulator_has_none(runtime: Path) -> None:
    assert running_simulator("powder-1") is None


def test_while_it_serves_it_is_found_and_then_no_more(lab_folder: LabFolder, runtime: Path) -> None:
    config = lab_folder.load()
    with serving(config, FREE) as facts:
        found = running_simulator("powder-1")
        assert found == facts
        assert (found["pid"], found["ready"], found["speed"]) == (os.getpid(), True, 1.0)
        assert found["lab"] == str(config.path)
        assert set(found["endpoints"]) == set(config.devices)
        assert (runtime / "wires" / "furnace-1").is_symlink()
        assert runtime.stat().st_mode & 0o777 == 0o700
    assert list(runtime.iterdir()) == []
    assert running_simulator("powder-1") is None


def test_a_scaled_clock_can_be_set_to_show_the_same(lab_folder: LabFolder, runtime: Path) -> None:
    began_s, began_monotonic_s = time.time(), time.monotonic()
    with serving(lab_folder.load(), Serving(speed=60.0, ephemeral=True)) as facts:
        told = facts["clock"]
        assert (told["kind"], told["speed"]) == ("scaled", 60.0)
        took_s = told["origin_s"] - began_monotonic_s
        assert 0 < told["start_s"] - began_s <= 60.0 * took_s + 0.1


def test_a_lab_is_served_once(lab_folder: LabFolder, runtime: Path) -> None:
    config = lab_folder.load()
    with serving(config, FREE) as facts:
        with (
            pytest.raises(UsageError, match=r"lab powder-1 are served already .*sim\.json\): end that first"),
            serving(config, FREE),
        ):
            pass
        assert running_simulator("powder-1") == facts


def test_what_a_killed_simulator_left_is_neither_believed_nor_in_the_way(lab_folder: LabFolder, runtime: Path) -> None:
    (runtime / "wires").mkdir(parents=True)
    (runtime / "wires" / "furnace-1").symlink_to("/dev/pts/gone")
    (runtime / "sim.json").write_text(json.dumps({"pid": 1, "ready": True}))
    assert running_simulator("powder-1") is None
    with serving(lab_folder.load(), FREE) as facts:
        assert running_simulator("powder-1") == facts
    assert list(runtime.iterdir()) == []


@pytest.mark.parametrize("content", ["", '{"pid": 1,', '{"pid": 1, "ready": false}'])
def test_one_that_is_coming_up_is_not_ready(runtime: Path, content: str) -> None:
    runtime.mkdir(parents=True)
    with (runtime / "sim.json").open("w+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(content)
        file.flush()
        assert running_simulator("powder-1") is None


def test_files_that_are_asked_for_stay(lab_folder: LabFolder, runtime: Path, tmp_path: Path) -> None:
    how = Serving(results=tmp_path / "raw", log=tmp_path / "plant.jsonl", ephemeral=True)
    with serving(lab_folder.load(), how) as facts:
        assert (facts["results"], facts["log"]) == (str(tmp_path / "raw"), str(tmp_path / "plant.jsonl"))
    assert (tmp_path / "raw").is_dir()
    assert (tmp_path / "plant.jsonl").read_text() == ""


def test_a_lab_with_real_instruments_alone_has_nothing_to_serve(lab_folder: LabFolder, runtime: Path) -> None:
    text = lab_folder.path("lab.yaml").read_text(encoding="utf-8")
    real = text.replace("modbus-rtu:sim", "modbus-rtu:/dev").replace("pty:sim", "pty:/dev").replace("//sim", "//host")
    real = real.replace("wavelength: CuKa", 'wavelength: CuKa, results: "dir:/mnt/xrd-1"')
    lab_folder.write("lab.yaml", real)
    with (
        pytest.raises(UsageError, match="no address is a simulated one, so there is nothing to serve"),
        serving(lab_folder.load(), FREE),
    ):
        pass


def test_choices_are_said_to_the_process_as_options() -> None:
    assert Serving().words() == ["--speed", "1.0", "--seed", "0"]
    how = Serving(60.0, 3, Path("truth"), Path("raw"), Path("log"), ephemeral=True)
    assert how.words() == [
        "--speed", "60.0", "--seed", "3", "--truth", "truth", "--results", "raw", "--log", "log", "--ephemeral",
    ]  # fmt: skip
    trouble = Trouble(0.01, 5, Path("faults"), Path("wire"), paced=True)
    assert Serving(trouble=trouble).words()[4:] == [
        "--faults", "0.01", "--fault-seed", "5", "--fault-log", "faults", "--record", "wire", "--paced",
    ]  # fmt: skip


def ask_mover(facts: dict[str, Any]) -> bytes:
    port = int(facts["endpoints"]["mover-1"].rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), 2.0) as connection:
        connection.sendall(b"ID?\n")
        return connection.makefile("rb").readline()


def test_the_model_of_each_instrument_is_told(lab_folder: LabFolder, runtime: Path) -> None:
    with serving(lab_folder.load(), FREE) as facts:
        assert facts["models"].keys() == facts["endpoints"].keys()
        assert facts["models"]["mover-1"] == "text-mover"
        assert (facts["faults"], facts["record"]) == (None, None)


def test_wires_are_recorded_where_that_is_asked_for(lab_folder: LabFolder, runtime: Path, tmp_path: Path) -> None:
    record = tmp_path / "wire.jsonl"
    with serving(lab_folder.load(), replace(FREE, trouble=Trouble(record=record))) as facts:
        assert facts["record"] == str(record)
        ask_mover(facts)
    said = [(frame.link, frame.direction) for frame in read_transcript(record) if isinstance(frame, Frame)]
    assert said == [("mover-1", "tx"), ("mover-1", "rx")]


def test_wires_are_broken_where_that_is_asked_for(lab_folder: LabFolder, runtime: Path, tmp_path: Path) -> None:
    with serving(lab_folder.load(), replace(FREE, trouble=Trouble(faults=1.0, fault_seed=2))) as facts:
        assert facts["faults"] == str(runtime / "faults.jsonl")
        with contextlib.suppress(OSError):
            ask_mover(facts)
        (done, *_) = map(json.loads, Path(facts["faults"]).read_text().splitlines())
        assert done["instrument"] == "mover-1"
        assert facts["faulty"]
    # It stays to be read until the next simulator of this lab begins.
    assert list(runtime.iterdir()) == [Path(facts["faults"])]
    with serving(lab_folder.load(), FREE) as facts:
        assert not facts["faulty"]
        assert not (runtime / "faults.jsonl").exists()
    log = tmp_path / "faults.jsonl"
    with serving(lab_folder.load(), replace(FREE, trouble=Trouble(faults=1.0, fault_log=log))) as facts:
        assert facts["faults"] == str(log)
    assert log.exists()


def test_a_paced_serial_line_takes_as_long_as_its_baud(lab_folder: LabFolder, runtime: Path) -> None:
    config = lab_folder.load()
    request = bytes.fromhex("01 03 0083 0001 75E2")
    with serving(config, replace(FREE, trouble=Trouble(paced=True))) as facts:
        path = facts["endpoints"]["furnace-1"].removeprefix("modbus-rtu:").rsplit("/", 1)[0]
        with serial.Serial(path, 9600, timeout=2.0) as port:
            began_s = time.monotonic()
            port.write(request)
            assert len(port.read(7)) == 7
            assert time.monotonic() - began_s >= (8 + 7) * 10 / (config.devices["furnace-1"].baud or 9600)


def with_the_mover_at(lab_folder: LabFolder, address: str) -> str:
    """Give the mover another address and everybody else any free place; gives the mover's place in the file."""
    text = lab_folder.path("lab.yaml").read_text(encoding="utf-8").replace("socket://sim:7702", "sim:aeris")
    text = re.sub(r"modbus-tcp://sim:502\d/1", "sim:safety-io", text)
    lab_folder.write("lab.yaml", text.replace("socket://sim:7101", address))
    return f"{lab_folder.path('lab.yaml')}:{lab_folder.line_of('lab.yaml', 'mover-1:')}: mover-1: "


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("socket://sim:70000", "'socket://sim:70000': port 70000 is above 65535"),
        ("modbus-tcp://sim:7101/1", "'modbus-tcp://sim:7101/1' is no address for a simulated text-mover"),
        ("sim:butler", "no simulator speaks for a 'butler'"),
        ("pty:sim/" + "x" * 300, "pty:sim/" + "x" * 300 + ": "),
        ("dir:sim/mover", "it answers on a line, and dir:sim/mover is a folder"),
    ],
)
def test_an_address_that_cannot_be_served_is_said_with_its_line(
    lab_folder: LabFolder, runtime: Path, address: str, why: str
) -> None:
    place = with_the_mover_at(lab_folder, address)
    with pytest.raises(UsageError) as refused, serving(lab_folder.load(), Serving()):
        pass
    assert str(refused.value).startswith(place + why)
    assert "\n" not in str(refused.value)
    assert list(runtime.iterdir()) == []


def test_a_port_in_use_is_said_with_the_instrument_the_address_and_its_line(
    lab_folder: LabFolder, runtime: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        place = with_the_mover_at(lab_folder, f"socket://sim:{port}")
        words = [*COMMAND, "--lab", str(lab_folder.path("lab.yaml"))]
        ended = subprocess.run(words, capture_output=True, text=True, timeout=30.0, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith(
        f"athanor: {place}socket://sim:{port}: port {port} of 127.0.0.1 cannot be served (Address already in use): "
        "end the program that holds it"
    )
    assert ended.stderr.count("\n") == 1
