"""The simulated Yudian controller parameter by parameter, and its frames byte by byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.bus import Bus
from drivers.clock import JumpClock
from drivers.gate import Command, Granted
from drivers.registry import build
from sim import Instrument, Laboratory, serve
from sim.errors import BadOptionError
from sim.instruments.yudian_aibus import Make, YudianAibus
from sim.parts.programmer import PidController
from sim.parts.timed_programmer import Running, TimedProgrammer, TimedSegment
from sim.plant import Plant
from sim.wire.aibus import AibusReceiver, Reply, encode_reply

Wait = Callable[[float], None]
NOTHING = 0x7FFF


@pytest.fixture
def unit(plant: Plant) -> YudianAibus:
    return YudianAibus("furnace-1", plant, plant.furnaces["furnace-1"], 1, Make())


@pytest.fixture
def older(plant: Plant) -> YudianAibus:
    return YudianAibus("furnace-1", plant, plant.furnaces["furnace-1"], 1, Make(dialect="v7", decimals=0))


def value(unit: YudianAibus, parameter: int) -> int:
    return unit.read(parameter).value


def load(unit: YudianAibus, first: int, *segments: tuple[int, int]) -> None:
    for number, (temperature, minutes) in enumerate(segments):
        assert unit.write(first + 2 * number, temperature).value == temperature
        assert unit.write(first + 2 * number + 1, minutes).value == minutes


# -- frames


class Noted:
    """A unit that answers everything with one reply."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, int]] = []

    def read(self, parameter: int) -> Reply:
        self.asked.append(("read", parameter, 0))
        return Reply(250, 1000, 0x23, 0x60, 1000)

    def write(self, parameter: int, number: int) -> Reply:
        self.asked.append(("write", parameter, number))
        return Reply(250, 1000, 0x23, 0x60, number)


def heard(*pieces: bytes, number: int = 1) -> tuple[list[bytes], Noted]:
    sent: list[bytes] = []
    noted = Noted()
    receiver = AibusReceiver(sent.append, number, noted)
    for piece in pieces:
        receiver.receive(piece)
    return sent, noted


READ = bytes.fromhex("81 81 52 00 00 00 53 00")
WRITE = bytes.fromhex("81 81 43 00 E8 03 2C 04")
REPLY = bytes.fromhex("FA 00 E8 03 23 60 E8 03 EE 68")


def test_printed_requests_get_the_printed_reply() -> None:
    sent, noted = heard(READ, WRITE)
    assert sent == [REPLY, REPLY]
    assert noted.asked == [("read", 0, 0), ("write", 0, 1000)]


def test_negative_outputs_and_values_are_packed_as_printed() -> None:
    frame = encode_reply(2, Reply(-15, -1, -5, 0x10, -121))
    assert frame[:8].hex(" ") == "f1 ff ff ff fb 10 87 ff"
    assert int.from_bytes(frame[8:], "little") == (0xFFF1 + 0xFFFF + 0x10FB + 0xFF87 + 2) & 0xFFFF


@pytest.mark.parametrize("number", [0, 2, 80])
def test_another_unit_stays_silent(number: int) -> None:
    assert heard(READ, number=number)[0] == []


@pytest.mark.parametrize("at", range(8))
def test_a_garbled_request_is_met_with_silence(at: int) -> None:
    garbled = READ[:at] + bytes([READ[at] ^ 0x01]) + READ[at + 1 :]
    assert heard(garbled)[0] == []


def test_a_request_in_pieces_or_after_noise_is_answered() -> None:
    assert heard(READ[:3], READ[3:7], READ[7:])[0] == [REPLY]
    assert heard(b"\x00\xff\x81" + READ)[0] == [REPLY]
    assert heard(READ[:5] + READ)[0] == [REPLY]


# -- parameters


def test_it_identifies_itself(unit: YudianAibus) -> None:
    assert [value(unit, p) for p in (0x15, 0x0B, 0x0C, 0x0D, 0x0E)] == [5187, 0, 1, 0, 1300]


def test_an_older_unit_has_its_state_where_newer_ones_have_the_model(older: YudianAibus) -> None:
    assert [value(older, p) for p in (0x15, 0x00, 0x56, 0x0C)] == [12, 1, 0, 0]
    assert value(older, 0x1B) == -121


@pytest.mark.parametrize("parameter", [0x12, 0x17, 0x60, 0xFF])
def test_a_parameter_that_is_not_there_has_no_value(older: YudianAibus, parameter: int) -> None:
    assert value(older, parameter) == NOTHING


def test_a_cold_furnace_reads_room_temperature_and_gives_no_output(unit: YudianAibus) -> None:
    reply = unit.read(0x00)
    assert reply.pv == pytest.approx(220, abs=6)
    assert (reply.sv, reply.mv, reply.status) == (0, 0, 0)


