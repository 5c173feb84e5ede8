"""Furnaces on an AIBUS line: the driver against simulated units, over a pseudo-terminal that can be tampered with."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from drivers.bus import Bus
from drivers.clock import JUMP_EPOCH_S, JumpClock
from drivers.devices.yudian_aibus import YudianAibus
from drivers.errors import (
    ActionFailedError,
    BadAddressError,
    BusyError,
    CommandDeniedError,
    LimitError,
    LinkError,
    UnknownDriverError,
    WrongInstrumentError,
)
from drivers.gate import acting_as
from drivers.registry import build
from sim.chemistry import Truth
from sim.instruments.yudian_aibus import Make
from sim.instruments.yudian_aibus import YudianAibus as Unit
from sim.parts.timed_programmer import Running
from sim.plant import BoxFurnace, Plant
from sim.wire.aibus import AibusReceiver
from tests.drivers.fakes import Answer, FakeGate, FakePty, Noted, end_of, look_at

FIRING = ((10.0, 920.0, 3600.0), (5.0, 60.0, 0.0))
FIRING_S = (90 + 60 + 172 + 1) * 60.0
TRUTH = Truth.nominal()
V8_STATE, V7_STATE = 0x1B, 0x15


class Line:
    """Several units on one line, and whoever tampers with what they answer."""

    def __init__(self, clock: JumpClock) -> None:
        self.plant = Plant(clock, TRUTH, seed=5)
        self.units: dict[int, Unit] = {}
        self.requests: list[bytes] = []
        self.tamper: Callable[[bytes, bytes], bytes] = lambda request, reply: reply
        self.hear: Callable[[bytes], bytes] = lambda request: request
        self._said = bytearray()
        self._ears: list[AibusReceiver] = []

    def add(self, number: int, make: Make = Make()) -> Unit:  # noqa: B008 - frozen
        furnace = BoxFurnace(f"kiln-{number}", self.plant.now(), 5)
        unit = self.units[number] = Unit(furnace.name, self.plant, furnace, number, make)
        self._ears.append(unit.receiver(self._said.extend))
        return unit

    def answer(self, data: bytes) -> bytes:
        self.requests.append(data)
        self._said.clear()
        for ear in self._ears:
            ear.receive(self.hear(data))
        return self.tamper(data, bytes(self._said))

    def writes(self, parameter: int, number: int = 3) -> list[int]:
        """What was written to a parameter, in order."""
        head = bytes([0x80 + number, 0x80 + number, 0x43, parameter])
        return [int.from_bytes(r[4:6], "little", signed=True) for r in self.requests if r[:4] == head]

    @property
    def all_writes(self) -> int:
        return sum(request[2] == 0x43 for request in self.requests)


Furnish = Callable[..., YudianAibus]


@pytest.fixture
def line(clock: JumpClock) -> Line:
    return Line(clock)


@pytest.fixture
def furnish(
    line: Line, serve_pty: Callable[[Answer], FakePty], gate: FakeGate, clock: JumpClock, noted: Noted, bus: Bus
) -> Furnish:
    far: list[FakePty] = []

    def furnish(number: int = 3, **options: object) -> YudianAibus:
        far.extend([] if far else [serve_pty(line.answer)])
        told: dict[str, object] = {"unit": number, "write_pause": 0.0, "timeout": 0.03, "quiet": 0.01}
        told |= {"limits": {"setpoint": 1100.0, "ramp": 10.0}, **options}
        furnace = build(f"kiln-{number}", "yudian-aibus", far[0].path, told, gate, clock, noted, bus)
        assert isinstance(furnace, YudianAibus)
        return furnace

    return furnish


@pytest.fixture
def unit(line: Line) -> Unit:
    return line.add(3)


@pytest.fixture
def furnace(unit: Unit, furnish: Furnish) -> YudianAibus:
    return furnish()


def run_for(clock: JumpClock, seconds: float) -> None:
    clock.sleep_until(clock.now() + seconds)


# -- who it is


def test_a_unit_says_what_it_is(furnace: YudianAibus) -> None:
    assert furnace.identify() == "Yudian AI-518P, unit 3, v8 map, dPt 1"


def test_an_older_unit_is_known_by_its_state(line: Line, furnish: Furnish) -> None:
    line.add(3, Make(dialect="v7", decimals=0))
    assert furnish().identify() == "Yudian AI, unit 3, v7 map, dPt 0"


def test_a_unit_with_another_map_than_the_lab_file_says_is_told(line: Line, furnish: Furnish) -> None:
    line.add(3, Make(dialect="v7"))
    with pytest.raises(WrongInstrumentError, match=r"kiln-3: unit 3 at .*tty0 has the v7 map \(parameter 15h is 12\)"):
        furnish(map="v8").identify()


def test_another_unit_at_the_same_place_is_told(furnace: YudianAibus, unit: Unit) -> None:
    furnace.identify()
    unit.other_device = True
    with pytest.raises(WrongInstrumentError, match=r"the sensor type was 0 and is 1.*was it exchanged or reconfigured"):
        furnace.identify()


def test_a_unit_that_is_not_there_is_told(line: Line, furnish: Furnish) -> None:
    line.add(4)
    with pytest.raises(LinkError, match=r"kiln-3: nobody answers at .*tty0 \(3 tries of 0.03 s\)"):
        furnish().identify()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"number": 81}, "unit 81 was asked for, AIBUS has 0 to 80"),
        ({"map": "v9"}, "map is 'v9' in the lab file, write v7 or v8"),
        ({"segments": "ends"}, "segments is 'ends' in the lab file, write start or target"),
    ],
)
def test_what_the_lab_file_gets_wrong_is_told(furnish: Furnish, options: dict[str, object], said: str) -> None:
    with pytest.raises(UnknownDriverError, match=said):
        furnish(**options)


def test_an_address_of_another_kind_is_told(gate: FakeGate, clock: JumpClock, noted: Noted, bus: Bus) -> None:
    limits = {"limits": {"setpoint": 1100.0, "ramp": 10.0}}
    with pytest.raises(BadAddressError, match="kiln-3: 'modbus-rtu:/dev/x/1' is no serial port"):
        build("kiln-3", "yudian-aibus", "modbus-rtu:/dev/x/1", limits, gate, clock, noted, bus)


# -- readings


def test_its_readings_are_published(furnace: YudianAibus) -> None:
    look_at(furnace)
    assert furnace.reading_degc.get() == pytest.approx(22.0, abs=0.6)
    assert (furnace.setpoint_degc.get(), furnace.output_percent.get()) == (0.0, 0.0)
    assert furnace.program_status.get() == "reset"
    assert furnace.describe()["kiln-3_setpoint_degc"]["upper_ctrl_limit"] == 1100.0


@pytest.mark.parametrize("decimals", [0, 1, 2, 128, 129])
def test_temperatures_follow_the_decimals_of_the_unit(line: Line, furnish: Furnish, decimals: int) -> None:
    line.add(3, Make(decimals=decimals))
    furnace = furnish()
    look_at(furnace)
    assert furnace.reading_degc.get() == pytest.approx(22.0, abs=1.0)


def test_decimals_that_change_are_refused_at_the_next_look(furnace: YudianAibus, unit: Unit, clock: JumpClock) -> None:
    look_at(furnace)
    unit.decimals = 0
    look_at(furnace)
    assert furnace.comm_ok.get() == 0
    assert math.isnan(furnace.reading_degc.get())
    assert "the number of decimals (dPt) was 1 and is 0" in str(furnace.last_error)
    error = end_of(clock, furnace.set("run-program", steps=FIRING))
    assert isinstance(error, WrongInstrumentError)
    unit.decimals = 1
    look_at(furnace)
    assert furnace.comm_ok.get() == 1


@pytest.mark.parametrize("reads", [None, 25.0, 3276.7])
def test_a_broken_sensor_gives_no_number_whatever_it_reads(
    furnace: YudianAibus, unit: Unit, reads: float | None
) -> None:
    unit.sensor_broken, unit.broken_reads = True, reads
    look_at(furnace)
    assert math.isnan(furnace.reading_degc.get())


def test_two_units_on_one_line_are_not_mixed_up(line: Line, furnish: Furnish, clock: JumpClock) -> None:
    line.add(3)
    line.add(4, Make(dialect="v7", decimals=0))
    third, fourth = furnish(3), furnish(4)
    assert end_of(clock, third.set("set-setpoint", degc=300.0)) is None
    assert end_of(clock, fourth.set("set-setpoint", degc=150.0)) is None
    run_for(clock, 7200.0)
    look_at(third)
    look_at(fourth)
    assert third.reading_degc.get() == pytest.approx(300.0, abs=3.0)
    assert fourth.reading_degc.get() == pytest.approx(150.0, abs=3.0)
    assert third.identify().startswith("Yudian AI-518P, unit 3, v8 map")
    assert fourth.identify().startswith("Yudian AI, unit 4, v7 map")


# -- firings


@pytest.mark.parametrize(
    "make",
    [
        Make(),
        Make(dialect="v7"),
        Make(dialect="v7", decimals=0),
        Make(decimals=128),
        Make(begins=False),
        Make(time_decimals=1),
    ],
    ids=str,
)
def test_a_firing_is_loaded_read_back_run_and_watched_to_its_end(
    line: Line, furnish: Furnish, clock: JumpClock, gate: FakeGate, make: Make
) -> None:
    unit = line.add(3, make)
    segments = "start" if make.begins else "target"
    furnace = furnish(map=make.dialect, segments=segments, time_decimals=make.time_decimals)
    assert end_of(clock, furnace.set("run-program", steps=FIRING)) is None
    assert gate.asked[0].describe() == "run-program 920 degC"
    assert FIRING_S - 60.0 <= clock.now() - JUMP_EPOCH_S <= FIRING_S + 30.0
    assert furnace.peak_degc.get() == pytest.approx(920.0, abs=12.0)
    assert furnace.program_status.get() == "end"
    assert furnace.local_override.get() == 0
    assert furnace.trouble.get() == ""
    assert unit._programmer.state is Running.STOP


def test_run_is_told_once_and_everything_is_stopped_before(furnace: YudianAibus, line: Line, clock: JumpClock) -> None:
    end_of(clock, furnace.set("run-program", steps=FIRING))
    assert line.writes(V8_STATE) == [1, 0]
    assert line.writes(0x2B) == [5]
    assert line.writes(0x50)[0] <= 220
    assert [line.writes(parameter) for parameter in (0x51, 0x52, 0x53)] == [[90], [9200], [60]]
    assert [line.writes(parameter) for parameter in (0x58, 0x59)] == [[600], [-121]]


def test_an_older_unit_begins_with_its_first_segment(line: Line, furnish: Furnish, clock: JumpClock) -> None:
    unit = line.add(3, Make(dialect="v7"))
    unit.write(0x00, 7)
    assert end_of(clock, furnish().set("run-program", steps=FIRING)) is None
    assert line.writes(0x00) == [1]
    assert line.writes(V7_STATE) == [12, 0]


def test_asking_again_for_what_is_running_joins_it(furnace: YudianAibus, line: Line, clock: JumpClock) -> None:
    first = furnace.set("run-program", steps=FIRING)
    run_for(clock, 600)
    assert furnace.set("run-program", steps=FIRING) is first
    with pytest.raises(BusyError, match="another programme is running"):
        furnace.set("run-program", steps=((5.0, 500.0, 0.0),))
    assert end_of(clock, first) is None
    assert line.writes(V8_STATE) == [1, 0]


@pytest.mark.parametrize("dialect", ["v7", "v8"])
def test_a_programme_found_running_is_adopted_and_not_started_again(
    line: Line, furnish: Furnish, clock: JumpClock, dialect: str
) -> None:
    line.add(3, Make(dialect=dialect))
    furnish(3).set("run-program", steps=FIRING)
    run_for(clock, 3600.0)
    before = line.all_writes
    again = furnish(3)
    assert end_of(clock, again.set("run-program", steps=FIRING)) is None
    assert line.all_writes == before
    assert FIRING_S - 60.0 <= clock.now() - JUMP_EPOCH_S <= FIRING_S + 30.0


def test_a_foreign_programme_is_not_overwritten(furnace: YudianAibus, unit: Unit, line: Line, clock: JumpClock) -> None:
    unit.panel_setpoint(300.0)
    error = end_of(clock, furnace.set("run-program", steps=FIRING))
    assert isinstance(error, BusyError)
    assert line.all_writes == 0


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (((10.0, 1101.0, 0.0),), "1101 degC requested, limit 1100 degC"),
        (((10.5, 900.0, 0.0),), "10.5 degC/min requested, limit 10 degC/min"),
        (((10.0, 900.0, 150 * 3600.0),), "a segment of 9000 min was requested, the longest takes 3200 min"),
        (((10.0, 900.0, 60.0), (10.0, 890.0, 60.0)) * 13, "has 55 segments, a unit with v8 map holds 50"),
        (((10.0, 900.0, 90.0),), "a dwell|90 s was requested, the instrument can hold 120 s"),
    ],
)
def test_what_the_unit_may_not_or_cannot_do_never_reaches_gate_or_wire(
    furnace: YudianAibus, gate: FakeGate, line: Line, steps: object, said: str
) -> None:
    look_at(furnace)
    with pytest.raises(LimitError, match=f"kiln-3: .*({said})"):
        furnace.set("run-program", steps=steps)
    assert gate.asked == []
    assert line.all_writes == 0


def test_a_denial_is_raised_at_once_and_nothing_is_written(furnace: YudianAibus, gate: FakeGate, line: Line) -> None:
    gate.denied["run-program"] = "the door is open"
    with pytest.raises(CommandDeniedError, match="the door is open"):
        furnace.set("run-program", steps=FIRING)
    look_at(furnace)
    assert line.all_writes == 0


def test_a_segment_that_is_not_taken_stops_the_start(
    furnace: YudianAibus, unit: Unit, line: Line, clock: JumpClock
) -> None:
    unit.ignore_setpoint = True
    error = end_of(clock, furnace.set("run-program", steps=FIRING))
    assert isinstance(error, ActionFailedError)
    assert "kiln-3: segment 1 was set to" in str(error)
    assert line.writes(V8_STATE) == [1]


def test_a_unit_whose_segments_mean_otherwise_is_found_out(line: Line, furnish: Furnish, clock: JumpClock) -> None:
    line.add(3, Make(begins=False))
    error = end_of(clock, furnish(segments="start").set("run-program", steps=FIRING))
    assert isinstance(error, ActionFailedError)
    assert "does it do something else than it was told?" in str(error)
    assert clock.now() - JUMP_EPOCH_S < 3600.0


@pytest.mark.parametrize("dialect", ["v7", "v8"])
def test_a_programme_that_is_stopped_or_held_at_the_panel_fails(
    line: Line, furnish: Furnish, clock: JumpClock, dialect: str
) -> None:
    unit = line.add(3, Make(dialect=dialect))
    furnace = furnish()
    running = furnace.set("run-program", steps=FIRING)
    run_for(clock, 600)
    unit.panel_hold()
    assert "the programme went to hold before its end: was it stopped at the panel" in str(end_of(clock, running))
    assert furnace.local_override.get() == 1


def test_a_power_cut_during_a_firing_is_noticed(furnace: YudianAibus, unit: Unit, clock: JumpClock) -> None:
    running = furnace.set("run-program", steps=FIRING)
    run_for(clock, 600)
    unit.power_cycle()
    assert "the programme went to reset before its end" in str(end_of(clock, running))
    assert unit._programmer.state is Running.STOP


def test_a_broken_sensor_fails_the_firing(furnace: YudianAibus, unit: Unit, clock: JumpClock) -> None:
    running = furnace.set("run-program", steps=FIRING)
    run_for(clock, 600)
    unit.sensor_broken = True
    error = end_of(clock, running)
    assert "the sensor is broken or out of range (status 0x10) during the programme" in str(error)
    assert clock.now() - JUMP_EPOCH_S <= 661


def test_a_broken_sensor_starts_nothing(furnace: YudianAibus, unit: Unit, line: Line, clock: JumpClock) -> None:
    unit.sensor_broken = True
    for verb, arguments in (("run-program", {"steps": FIRING}), ("set-setpoint", {"degc": 400.0})):
        assert isinstance(end_of(clock, furnace.set(verb, **arguments)), ActionFailedError)
    assert line.all_writes == 0


def test_a_unit_whose_time_stands_still_is_found_out(line: Line, furnish: Furnish, clock: JumpClock) -> None:
    unit = line.add(3, Make(dialect="v7"))
    furnace = furnish()
    running = furnace.set("run-program", steps=FIRING)
    run_for(clock, 600)
    unit.stuck = True
    assert isinstance(end_of(clock, running), ActionFailedError)
    assert clock.now() - JUMP_EPOCH_S < 1200.0


# -- setpoints, holds and resets


@pytest.mark.parametrize("make", [Make(), Make(dialect="v7"), Make(begins=False)], ids=str)
def test_a_setpoint_is_held_without_counting_as_a_programme(
    line: Line, furnish: Furnish, clock: JumpClock, gate: FakeGate, make: Make
) -> None:
    line.add(3, make)
    furnace = furnish(segments="start" if make.begins else "target")
    assert end_of(clock, furnace.set("set-setpoint", degc=400.0)) is None
    assert gate.asked[0].describe() == "set-setpoint 400 degC"
    run_for(clock, 3 * 3600.0)
    look_at(furnace)
    assert furnace.reading_degc.get() == pytest.approx(400.0, abs=2.0)
    assert furnace.setpoint_degc.get() == 400.0
    assert furnace.program_status.get() == "reset"
    assert (furnace.local_override.get(), furnace.trouble.get()) == (0, "")
    with pytest.raises(LimitError, match="1200 degC requested"):
        furnace.set_setpoint(1200.0)


def test_a_setpoint_that_was_held_before_a_restart_is_known_again(
    line: Line, furnish: Furnish, clock: JumpClock
) -> None:
    line.add(3)
    end_of(clock, furnish().set("set-setpoint", degc=400.0))
    again = furnish()
    look_at(again)
    assert (again.program_status.get(), again.setpoint_degc.get()) == ("reset", 400.0)


def test_a_setpoint_during_a_programme_is_refused(furnace: YudianAibus, line: Line, clock: JumpClock) -> None:
    furnace.set("run-program", steps=FIRING)
    run_for(clock, 60)
    before = line.all_writes
    assert isinstance(end_of(clock, furnace.set_setpoint(400.0)), BusyError)
    assert line.all_writes == before


def test_a_setpoint_that_is_changed_at_the_panel_is_told(furnace: YudianAibus, unit: Unit, clock: JumpClock) -> None:
    end_of(clock, furnace.set("set-setpoint", degc=400.0))
    unit.panel_setpoint(500.0)
    look_at(furnace)
    assert furnace.local_override.get() == 1
    assert "was not told so here" in furnace.trouble.get()


@pytest.mark.parametrize("dialect", ["v7", "v8"])
def test_a_firing_can_be_put_on_hold_and_go_on(
    line: Line, furnish: Furnish, clock: JumpClock, gate: FakeGate, dialect: str
) -> None:
    unit = line.add(3, Make(dialect=dialect))
    furnace = furnish()
    running = furnace.set("run-program", steps=FIRING)
    run_for(clock, 1800)
    assert end_of(clock, furnace.set("hold-program")) is None
    look_at(furnace)
    assert furnace.program_status.get() == "hold"
    assert unit._programmer.state is Running.HOLD
    run_for(clock, 36_000)
    assert end_of(clock, furnace.set("continue-program")) is None
    assert end_of(clock, running) is None
    assert FIRING_S - 60.0 <= clock.now() - JUMP_EPOCH_S - 36_000 <= FIRING_S + 60.0
    assert [command.describe() for command in gate.asked[1:]] == ["hold-program", "continue-program"]


def test_there_is_nothing_to_hold_without_a_programme(furnace: YudianAibus, line: Line, clock: JumpClock) -> None:
    assert "there is no programme to hold" in str(end_of(clock, furnace.set("hold-program")))
    assert "no programme is on hold" in str(end_of(clock, furnace.set("continue-program")))
    end_of(clock, furnace.set("set-setpoint", degc=200.0))
    before = line.all_writes
    assert "there is no programme to hold" in str(end_of(clock, furnace.set("hold-program")))
    assert line.all_writes == before


def test_a_reset_ends_programme_and_heating_and_says_by_whom(
    furnace: YudianAibus, unit: Unit, clock: JumpClock
) -> None:
    running = furnace.set("run-program", steps=FIRING)
    run_for(clock, 1800)
    with acting_as("ana", "ana#2"):
        assert end_of(clock, furnace.set("reset-program")) is None
    assert "its programme was ended by hand (ana)" in str(end_of(clock, running))
    assert unit._programmer.state is Running.STOP
    run_for(clock, 20.0)
    look_at(furnace)
    assert (furnace.output_percent.get(), furnace.program_status.get()) == (0.0, "reset")


def test_stopping_after_a_failure_ends_the_programme_and_after_success_does_not(
    furnace: YudianAibus, unit: Unit, clock: JumpClock
) -> None:
    running = furnace.set("run-program", steps=FIRING)
    run_for(clock, 600)
    furnace.stop(success=True)
    run_for(clock, 60)
    assert not running.done
    furnace.stop()
    assert isinstance(end_of(clock, running), ActionFailedError)
    assert unit._programmer.state is Running.STOP


ASKED: tuple[tuple[str, dict[str, object]], ...] = (
    ("run-program", {"steps": FIRING}),
    ("set-setpoint", {"degc": 400.0}),
    ("hold-program", {}),
    ("continue-program", {}),
)


@pytest.mark.parametrize(("verb", "arguments"), ASKED)
def test_what_is_still_queued_when_the_furnace_is_reset_writes_nothing(
    furnace: YudianAibus, line: Line, clock: JumpClock, verb: str, arguments: dict[str, object]
) -> None:
    older = furnace.set(verb, **arguments)
    reset = furnace.set("reset-program")
    assert "was given up, because it was reset" in str(end_of(clock, older))
    assert end_of(clock, reset) is None
    assert line.writes(V8_STATE) == [1]
    assert line.all_writes == 1


# -- a wire that tampers


def is_write_of(parameter: int) -> Callable[[bytes], bool]:
    return lambda request: request[2:4] == bytes([0x43, parameter])


def test_a_run_whose_reply_is_lost_is_asked_about_and_not_repeated(
    furnace: YudianAibus, line: Line, clock: JumpClock
) -> None:
    run = bytes([0x43, V8_STATE, 0, 0])
    line.tamper = lambda request, reply: b"" if request[2:6] == run else reply
    assert end_of(clock, furnace.set("run-program", steps=FIRING)) is None
    assert line.writes(V8_STATE) == [1, 0]


def test_a_run_that_is_lost_itself_fails_and_is_not_repeated(
    furnace: YudianAibus, line: Line, clock: JumpClock
) -> None:
    run = bytes([0x43, V8_STATE, 0, 0])
    line.hear = lambda request: b"" if request[2:6] == run else request
    error = end_of(clock, furnace.set("run-program", steps=FIRING))
    assert "was told to run its programme and is in state reset" in str(error)
    assert line.writes(V8_STATE) == [1, 0]


def test_a_segment_whose_reply_is_lost_is_read_and_not_written_again(
    furnace: YudianAibus, line: Line, clock: JumpClock
) -> None:
    line.tamper = lambda request, reply: b"" if is_write_of(0x52)(request) else reply
    assert end_of(clock, furnace.set("run-program", steps=FIRING)) is None
    assert line.writes(0x52) == [9200]


def test_a_segment_that_is_lost_itself_is_written_again(furnace: YudianAibus, line: Line, clock: JumpClock) -> None:
    lost: list[bytes] = []

    def hear(request: bytes) -> bytes:
        if is_write_of(0x52)(request) and not lost:
            lost.append(request)
            return b""
        return request

    line.hear = hear
    assert end_of(clock, furnace.set("run-program", steps=FIRING)) is None
    assert line.writes(0x52) == [9200, 9200]


def test_a_reply_that_comes_too_late_is_never_taken_for_another(
    furnace: YudianAibus, line: Line, clock: JumpClock
) -> None:
    look_at(furnace)
    late: list[bytes] = [b""]

    def shift(request: bytes, reply: bytes) -> bytes:
        late.append(reply)
        return late.pop(0)

    line.tamper = shift
    look_at(furnace)
    assert furnace.comm_ok.get() == 0
    assert math.isnan(furnace.reading_degc.get())
    line.tamper = lambda request, reply: reply
    look_at(furnace)
    assert furnace.comm_ok.get() == 1


def test_a_line_that_doubles_replies_gives_no_reading_but_the_right_one(
    furnace: YudianAibus, unit: Unit, line: Line, clock: JumpClock
) -> None:
    end_of(clock, furnace.set("set-setpoint", degc=300.0))
    line.tamper = lambda request, reply: reply * 2
    for _ in range(5):
        run_for(clock, 600.0)
        look_at(furnace)
        reading_degc = furnace.reading_degc.get()
        assert math.isnan(reading_degc) or reading_degc == pytest.approx(unit._furnace.thermocouple_degc, abs=0.1)


@pytest.mark.parametrize("at", range(10))
def test_a_garbled_reply_is_asked_for_again(furnace: YudianAibus, line: Line, at: int) -> None:
    garbled: list[bytes] = []

    def garble(request: bytes, reply: bytes) -> bytes:
        if garbled:
            return reply
        garbled.append(reply)
        return reply[:at] + bytes([reply[at] ^ 0x20]) + reply[at + 1 :]

    look_at(furnace)
    line.tamper = garble
    look_at(furnace)
    assert furnace.comm_ok.get() == 1
    assert furnace.reading_degc.get() == pytest.approx(22.0, abs=0.6)


def test_a_unit_that_falls_silent_fails_the_firing_and_comes_back(
    furnace: YudianAibus, line: Line, clock: JumpClock
) -> None:
    running = furnace.set("run-program", steps=FIRING)
    run_for(clock, 600)
    line.tamper = lambda request, reply: b""
    assert "was silent 5 times in a row" in str(end_of(clock, running))
    assert (furnace.comm_ok.get(), furnace.program_status.get()) == (0, "unknown")
    assert math.isnan(furnace.reading_degc.get())
    line.tamper = lambda request, reply: reply
    run_for(clock, 61)
    assert furnace.comm_ok.get() == 1
    assert line.writes(V8_STATE) == [1, 0]
