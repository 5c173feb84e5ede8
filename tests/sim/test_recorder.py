"""A wire recorded from the simulator's side is a transcript that replays, as one from the driver's side does."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import serial

from drivers.clock import JUMP_EPOCH_S, JumpClock, RealClock, ScaledClock
from drivers.transcript import Frame, read_transcript
from sim import Instrument, Laboratory, SimError, serve, serve_transcript
from sim.addresses import Carrier, Spot
from sim.recorder import Recorder
from sim.relay import Fault
from sim.wire.receiver import Receiver, Send
from tests.sim.relay_bench import Talker, rtu
from tests.sim.test_sim_with_drivers import lab, laboratory, make_a_sample

pytestmark = pytest.mark.system

MOVER = Instrument("mover-1", "text-mover", "socket://sim:7101")
FURNACES = tuple(Instrument(f"furnace-{unit}", "eurotherm-3216p", f"modbus-rtu:sim/bus-1/{unit}") for unit in (1, 2))


class Heard:
    """Takes everything, and says what it is told to."""

    def __init__(self, framing: str) -> None:
        self.framing = framing
        self.data = b""
        self.say: Send = lambda _: None

    def open(self, send: Send) -> Receiver:
        self.say = send
        return self

    def receive(self, data: bytes) -> None:
        self.data += data


def entries(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def said(path: Path) -> list[tuple[str, str, bytes]]:
    return [(f.link, f.direction, f.data) for f in read_transcript(path) if isinstance(f, Frame)]


def connect(endpoint: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(endpoint.rsplit(":", 1)[1])), 2.0)


def port(endpoint: str) -> serial.Serial:
    path = endpoint.removeprefix("modbus-rtu:").rsplit("/", 1)[0] if ":" in endpoint else endpoint
    return serial.Serial(path, 9600, timeout=2.0)


def recorder_of(tmp_path: Path, framing: str, *names: str) -> tuple[Receiver, Heard, list[bytes], Path]:
    """One recorded connection to somebody who hears everything."""
    path, heard, sent = tmp_path / "wire.jsonl", Heard(framing), list[bytes]()
    spots = {name: Spot(Carrier.PTY, "line", ear=name if len(names) > 1 else None) for name in names}
    recorder = Recorder(path, JumpClock(), [Instrument(name, "text-mover", "pty:line") for name in names])
    return recorder.through(spots, heard.open)(sent.append), heard, sent, path


def test_a_request_in_pieces_is_one_entry_and_is_passed_on_at_once(tmp_path: Path) -> None:
    line, heard, sent, path = recorder_of(tmp_path, "lines-crlf", "mover-1")
    line.receive(b"ID")
    assert heard.data == b"ID"
    line.receive(b"?\r\nAT? x\r")
    line.receive(b"\n")
    heard.say(b"ERR\r\n")
    assert sent == [b"ERR\r\n"]
    assert said(path) == [
        ("mover-1", "tx", b"ID?\r\n"),
        ("mover-1", "tx", b"AT? x\r\n"),
        ("mover-1", "rx", b"ERR\r\n"),
    ]
    assert entries(path)[1]["t"] == JUMP_EPOCH_S


def test_half_a_request_is_noted_before_whatever_answers_it(tmp_path: Path) -> None:
    line, heard, _, path = recorder_of(tmp_path, "modbus-rtu", "furnace-1")
    line.receive(b"\x01\x03")
    heard.say(b"\x00")
    assert said(path) == [("furnace-1", "tx", b"\x01\x03"), ("furnace-1", "rx", b"\x00")]


def test_each_request_is_noted_before_its_own_reply(tmp_path: Path) -> None:
    path, sent = tmp_path / "wire.jsonl", list[bytes]()
    recorder = Recorder(path, JumpClock(), [MOVER])
    line = recorder.through({"mover-1": Spot(Carrier.TCP, "x")}, Talker)(sent.append)
    line.receive(b"1\r\n2\r\n")
    assert [(direction, data) for _, direction, data in said(path)] == [
        ("tx", b"1\r\n"), ("rx", b"> 1\r\n"), ("tx", b"2\r\n"), ("rx", b"> 2\r\n"),
    ]  # fmt: skip


def test_those_who_share_a_line_are_told_apart(tmp_path: Path) -> None:
    line, heard, _, path = recorder_of(tmp_path, "lines-cr", "A", "B")
    line.receive(b"BAS 1\r")
    heard.say(b"B +1\r")
    line.receive(b"A\rB\r")
    assert [link for link, _, _ in said(path)] == ["B", "B", "A", "B"]


def test_the_header_says_who_is_where_and_how_fast_time_passed(tmp_path: Path) -> None:
    units = Instrument("flow-1", "text-mover", "pty:sim/gas", {"unit": "A", "limits": {}})
    Recorder(tmp_path / "a", ScaledClock(60.0), [units]).close()
    (header,) = entries(tmp_path / "a")
    assert header["header"]["links"] == {
        "flow-1": {"model": "text-mover", "address": "pty:sim/gas", "options": {"unit": "A"}}
    }
    assert header["header"]["speed"] == 60.0


def test_what_comes_after_the_end_is_dropped(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a", JumpClock(), [MOVER])
    recorder.close()
    recorder.close()
    recorder.frame("mover-1", "tx", b"1")
    assert len(entries(tmp_path / "a")) == 1


def test_a_recording_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(SimError, match=r"the transcript .* cannot be written"):
        Recorder(tmp_path, JumpClock(), [MOVER])


def talk(endpoint: str, lines: list[bytes]) -> list[bytes]:
    with connect(endpoint) as connection:
        stream, heard = connection.makefile("rb"), []
        for line in lines:
            connection.sendall(line)
            heard.append(stream.readline())
    return heard


@pytest.mark.parametrize("replay_clock", [JumpClock, RealClock])
def test_a_recording_in_real_time_replays_in_time_that_jumps(
    tmp_path: Path, replay_clock: Callable[[], JumpClock | RealClock]
) -> None:
    path, lines = tmp_path / "wire.jsonl", [b"ID?\n", b"AT? vials/1\n", b"STOP\n"]
    with serve(Laboratory("lab", (MOVER,), {}), RealClock(), tmp_path / "w", record=path) as simulation:
        heard = talk(simulation.endpoints["mover-1"], lines)
    with serve_transcript(path, replay_clock(), tmp_path / "again") as replay:
        assert talk(replay.endpoints["mover-1"], lines) == heard
        assert replay.mismatches == []
        assert replay.finished


def test_units_of_one_line_replay_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "wire.jsonl"
    frames = [rtu(f"0{unit} 03 0083 0001") for unit in (1, 2, 2, 1)]
    heard: dict[str, list[bytes]] = {}

    def ask(endpoint: str) -> list[bytes]:
        with port(endpoint) as line:
            got = []
            for frame in frames:
                line.write(frame[:3])
                time.sleep(0.01)
                line.write(frame[3:])
                got.append(line.read(7))
            return got

    with serve(Laboratory("lab", FURNACES, {}), JumpClock(), tmp_path / "w", record=path) as simulation:
        heard["first"] = ask(simulation.endpoints["furnace-1"])
    assert [link for link, _, _ in said(path)][::2] == ["furnace-1", "furnace-2", "furnace-2", "furnace-1"]
    with serve_transcript(path, JumpClock(), tmp_path / "again") as replay:
        heard["again"] = ask(replay.endpoints["furnace-2"])
        assert replay.mismatches == []
        assert replay.finished
    assert heard["again"] == heard["first"]
    assert heard["first"][0] == rtu("01 03 02 0001")


def test_faults_are_recorded_as_the_client_met_them(tmp_path: Path) -> None:
    path = tmp_path / "wire.jsonl"
    with serve(Laboratory("lab", (MOVER,), {}), JumpClock(), tmp_path / "w", record=path) as simulation:
        simulation.relay.inject("mover-1", Fault.DUPLICATE_REPLY, variant="at once")
        talk(simulation.endpoints["mover-1"], [b"ID?\n"])
    assert [data for _, direction, data in said(path) if direction == "rx"] == [b"ID text-mover 1 SN-mover-1\n"] * 2


def test_binary_frames_and_lines_with_cr_replay(tmp_path: Path) -> None:
    path = tmp_path / "wire.jsonl"
    links = {"x-1": {"model": "eurotherm-3216p", "address": "modbus-rtu:sim/x/1"}}
    request, reply = bytes.fromhex("81 81 52 00 00 00 53 00"), bytes.fromhex("FA 00 E8 03 23 60 E8 03 EE 68")
    pieces = [("tx", request[:3]), ("tx", request[3:]), ("rx", reply[:9]), ("rx", reply[9:])]
    pieces += [("tx", b"A"), ("tx", b"\r"), ("rx", b"A +1.0"), ("rx", b"\r")]
    lines: list[dict[str, Any]] = [{"header": {"links": links}}]
    lines += [{"t": JUMP_EPOCH_S + 0.1 * i, "link": "x-1", "dir": d, "hex": p.hex()} for i, (d, p) in enumerate(pieces)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with serve_transcript(path, JumpClock(), tmp_path / "w") as replay, port(replay.endpoints["x-1"]) as line:
        line.write(request)
        assert line.read(10) == reply
        line.write(b"A\r")
        assert line.read(7) == b"A +1.0\r"
        assert replay.finished


def test_who_asks_on_is_given_what_came_before_that(tmp_path: Path) -> None:
    path, clock = tmp_path / "wire.jsonl", JumpClock()
    links = {"d-1": {"model": "quantos", "address": "pty:sim/d-1"}}
    talked = [(0.0, "tx", b"GO\r\n"), (0.0, "rx", b"GO B\r\n"), (40.0, "rx", b"GO A\r\n"), (41.0, "tx", b"S\r\n")]
    lines: list[dict[str, Any]] = [{"header": {"links": links}}]
    lines += [{"t": JUMP_EPOCH_S + t, "link": "d-1", "dir": d, "hex": p.hex()} for t, d, p in talked]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with serve_transcript(path, clock, tmp_path / "w") as replay, port(replay.endpoints["d-1"]) as line:
        line.write(b"GO\r\n")
        assert line.readline() == b"GO B\r\n"
        clock.sleep_until(clock.now() + 39.0)
        line.write(b"S\r\n")
        assert line.readline() == b"GO A\r\n"
        assert replay.finished


def test_a_sample_that_was_made_is_made_again_from_what_the_simulator_recorded(tmp_path: Path) -> None:
    plan = laboratory(tmp_path / "results")
    models = {instrument.name: instrument.model for instrument in plan.instruments}
    path, clock = tmp_path / "wire.jsonl", JumpClock()
    with (
        serve(plan, clock, tmp_path / "wires", record=path) as simulation,
        lab(simulation.endpoints, models, clock, tmp_path / "results", tmp_path / "driver-1") as drivers,
    ):
        seen = make_a_sample(drivers)
    clock, again = JumpClock(), tmp_path / "again"
    again.mkdir()
    with (
        serve_transcript(path, clock, tmp_path / "played", {"xrd-1": again}) as replay,
        lab(replay.endpoints, models, clock, again, tmp_path / "driver-2") as drivers,
    ):
        assert make_a_sample(drivers) == seen
        assert replay.mismatches == []