@pytest.mark.parametrize(("decimals", "raw"), [(0, 22), (1, 220), (2, 2200), (128, 220), (129, 2200)])
def test_temperatures_have_the_decimals_of_dpt(unit: YudianAibus, decimals: int, raw: int) -> None:
    assert unit.write(0x0C, decimals).value == decimals
    assert unit.read(0x00).pv == pytest.approx(raw, rel=0.06)


@pytest.mark.parametrize(
    ("parameter", "number"), [(0x0C, 9), (0x1B, 5), (0x2B, 51), (0x15, 1), (0x50, 32001), (0x4A, 1)]
)
def test_what_is_not_taken_leaves_what_was_there_and_shows(unit: YudianAibus, parameter: int, number: int) -> None:
    before = value(unit, parameter)
    reply = unit.write(parameter, number)
    assert reply.value != number
    assert value(unit, parameter) == before or parameter == 0x4A


# -- programmes


def test_a_programme_runs_by_time_to_its_stop(unit: YudianAibus, wait: Wait) -> None:
    load(unit, 0x50, (220, 20), (2220, 30), (2220, -121))
    unit.write(0x1B, 0)
    wait(600.0)
    assert value(unit, 0x1B) == 0
    assert unit.read(0x00).sv == pytest.approx(1220, abs=20)
    wait(620.0)
    assert unit.read(0x00).sv == 2220
    wait(1700.0)
    assert unit.read(0x00).pv == pytest.approx(2220, abs=40)
    wait(120.0)
    assert value(unit, 0x1B) == 1
    assert (unit.read(0x00).sv, unit.read(0x00).mv) == (0, 0)


def test_an_older_unit_tells_where_it_is(older: YudianAibus, wait: Wait) -> None:
    load(older, 0x1A, (22, 20), (222, 30), (222, -121))
    older.write(0x15, 0)
    wait(610.0)
    assert [value(older, p) for p in (0x15, 0x00, 0x56)] == [0, 1, 10]
    wait(20 * 60.0)
    assert [value(older, p) for p in (0x00, 0x56)] == [2, 10]
    wait(30 * 60.0)
    assert [value(older, p) for p in (0x15, 0x00)] == [12, 1]


def test_a_hold_freezes_setpoint_and_time(older: YudianAibus, wait: Wait) -> None:
    load(older, 0x1A, (22, 20), (222, 30), (222, -121))
    older.write(0x15, 0)
    wait(600.0)
    older.write(0x15, 4)
    held = older.read(0x56)
    wait(12 * 3600.0)
    later = older.read(0x56)
    assert (later.sv, later.value) == (held.sv, held.value)
    assert later.pv == pytest.approx(held.sv, abs=2)
    older.write(0x15, 0)
    wait(620.0)
    assert older.read(0x00).sv == 222


def test_there_is_nothing_to_hold_while_it_is_stopped(unit: YudianAibus) -> None:
    assert unit.write(0x1B, 2).value == 1


def test_a_programme_survives_a_power_cut_and_does_not_go_on(unit: YudianAibus, wait: Wait) -> None:
    load(unit, 0x50, (220, 20), (2220, 30), (2220, -121))
    unit.write(0x1B, 0)
    wait(600.0)
    unit.power_cycle()
    wait(60.0)
    assert value(unit, 0x1B) == 1
    assert [value(unit, p) for p in (0x50, 0x51)] == [220, 20]
    assert unit.read(0x00).mv == 0


def test_a_broken_sensor_shows_in_the_status_and_stops_the_heating(unit: YudianAibus, wait: Wait) -> None:
    load(unit, 0x50, (4000, 3000), (4000, -121))
    unit.write(0x1B, 0)
    wait(3600.0)
    assert unit.read(0x00).mv > 0
    unit.sensor_broken = True
    reply = unit.read(0x00)
    assert (reply.status, reply.pv, reply.mv) == (1 << 4, 13000, 0)
    unit.broken_reads = 25.0
    assert unit.read(0x00).pv == 250


def test_a_stuck_unit_answers_what_it_answered(unit: YudianAibus, wait: Wait) -> None:
    unit.panel_setpoint(400.0)
    unit.stuck = True
    frozen = unit.read(0x00)
    wait(3600.0)
    assert unit.read(0x00) == frozen
    unit.stuck = False
    assert unit.read(0x00).pv > 2000


def test_ignored_segments_are_acknowledged(unit: YudianAibus) -> None:
    unit.ignore_setpoint = True
    assert unit.write(0x50, 4000).value == 4000
    assert value(unit, 0x50) == 0


