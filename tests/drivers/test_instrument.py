"""What all devices have in common, on one that needs no wire."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar

import bluesky.plan_stubs as bps
import pytest
from bluesky import Msg, RunEngine
from bluesky.protocols import Movable, Readable, Stoppable
from ophyd import Component

from drivers.bus import Bus, Job
from drivers.clock import JUMP_EPOCH_S, JumpClock, RealClock
from drivers.errors import ActionFailedError, GrantError, LinkError, UnknownVerbError, WrongInstrumentError
from drivers.gate import GRANT_LIFE_S, CommandDeniedError, acting_as
from drivers.instrument import Instrument
from drivers.signals import Reading
from drivers.status import ActionStatus
from tests.drivers.fakes import FakeGate, end_of


class Lamp(Instrument):
    """A lamp that can be lit for a while."""

    VERBS: ClassVar[Mapping[str, str]] = {"light": "light", "watch": "watch"}
    MEASURED = ("brightness_cd", "colour")

    brightness_cd = Component(Reading, value=math.nan, units="cd", precision=2, kind="hinted")
    colour = Component(Reading, value="", kind="normal")

    def __init__(self, name: str, *, gate: FakeGate, clock: JumpClock, bus: Bus) -> None:
        super().__init__(name, gate=gate, clock=clock, bus=bus)
        self.brightness_cd.limit(0.0, 100.0)
        self.is_gone = self.is_another = False
        self.hangs = threading.Event()
        self.period_s = 10.0

    def light(self, for_s: float) -> ActionStatus:
        grant = self._authorize("light", for_s, "s")
        return self._begin("light", self._shine(for_s), grant)

    def watch(self) -> ActionStatus:
        return self._begin("watch", self._watch())

    def _shine(self, for_s: float) -> Job:
        yield self.clock.now() + for_s

    def _watch(self) -> Job:
        while True:
            yield from self._after_poll()

    def _check_identity(self) -> str:
        if self.is_another:
            raise WrongInstrumentError("lamp-1: this is a heater")
        self._look()
        return "a lamp"

    def _look(self) -> float:
        while self.hangs.is_set():
            time.sleep(0.002)
        if self.is_gone:
            raise LinkError("lamp-1: nobody answers")
        self._publish(brightness_cd=80.0, colour="red")
        return self.clock.now() + self.period_s


@pytest.fixture
def lamp(gate: FakeGate, clock: JumpClock, bus: Bus) -> Lamp:
    lamp = Lamp("lamp-1", gate=gate, clock=clock, bus=bus)
    bus.add(lamp)
    return lamp


def test_a_device_is_what_bluesky_wants(lamp: Lamp) -> None:
    assert isinstance(lamp, Readable)
    assert isinstance(lamp, Movable)
    assert isinstance(lamp, Stoppable)


def test_before_the_first_look_nothing_is_known(lamp: Lamp, clock: JumpClock) -> None:
    assert math.isnan(lamp.brightness_cd.get())
    assert lamp.comm_ok.get() == 0
    assert lamp.age_s.get() == math.inf
    assert lamp.read()["lamp-1_brightness_cd"]["timestamp"] == clock.now()


def test_a_look_fills_the_signals_with_values_of_that_time(lamp: Lamp, clock: JumpClock) -> None:
    clock.sleep_until(JUMP_EPOCH_S + 13)
    read = lamp.read()
    assert read["lamp-1_brightness_cd"] == {"value": 80.0, "timestamp": JUMP_EPOCH_S + 10}
    assert read["lamp-1_comm_ok"]["value"] == 1
    assert read["lamp-1_age_s"]["value"] == 3.0


def test_a_description_has_unit_precision_and_limits(lamp: Lamp) -> None:
    described = lamp.describe()
    assert described.keys() == lamp.read().keys()
    entry = described["lamp-1_brightness_cd"]
    assert (entry["units"], entry["precision"], entry["dtype"]) == ("cd", 2, "number")
    assert (entry["lower_ctrl_limit"], entry["upper_ctrl_limit"]) == (0.0, 100.0)
    assert described["lamp-1_age_s"]["units"] == "s"
    assert described["lamp-1_colour"]["dtype"] == "string"


def test_nobody_but_the_device_writes_its_readings(lamp: Lamp) -> None:
    with pytest.raises(Exception, match="does not allow write access"):
        lamp.brightness_cd.put(5.0)


def test_a_silent_instrument_has_no_values_and_is_looked_for_ever_more_slowly(lamp: Lamp, clock: JumpClock) -> None:
    clock.sleep_until(JUMP_EPOCH_S + 5)
    lamp.is_gone = True
    clock.sleep_until(JUMP_EPOCH_S + 10.5)
    assert math.isnan(lamp.brightness_cd.get())
    assert lamp.colour.get() == "unknown"
    assert lamp.comm_ok.get() == 0
    clock.sleep_until(JUMP_EPOCH_S + 20)
    assert lamp.age_s.get() == 20.0
    lamp.is_gone = False
    clock.sleep_until(JUMP_EPOCH_S + 26)
    assert lamp.comm_ok.get() == 1
    assert lamp.brightness_cd.get() == 80.0


def test_somebody_else_after_a_silence_is_not_taken_for_the_instrument(lamp: Lamp, clock: JumpClock) -> None:
    clock.sleep_until(JUMP_EPOCH_S + 5)
    lamp.is_gone = True
    clock.sleep_until(JUMP_EPOCH_S + 10.5)
    lamp.is_gone, lamp.is_another = False, True
    clock.sleep_until(JUMP_EPOCH_S + 60)
    assert lamp.comm_ok.get() == 0
    assert isinstance(lamp.last_error, WrongInstrumentError)


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lamp]:
    """A lamp in real time, whose readings are soon stale."""
    monkeypatch.setattr(Instrument, "STALE_S", 0.05)
    clock = RealClock()
    bus = Bus("real", clock)
    lamp = Lamp("lamp-1", gate=FakeGate(clock), clock=clock, bus=bus)  # type: ignore[arg-type]
    monkeypatch.setattr(lamp, "period_s", 0.01)
    yield lamp
    bus.close()


def wait_for(what: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 5.0
    while not what():
        assert time.monotonic() < end_s
        time.sleep(0.002)


def test_readings_of_a_thread_that_hangs_are_unknown_after_a_while(real: Lamp) -> None:
    real.bus.add(real)
    wait_for(lambda: real.comm_ok.get() == 1)
    real.hangs.set()
    wait_for(lambda: real.comm_ok.get() == 0)
    assert math.isnan(real.brightness_cd.get())
    assert math.isnan(real.read()["lamp-1_brightness_cd"]["value"])
    assert real.colour.get() == "unknown"
    assert 0.05 < real.age_s.get() < 5.0
    real.hangs.clear()
    wait_for(lambda: real.comm_ok.get() == 1)
    assert real.brightness_cd.get() == 80.0


def test_readings_of_a_thread_that_died_are_unknown(real: Lamp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    real.bus.add(real)
    wait_for(lambda: real.comm_ok.get() == 1)

    def defect() -> float:
        raise ZeroDivisionError

    monkeypatch.setattr(real, "_look", defect)
    wait_for(lambda: real.comm_ok.get() == 0)
    assert math.isnan(real.brightness_cd.get())
    assert real.bus.late_s("lamp-1") == math.inf


def test_a_steady_stretch_makes_no_reading_stale(lamp: Lamp, clock: JumpClock) -> None:
    lamp.period_s = 60.0
    for _ in range(20):
        clock.sleep_until(clock.now() + 7.0)
        assert lamp.comm_ok.get() == 1
        assert lamp.brightness_cd.get() == 80.0


def test_whoever_listens_hears_the_last_value_and_every_later_one(lamp: Lamp, clock: JumpClock) -> None:
    clock.sleep_until(JUMP_EPOCH_S + 1)
    heard: list[tuple[float, float]] = []

    def note(*, value: float, timestamp: float, **_: object) -> None:
        heard.append((value, timestamp - JUMP_EPOCH_S))

    lamp.brightness_cd.subscribe(note)
    clock.sleep_until(JUMP_EPOCH_S + 11)
    end_s = time.monotonic() + 5.0
    while len(heard) < 2 and time.monotonic() < end_s:
        time.sleep(0.002)
    assert heard == [(80.0, 0.0), (80.0, 10.0)]


def test_an_action_fails_after_a_few_silences_and_not_before(lamp: Lamp, clock: JumpClock) -> None:
    status = lamp.set("watch")
    clock.sleep_until(JUMP_EPOCH_S + 5)
    lamp.is_gone = True
    error = end_of(clock, status)
    assert isinstance(error, ActionFailedError)
    assert isinstance(error.__cause__, LinkError)
    assert "lamp-1: was silent 5 times in a row" in str(error)
    assert clock.now() == JUMP_EPOCH_S + 10 + 1 + 2 + 4 + 8


def test_a_short_silence_does_not_fail_an_action(lamp: Lamp, clock: JumpClock) -> None:
    status = lamp.set("watch")
    clock.sleep_until(JUMP_EPOCH_S + 5)
    lamp.is_gone = True
    clock.sleep_until(JUMP_EPOCH_S + 14)
    lamp.is_gone = False
    clock.sleep_until(JUMP_EPOCH_S + 100)
    assert not status.done


def test_identifying_waits_for_the_bus(lamp: Lamp) -> None:
    assert lamp.identify() == "a lamp"
    assert lamp.brightness_cd.get() == 80.0
    lamp.is_gone = True
    with pytest.raises(LinkError, match="nobody answers"):
        lamp.identify()


def test_who_did_not_say_who_it_is_is_not_looked_at_at_once(lamp: Lamp, clock: JumpClock) -> None:
    lamp.is_gone = True
    asked = lamp.ask_identity()
    with pytest.raises(LinkError, match="nobody answers"):
        asked.result()
    lamp.is_gone = False
    clock.sleep_until(JUMP_EPOCH_S + 0.9)
    assert lamp.comm_ok.get() == 0
    assert str(lamp.last_error) == "lamp-1: nobody answers"
    clock.sleep_until(JUMP_EPOCH_S + 1.1)
    assert lamp.comm_ok.get() == 1


def test_a_verb_begins_an_action_that_ends_in_lab_time(lamp: Lamp, clock: JumpClock, gate: FakeGate) -> None:
    status = lamp.set("light", for_s=30.0)
    assert end_of(clock, status) is None
    assert clock.now() == JUMP_EPOCH_S + 30
    assert gate.asked[0].describe() == "light 30 s"


def test_an_unknown_verb_is_told_with_the_known_ones(lamp: Lamp) -> None:
    with pytest.raises(UnknownVerbError, match="lamp-1: there is no verb 'dim'; there are light, watch"):
        lamp.set("dim")


@pytest.mark.parametrize("arguments", [{}, {"for_s": 1.0, "colour": "red"}])
def test_a_wrong_argument_is_told_with_the_right_ones(lamp: Lamp, arguments: dict[str, object]) -> None:
    with pytest.raises(UnknownVerbError, match=r"lamp-1: light\(for_s: 'float'\).* argument"):
        lamp.set("light", **arguments)


def test_a_denial_is_raised_where_the_command_was_given(lamp: Lamp, gate: FakeGate) -> None:
    gate.denied["light"] = "the room is occupied"
    with pytest.raises(CommandDeniedError, match="lamp-1: light 5 s was denied: the room is occupied"):
        lamp.set("light", for_s=5.0)


def test_leave_lasts_a_while_and_no_longer(lamp: Lamp, clock: JumpClock, gate: FakeGate) -> None:
    gate.granted_ago_s = GRANT_LIFE_S
    assert end_of(clock, lamp.set("light", for_s=1.0)) is None
    gate.granted_ago_s = GRANT_LIFE_S + 1.0
    error = end_of(clock, lamp.set("light", for_s=1.0))
    assert isinstance(error, GrantError)
    assert str(error) == (
        "lamp-1: light would begin 601 s after it was granted, and leave is void after 600 s: what kept bus test?"
    )


def test_under_a_clock_that_runs_faster_leave_lasts_as_much_longer(
    lamp: Lamp, clock: JumpClock, gate: FakeGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "speed", 10.0, raising=False)
    gate.granted_ago_s = 10 * GRANT_LIFE_S
    assert end_of(clock, lamp.set("light", for_s=1.0)) is None
    gate.granted_ago_s = 10 * GRANT_LIFE_S + 1.0
    assert "leave is void after 6000 s" in str(end_of(clock, lamp.set("light", for_s=1.0)))


def test_a_job_is_not_cut_off_when_its_leave_grows_old(lamp: Lamp, clock: JumpClock) -> None:
    assert end_of(clock, lamp.set("light", for_s=3 * GRANT_LIFE_S)) is None


def run_plan(plan: Callable[[], Iterable[Msg]], clock: JumpClock) -> BaseException | None:
    """Run a plan in a thread of its own while this one lets lab time pass."""
    failures: list[BaseException] = []
    engine = RunEngine({}, context_managers=[])

    def run() -> None:
        try:
            with acting_as("campaign", lease="L1"):
                engine(plan())
        except Exception as error:  # noqa: BLE001 - handed to the test
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive():
        clock.sleep_until(clock.now() + 1.0)
        thread.join(0.001)
    engine.loop.call_soon_threadsafe(engine.loop.stop)
    engine._th.join()
    engine.loop.close()
    return failures[0] if failures else None


def test_a_plan_uses_verbs_through_set(lamp: Lamp, clock: JumpClock, gate: FakeGate) -> None:
    def plan() -> Iterator[Msg]:
        yield from bps.abs_set(lamp, "light", for_s=5.0, group="a")
        yield Msg("set", lamp, "light", for_s=7.0, group="a")
        yield from bps.wait("a")
        yield from bps.open_run()
        yield from bps.trigger_and_read([lamp])
        yield from bps.close_run()

    assert run_plan(plan, clock) is None
    assert [command.value for command in gate.asked] == [5.0, 7.0]
    assert gate.actors == ["campaign", "campaign"]


def test_a_denial_ends_a_plan_with_its_reasons(lamp: Lamp, clock: JumpClock, gate: FakeGate) -> None:
    gate.denied["light"] = "the room is occupied"
    error = run_plan(lambda: bps.abs_set(lamp, "light", for_s=5.0), clock)
    assert isinstance(error, CommandDeniedError)