def test_the_state_does_not_depend_on_who_asked(clock: JumpClock, plant: Plant, wait: Wait) -> None:
    def run(*, asked: bool) -> Reply:
        furnace = plant.furnaces["furnace-1"]
        unit = YudianAibus("furnace-1", plant, type(furnace)("furnace-1", plant.now(), 11), 1, Make())
        load(unit, 0x50, (220, 20), (2220, 30), (2220, -121))
        unit.write(0x1B, 0)
        for _ in range(20):
            wait(120.0)
            if asked:
                unit.read(0x00)
        return unit.read(0x4A)

    first, second = run(asked=True), run(asked=False)
    assert abs(first.pv - second.pv) <= 6
    assert first.sv == second.sv


# -- the programmer alone


def programmed(*segments: tuple[float, float], begins: bool = True) -> tuple[TimedProgrammer, PidController]:
    loop = PidController()
    table = [TimedSegment(degc, minutes) for degc, minutes in segments]
    return TimedProgrammer(loop, lambda: table, begins), loop


def test_a_segment_ends_at_its_temperature_in_the_other_dialect() -> None:
    programmer, loop = programmed((100.0, 10.0), (100.0, 5.0), (20.0, -121.0), begins=False)
    programmer.run(20.0)
    assert loop.setpoint_degc == 20.0
    programmer.step(300.0)
    assert loop.setpoint_degc == pytest.approx(60.0)
    programmer.step(600.0)
    assert (programmer.state, loop.setpoint_degc) == (Running.STOP, 0.0)


def test_no_time_is_a_hold_and_a_small_negative_one_a_jump() -> None:
    programmer, loop = programmed((100.0, 1.0), (200.0, 0.0), (300.0, 1.0), (300.0, -1.0))
    programmer.run(20.0)
    programmer.step(60.0)
    assert (programmer.state, programmer.segment, loop.setpoint_degc) == (Running.HOLD, 2, 200.0)
    programmer.go_to(3)
    programmer.run(20.0)
    programmer.step(60.0)
    assert (programmer.state, programmer.segment) == (Running.RUN, 1)


def test_jumps_without_end_and_programmes_without_end_stop() -> None:
    endless, _ = programmed((100.0, -2.0), (100.0, -1.0))
    endless.run(20.0)
    open_ended, _ = programmed((100.0, 1.0))
    open_ended.run(20.0)
    open_ended.step(61.0)
    assert (endless.state, open_ended.state) == (Running.STOP, Running.STOP)


# -- as it is served


class OpenGate:
    """Grants everything."""

    def __init__(self, clock: JumpClock) -> None:
        self._clock = clock

    def request(self, command: Command, lease: str | None, actor: str) -> Granted:
        return Granted(command, self._clock.now())


class Silent:
    """A transcript that keeps nothing."""

    def frame(self, link: str, direction: str, data: bytes) -> None:
        pass

    def file(self, link: str, name: str, content: bytes) -> None:
        pass


@pytest.mark.system
def test_two_furnaces_on_one_line_fire_side_by_side(tmp_path: Path) -> None:
    clock = JumpClock()
    told: dict[str, dict[str, object]] = {"kiln-1": {"unit": 1, "map": "v7"}, "kiln-2": {"unit": 2, "map": "v8"}}
    both = tuple(Instrument(name, "yudian-aibus", "pty:sim/line", options) for name, options in told.items())
    with serve(Laboratory("lab", both, {}, seed=1), clock, tmp_path) as simulation:
        assert len(set(simulation.endpoints.values())) == 1
        bus = Bus("line", clock)
        limits = {"limits": {"setpoint": 1100.0, "ramp": 10.0}, "write_pause": 0.0}
        kilns = [
            build(name, "yudian-aibus", simulation.endpoints[name], {**limits, **options}, gate, clock, Silent(), bus)
            for gate in (OpenGate(clock),)
            for name, options in told.items()
        ]
        firings = [
            kiln.set("run-program", steps=((10.0, peak_degc, 1800.0), (10.0, 40.0, 0.0)))
            for kiln, peak_degc in zip(kilns, (300.0, 600.0), strict=True)
        ]
        clock.sleep_until(clock.now() + 5 * 3600.0)
        bus.close()
    assert [(firing.done, firing.exception()) for firing in firings] == [(True, None), (True, None)]
    peaks_degc = [kiln.read()[f"{kiln.name}_peak_degc"]["value"] for kiln in kilns]
    assert peaks_degc == pytest.approx([300.0, 600.0], abs=12.0)


def test_an_unknown_dialect_is_refused(tmp_path: Path, clock: JumpClock) -> None:
    laboratory = Laboratory("lab", (Instrument("kiln-1", "yudian-aibus", "pty:sim/kiln-1", {"map": "v9"}),), {}, seed=1)
    with pytest.raises(BadOptionError, match="kiln-1: map 'v9' and segments 'start' were asked for"):
        serve(laboratory, clock, tmp_path)
