"""The furnace controller, against registers behind real frames."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

import pytest

from drivers.bus import Bus
from drivers.clock import JUMP_EPOCH_S, JumpClock
from drivers.codecs import eurotherm_3216p as program_wire
from drivers.devices.eurotherm_3216p import Eurotherm3216P
from drivers.errors import (
    ActionFailedError,
    BusyError,
    CommandDeniedError,
    LimitError,
    WrongInstrumentError,
)
from drivers.gate import acting_as
from drivers.registry import build
from drivers.status import ActionStatus
from tests.drivers.fakes import Answer, FakeGate, FakePty, Noted, RtuSlave, crc, end_of, look_at

FIRING = ((10.0, 920.0, 3600.0), (5.0, 60.0, 0.0))
TO_PEAK_S = 90 * 60.0
FIRING_S = TO_PEAK_S + 3600.0 + 172 * 60.0


class Controller(RtuSlave):
    """A 3216P whose furnace follows its setpoint at once."""

    def __init__(self, clock: JumpClock) -> None:
        super().__init__({1: 20, 23: 0, 107: 0x0203, 122: 0xF3, 131: 1, 525: 0})
        self.clock = clock
        self.started_s = math.inf
        self.held_s: float | None = None
        self.refresh = self.follow
        self.on_write = self.take
        self.loses: Callable[[bytes], bool] = lambda request: False
        """Whether the reply to a request goes astray, after it was carried out."""
        self.longest = 125
        """How many registers it gives at once."""

    def answer(self, data: bytes) -> bytes:
        if data[1] == 3 and int.from_bytes(data[4:6], "big") > self.longest:
            refusal = bytes([data[0], 0x83, 2])
            return refusal + crc(refusal)
        reply = super().answer(data)
        return b"" if self.loses(data) else reply

    def follow(self) -> None:
        if self.registers[23] == 1:
            setpoint_degc = self.setpoint(self.clock.now() - self.started_s)
            self.registers[1] = self.registers[5] = round(setpoint_degc)

    def setpoint(self, elapsed_s: float) -> float:
        at_degc = 20.0
        for k in range(8):
            dwell_min, to_degc, ramp = (self.registers.get(1280 + 3 * k + i, 0) for i in range(3))
            if ramp:
                ramp_s = abs(to_degc - at_degc) / (ramp / 10) * 60
                if elapsed_s < ramp_s:
                    return at_degc + (to_degc - at_degc) * elapsed_s / ramp_s
                elapsed_s -= ramp_s
            at_degc = to_degc
            if elapsed_s < dwell_min * 60:
                return at_degc
            elapsed_s -= dwell_min * 60
        self.registers[23] = 3
        return at_degc

    def take(self, address: int, values: list[int]) -> None:
        self.registers_take(address, values)
        if address == 23 and values == [2]:
            self.held_s = self.clock.now()
        elif address == 23 and values == [1]:
            now_s = self.clock.now()
            self.started_s = now_s if self.held_s is None else self.started_s + now_s - self.held_s
            self.held_s = None
        elif self.registers[23] == 0:
            self.registers[5] = self.registers.get(2, 0)

    def written(self, address: int) -> list[list[int]]:
        return [values for at, values in self.writes if at == address]


@pytest.fixture
def controller(clock: JumpClock) -> Controller:
    return Controller(clock)


@pytest.fixture
def furnace(
    controller: Controller,
    serve_pty: Callable[[Answer], FakePty],
    gate: FakeGate,
    clock: JumpClock,
    noted: Noted,
    bus: Bus,
) -> Eurotherm3216P:
    far = serve_pty(controller.answer)
    limits = {"limits": {"setpoint": 1100.0, "ramp": 10.0}}
    furnace = build("furnace-1", "eurotherm-3216p", f"modbus-rtu:{far.path}/1", limits, gate, clock, noted, bus)
    assert isinstance(furnace, Eurotherm3216P)
    return furnace


def test_the_controller_says_who_it_is(furnace: Eurotherm3216P) -> None:
    assert furnace.identify() == "Eurotherm type 0xf3, firmware 0x203"


def test_another_instrument_at_the_address_is_told(furnace: Eurotherm3216P, controller: Controller) -> None:
    controller.registers[122] = 0x1
    with pytest.raises(WrongInstrumentError, match=r"furnace-1: modbus-rtu:.*/1 is of type 0x1, not 0xf3"):
        furnace.identify()


def test_its_readings_are_published(furnace: Eurotherm3216P, controller: Controller) -> None:
    controller.registers.update({1: 851, 4: 65, 5: 860})
    look_at(furnace)
    assert (furnace.reading_degc.get(), furnace.setpoint_degc.get(), furnace.output_percent.get()) == (851, 860, 65)
    assert furnace.program_status.get() == "reset"
    assert furnace.describe()["furnace-1_setpoint_degc"]["upper_ctrl_limit"] == 1100.0


def test_temperatures_follow_the_decimals_of_the_controller(furnace: Eurotherm3216P, controller: Controller) -> None:
    controller.registers.update({525: 1, 1: 8505})
    furnace.identify()
    look_at(furnace)
    assert furnace.reading_degc.get() == 850.5


def test_a_firing_is_loaded_read_back_run_and_watched_to_its_end(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock, gate: FakeGate
) -> None:
    status = furnace.set("run-program", steps=FIRING)
    assert end_of(clock, status) is None
    assert gate.asked[0].describe() == "run-program 920 degC"
    assert controller.written(1280)[0][:6] == [60, 920, 100, 0, 60, 50]
    assert controller.written(23) == [[0], [1]]
    assert FIRING_S <= clock.now() - JUMP_EPOCH_S <= FIRING_S + 1.0
    assert furnace.reading_degc.get() == 60.0
    assert furnace.program_status.get() == "end"


def test_a_firing_is_looked_at_once_a_minute_and_at_its_turns(
    furnace: Eurotherm3216P, clock: JumpClock, noted: Noted
) -> None:
    end_of(clock, furnace.set("run-program", steps=FIRING))
    polls = [data for data in noted.sent() if data[1:6] == bytes([3, 0, 1, 0, 23])]
    assert FIRING_S / 60 <= len(polls) <= FIRING_S / 60 + 20


def test_a_firing_that_ends_hot_is_continued_to_a_safe_temperature(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    assert end_of(clock, furnace.set("run-program", steps=((10.0, 920.0, 60.0),))) is None
    assert controller.written(1280)[0][3:6] == [0, 20, 0]


def test_asking_again_for_what_is_running_joins_it(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    first = furnace.set("run-program", steps=FIRING)
    clock.sleep_until(clock.now() + 600)
    assert furnace.set("run-program", steps=FIRING) is first
    with pytest.raises(BusyError, match="another programme is running"):
        furnace.set("run-program", steps=((5.0, 500.0, 0.0),))
    assert end_of(clock, first) is None
    assert controller.written(23) == [[0], [1]]


def test_a_programme_found_running_is_adopted_and_not_started_again(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    controller.registers.update(enumerate([60, 920, 100, 0, 60, 50, *[0, 60, 0] * 6], start=1280))
    controller.registers[23] = 1
    controller.started_s = clock.now() - 3600.0
    assert end_of(clock, furnace.set("run-program", steps=FIRING)) is None
    assert controller.writes == []
    assert FIRING_S - 3600.0 <= clock.now() - JUMP_EPOCH_S <= FIRING_S - 3600.0 + 10.0


def test_a_foreign_programme_is_not_overwritten(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    controller.registers.update({23: 1, 1280: 600, 1281: 800, 1282: 10})
    controller.started_s = clock.now()
    error = end_of(clock, furnace.set("run-program", steps=FIRING))
    assert isinstance(error, BusyError)
    assert controller.writes == []


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (((10.0, 1101.0, 0.0),), "1101 degC requested, limit 1100 degC"),
        (((10.5, 900.0, 0.0),), "10.5 degC/min requested, limit 10 degC/min"),
        (((math.nan, 900.0, 0.0),), "nan degC/min requested"),
        (((5.0, math.nan, 0.0),), "nan degC requested"),
        (((5.0, 900.0, -1.0),), "a dwell of -1 s"),
        (((0.0, 900.0, 0.0),), "a step up to 900 degC without a ramp"),
        (((5.0, 900.0, 0.0), (0.0, 950.0, 0.0)), "a step up to 950 degC without a ramp"),
        (((5.0, 900.0, 0.0),) * 8, "9 steps, a 3216P holds 8"),
        ((), "without steps"),
    ],
)
def test_what_exceeds_a_limit_never_reaches_gate_or_wire(
    furnace: Eurotherm3216P, gate: FakeGate, controller: Controller, steps: object, said: str
) -> None:
    look_at(furnace)
    with pytest.raises(LimitError, match=f"furnace-1: .*{said}"):
        furnace.set("run-program", steps=steps)
    assert gate.asked == []
    assert controller.writes == []


def test_a_denial_is_raised_at_once_and_nothing_is_written(
    furnace: Eurotherm3216P, gate: FakeGate, controller: Controller
) -> None:
    gate.denied["run-program"] = "the door is open"
    with pytest.raises(CommandDeniedError, match="the door is open"):
        furnace.set("run-program", steps=FIRING)
    look_at(furnace)
    assert controller.writes == []


def test_a_segment_that_is_not_taken_stops_the_start(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    def ignore_target(address: int, values: list[int]) -> None:
        controller.take(address, values)
        if address == 1280:
            controller.registers[1281] = 999

    controller.on_write = ignore_target
    error = end_of(clock, furnace.set("run-program", steps=FIRING))
    assert str(error) == "furnace-1: register 1281 was set to 920 and holds 999: is it locked at the panel?"
    assert controller.written(23) == [[0]]


@pytest.mark.parametrize(("status", "word"), [(0, "reset"), (2, "hold")])
def test_a_programme_that_is_stopped_by_somebody_fails(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock, status: int, word: str
) -> None:
    running = furnace.set("run-program", steps=FIRING)
    clock.sleep_until(clock.now() + 600)
    controller.registers[23] = status
    error = end_of(clock, running)
    assert isinstance(error, ActionFailedError)
    assert f"the programme went to {word} before its end" in str(error)


def test_a_broken_sensor_fails_the_firing_and_has_no_reading(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    running = furnace.set("run-program", steps=FIRING)
    clock.sleep_until(clock.now() + 600)
    controller.registers[75] = 1 << 5
    error = end_of(clock, running)
    assert "the sensor is broken or out of range (status 0x0020) during the programme" in str(error)
    assert math.isnan(furnace.reading_degc.get())
    assert clock.now() - JUMP_EPOCH_S <= 660


def test_a_broken_sensor_starts_no_firing(furnace: Eurotherm3216P, controller: Controller, clock: JumpClock) -> None:
    controller.registers[75] = 1 << 10
    assert isinstance(end_of(clock, furnace.set("run-program", steps=FIRING)), ActionFailedError)
    assert controller.writes == []


def test_a_controller_that_falls_silent_fails_the_firing_and_comes_back(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    furnace.link._port.timeout_s = 0.005
    furnace.link._port.quiet_s = 0.0
    running = furnace.set("run-program", steps=FIRING)
    clock.sleep_until(clock.now() + 600)
    controller.mute = True
    error = end_of(clock, running)
    assert "was silent 5 times in a row" in str(error)
    assert furnace.comm_ok.get() == 0
    assert math.isnan(furnace.reading_degc.get())
    assert furnace.program_status.get() == "unknown"
    controller.mute = False
    clock.sleep_until(clock.now() + 61)
    assert furnace.comm_ok.get() == 1


def test_stopping_after_success_leaves_the_firing_alone(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    status = furnace.set("run-program", steps=FIRING)
    clock.sleep_until(clock.now() + 600)
    furnace.stop(success=True)
    assert end_of(clock, status) is None
    assert controller.written(24) == []


def test_stopping_after_a_failure_ends_the_programme_and_heating(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock, gate: FakeGate
) -> None:
    status = furnace.set("run-program", steps=FIRING)
    clock.sleep_until(clock.now() + 600)
    furnace.stop()
    assert isinstance(end_of(clock, status), ActionFailedError)
    assert controller.registers[23] == 0
    assert (controller.registers[24], controller.registers[2]) == (0, 0)
    assert gate.asked[-1].describe() == "reset-program"


def test_stopping_raises_nothing_even_when_refused(
    furnace: Eurotherm3216P, gate: FakeGate, caplog: pytest.LogCaptureFixture
) -> None:
    gate.denied["reset-program"] = "no"
    furnace.stop()
    assert "furnace-1: the programme could not be reset" in caplog.text


def test_a_setpoint_is_set_and_read_back(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock, gate: FakeGate
) -> None:
    assert end_of(clock, furnace.set("set-setpoint", degc=400.0)) is None
    assert controller.written(2) == [[400]]
    assert gate.asked[0].describe() == "set-setpoint 400 degC"
    with pytest.raises(LimitError, match="1200 degC requested"):
        furnace.set_setpoint(1200.0)


def test_a_setpoint_during_a_programme_is_refused(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    furnace.set("run-program", steps=FIRING)
    clock.sleep_until(clock.now() + 60)
    assert isinstance(end_of(clock, furnace.set_setpoint(400.0)), BusyError)
    assert controller.written(2) == []


def test_cooling_is_waited_for_closely(furnace: Eurotherm3216P, controller: Controller, clock: JumpClock) -> None:
    began_s = clock.now()

    def cool() -> None:
        controller.registers[1] = round(20 + 880 * math.exp(-(clock.now() - began_s) / 3600))

    controller.refresh = cool
    assert end_of(clock, furnace.set("wait-cooled", below_degc=60.0)) is None
    exact_s = 3600 * math.log(880 / 40.5)
    assert exact_s <= clock.now() - began_s <= exact_s + 60


def test_waiting_for_a_cool_furnace_ends_at_once(furnace: Eurotherm3216P, clock: JumpClock) -> None:
    assert end_of(clock, furnace.cooled(60.0)) is None
    assert clock.now() == JUMP_EPOCH_S


def test_a_furnace_that_does_not_cool_is_given_up_in_time(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    controller.registers[1] = 75
    error = end_of(clock, furnace.set("wait-cooled", below_degc=60.0, within_s=7200.0))
    assert isinstance(error, ActionFailedError)
    assert str(error) == (
        "furnace-1: reads 75 degC after 2 h of cooling, 60 degC was waited for: is something heating it?"
    )
    assert 7200 <= clock.now() - JUMP_EPOCH_S <= 7260
    controller.registers[1] = 55
    assert end_of(clock, furnace.set("wait-cooled", below_degc=60.0, within_s=7200.0)) is None


def test_cooling_has_a_day_where_nobody_says_otherwise(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    controller.registers[1] = 75
    furnace._cooling.next_look_s = lambda now_s, reading_degc: now_s + 3600.0  # type: ignore[method-assign]
    furnace._timetable.next_look_s = lambda now_s: now_s + 3600.0  # type: ignore[method-assign]
    assert "after 24 h of cooling" in str(end_of(clock, furnace.cooled(60.0)))


@pytest.mark.parametrize("within_s", [0.0, -1.0, math.nan, math.inf])
def test_a_cooling_without_an_end_is_refused(furnace: Eurotherm3216P, within_s: float) -> None:
    with pytest.raises(LimitError, match=f"furnace-1: cooling within {within_s:g} s was requested"):
        furnace.set("wait-cooled", below_degc=60.0, within_s=within_s)


def test_a_programme_that_never_ends_fails_half_a_day_late(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    def lag() -> None:
        controller.follow()
        controller.registers.update({1: 640, 23: 1})

    status = furnace.set("run-program", steps=FIRING)
    clock.sleep_until(clock.now() + 1.0)
    controller.refresh = lag
    error = end_of(clock, status)
    assert isinstance(error, ActionFailedError)
    assert "furnace-1: the programme is still in state run at 640 degC" in str(error)
    assert "was to have ended by 2026-01-01T17:22+00:00 at the latest" in str(error)
    assert 0 <= clock.now() - JUMP_EPOCH_S - (FIRING_S + 12 * 3600.0) <= 60


def test_a_programme_found_running_has_a_deadline_too(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    controller.registers.update(enumerate([60, 920, 100, 0, 60, 50, *[0, 60, 0] * 6], start=1280))
    controller.registers.update({23: 1, 1: 20})
    controller.refresh = lambda: None
    furnace._timetable.next_look_s = lambda now_s: now_s + 3600.0  # type: ignore[method-assign]
    assert "still in state run at 20 degC" in str(end_of(clock, furnace.set("run-program", steps=FIRING)))


def test_the_peak_is_that_of_the_programme_that_ran_last(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    assert math.isnan(furnace.peak_degc.get())
    assert end_of(clock, furnace.set("run-program", steps=FIRING)) is None
    assert furnace.peak_degc.get() == 920.0
    controller.registers[1] = 930
    clock.sleep_until(clock.now() + 120)
    assert furnace.peak_degc.get() == 920.0
    controller.registers[1] = 30
    status = furnace.set("run-program", steps=((10.0, 500.0, 60.0), (10.0, 50.0, 0.0)))
    clock.sleep_until(clock.now() + 1)
    assert furnace.peak_degc.get() < 100.0
    assert end_of(clock, status) is None
    assert furnace.peak_degc.get() == 500.0
    assert furnace.describe()["furnace-1_peak_degc"]["units"] == "degC"


def test_a_broken_sensor_leaves_the_peak_that_was_seen(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    status = furnace.set("run-program", steps=FIRING)
    clock.sleep_until(clock.now() + 630)
    controller.registers[75] = 1 << 5
    assert isinstance(end_of(clock, status), ActionFailedError)
    assert furnace.peak_degc.get() == 120.0


def test_the_peak_of_a_programme_found_running_begins_with_the_first_valid_reading(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    controller.registers.update(enumerate([60, 920, 100, 0, 60, 50, *[0, 60, 0] * 6], start=1280))
    controller.registers.update({23: 1, 75: 1 << 5})
    controller.started_s = clock.now() - TO_PEAK_S - 3600.0
    first = furnace.set("run-program", steps=FIRING)
    assert isinstance(end_of(clock, first), ActionFailedError)
    assert math.isnan(furnace.peak_degc.get())
    controller.registers[75] = 0
    clock.sleep_until(clock.now() + 60.0)
    assert 900.0 <= furnace.peak_degc.get() <= 920.0


# ---------------------------------------------------------------- taken over by hand


def test_a_firing_on_hold_stands_still_and_goes_on_to_its_end(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock, gate: FakeGate
) -> None:
    running = furnace.set("run-program", steps=FIRING)
    clock.sleep_until(clock.now() + 1800)
    assert end_of(clock, furnace.set("hold-program")) is None
    clock.sleep_until(clock.now() + 36_000)
    assert not running.done
    assert furnace.program_status.get() == "hold"
    assert furnace.reading_degc.get() == pytest.approx(320, abs=11)
    assert end_of(clock, furnace.set("continue-program")) is None
    assert end_of(clock, running) is None
    assert controller.written(23) == [[0], [1], [2], [1]]
    assert [command.describe() for command in gate.asked[1:]] == ["hold-program", "continue-program"]
    assert 0 <= clock.now() - JUMP_EPOCH_S - (FIRING_S + 36_000) <= 61


def test_a_hold_writes_no_setpoint(furnace: Eurotherm3216P, controller: Controller, clock: JumpClock) -> None:
    furnace.set("run-program", steps=FIRING)
    clock.sleep_until(clock.now() + 1800)
    before = len(controller.writes)
    end_of(clock, furnace.set("hold-program"))
    assert controller.writes[before:] == [(23, [2])]


def test_the_deadline_of_a_firing_moves_along_while_it_is_on_hold(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    status = furnace.set("run-program", steps=FIRING)
    clock.sleep_until(clock.now() + 600)
    end_of(clock, furnace.set("hold-program"))
    clock.sleep_until(clock.now() + 48 * 3600)
    assert not status.done
    end_of(clock, furnace.set("continue-program"))

    def never_end() -> None:
        controller.follow()
        controller.registers[23] = 1

    controller.refresh = never_end
    error = end_of(clock, status)
    assert "was to have ended by 2026-01-03T17:22+00:00 at the latest" in str(error)


def test_holding_twice_is_holding_once(furnace: Eurotherm3216P, controller: Controller, clock: JumpClock) -> None:
    running = furnace.set("run-program", steps=FIRING)
    clock.sleep_until(clock.now() + 1800)
    for _ in range(2):
        assert end_of(clock, furnace.set("hold-program")) is None
        clock.sleep_until(clock.now() + 600)
    assert controller.written(23) == [[0], [1], [2]]
    assert not running.done


def test_there_is_nothing_to_hold_or_to_continue_without_a_programme(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    assert str(end_of(clock, furnace.set("hold-program"))) == (
        "furnace-1: there is no programme to hold, the programmer is in state reset"
    )
    assert str(end_of(clock, furnace.set("continue-program"))) == (
        "furnace-1: no programme is on hold, the programmer is in state reset"
    )
    assert controller.writes == []


def test_a_programme_that_was_put_on_hold_at_the_panel_fails_as_before(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    running = furnace.set("run-program", steps=FIRING)
    clock.sleep_until(clock.now() + 600)
    controller.registers[23] = 2
    assert "the programme went to hold before its end: was it stopped at the panel" in str(end_of(clock, running))


def test_a_firing_whose_programme_was_reset_by_hand_says_by_whom(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    running = furnace.set("run-program", steps=FIRING)
    clock.sleep_until(clock.now() + 1800)
    with acting_as("ana", "ana#2"):
        end_of(clock, furnace.set("hold-program"))
        end_of(clock, furnace.set("reset-program"))
    assert str(end_of(clock, running)) == (
        "furnace-1: its programme was ended by hand (ana) at 320 degC: what is in it was not fired as the recipe says"
    )
    assert (controller.registers[23], controller.registers[2]) == (0, 0)


def test_a_setpoint_ends_a_programme_on_hold_without_a_bump(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    running = furnace.set("run-program", steps=FIRING)
    clock.sleep_until(clock.now() + 1800)
    with acting_as("ana", "ana#2"):
        end_of(clock, furnace.set("hold-program"))
        before = len(controller.writes)
        assert end_of(clock, furnace.set("set-setpoint", degc=400.0)) is None
    assert controller.writes[before:] == [(24, [400]), (23, [0]), (2, [400])]
    assert "ended by hand (ana)" in str(end_of(clock, running))


def test_a_firing_after_one_that_was_ended_by_hand_is_a_new_one(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    first = furnace.set("run-program", steps=FIRING)
    clock.sleep_until(clock.now() + 1800)
    with acting_as("ana", "ana#2"):
        end_of(clock, furnace.set("reset-program"))
    assert end_of(clock, first) is not None
    controller.registers[1] = 20
    assert end_of(clock, furnace.set("run-program", steps=FIRING)) is None


ASKED: tuple[tuple[str, dict[str, object]], ...] = (
    ("run-program", {"steps": FIRING}),
    ("set-setpoint", {"degc": 400.0}),
    ("hold-program", {}),
    ("continue-program", {}),
)


@pytest.mark.parametrize(("verb", "arguments"), ASKED)
def test_what_waited_for_a_lost_reply_while_the_furnace_was_reset_writes_nothing(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock, verb: str, arguments: dict[str, object]
) -> None:
    furnace.link._port.timeout_s = 0.005
    furnace.link._port.quiet_s = 0.0
    controller.mute = True
    older = furnace.set(verb, **arguments)
    clock.sleep_until(clock.now() + 0.5)
    controller.mute = False
    assert end_of(clock, furnace.set("reset-program"), within_s=0.1) is None
    written = list(controller.writes)
    error = end_of(clock, older)
    assert isinstance(error, ActionFailedError)
    assert str(error) == f"furnace-1: {verb} was given up, because it was reset after that was asked for"
    assert controller.writes == written
    assert (controller.registers[2], controller.registers[23]) == (0, 0)


@pytest.mark.parametrize(("verb", "arguments"), ASKED)
def test_what_is_still_queued_when_the_furnace_is_reset_writes_nothing(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock, verb: str, arguments: dict[str, object]
) -> None:
    older = furnace.set(verb, **arguments)
    reset = furnace.set("reset-program")
    assert "was given up, because it was reset" in str(end_of(clock, older))
    assert end_of(clock, reset) is None
    assert controller.written(23) == [[0]]
    assert controller.written(2) == [[0]]


def test_what_is_asked_for_after_a_reset_is_done(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    furnace.set("reset-program")
    assert end_of(clock, furnace.set("set-setpoint", degc=400.0)) is None
    assert controller.written(2) == [[0], [400]]


# ---------------------------------------------------------------- a bad wire


def writes(address: int, value: int) -> Callable[[bytes], bool]:
    """Tells the write of a value to a register from everything else."""
    return lambda request: request[1:6] == struct.pack(">BHH", 6, address, value)


@pytest.fixture
def hasty(furnace: Eurotherm3216P) -> Eurotherm3216P:
    """The furnace, with a driver that waits milliseconds for replies."""
    furnace.link._port.timeout_s = 0.005
    furnace.link._port.quiet_s = 0.0
    return furnace


def test_a_run_whose_reply_was_lost_is_asked_about_and_not_repeated(
    hasty: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    controller.loses = writes(23, 1)
    assert end_of(clock, hasty.set("run-program", steps=FIRING)) is None
    assert controller.written(23) == [[0], [1]]


def test_a_run_that_did_not_arrive_is_told_and_not_repeated(
    hasty: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    arrived = controller.on_write
    controller.on_write = lambda at, values: None if (at, values) == (23, [1]) else arrived(at, values)
    controller.loses = writes(23, 1)
    error = end_of(clock, hasty.set("run-program", steps=FIRING))
    assert "was told to run its programme and is in state reset (furnace-1: nobody answers" in str(error)
    assert controller.written(23) == [[0], [1]]


def test_a_run_after_which_nobody_answers_leaves_it_unknown(
    hasty: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    def fall_silent(request: bytes) -> bool:
        controller.mute = controller.mute or writes(23, 1)(request)
        return controller.mute

    controller.loses = fall_silent
    error = end_of(clock, hasty.set("run-program", steps=FIRING))
    assert "and answers no more, so whether it runs is unknown: look at it" in str(error)
    assert controller.written(23) == [[0], [1]]


def test_a_setting_whose_reply_was_lost_is_read_back(
    hasty: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    controller.loses = writes(2, 400)
    assert end_of(clock, hasty.set("set-setpoint", degc=400.0)) is None
    assert controller.written(2) == [[400]]


def test_a_setting_that_did_not_arrive_is_written_again(
    hasty: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    arrived = controller.on_write

    def first_is_lost(request: bytes) -> bool:
        return writes(2, 400)(request) and len(controller.written(2)) == 1

    controller.loses = first_is_lost
    controller.on_write = lambda at, values: (
        None if at == 2 and len(controller.written(2)) == 1 else arrived(at, values)
    )
    assert end_of(clock, hasty.set("set-setpoint", degc=400.0)) is None
    assert controller.written(2) == [[400], [400]]


def test_a_reset_is_repeated_until_somebody_answers(
    hasty: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    running = hasty.set("run-program", steps=FIRING)
    clock.sleep_until(clock.now() + 600)
    controller.mute = True
    reset = hasty.set("reset-program")
    clock.sleep_until(clock.now() + 2.5)
    controller.mute = False
    assert end_of(clock, reset) is None
    assert (controller.registers[23], controller.registers[2]) == (0, 0)
    assert "was ended by a stop" in str(end_of(clock, running))


def test_another_meaning_of_its_numbers_is_noticed_at_a_look(
    hasty: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    look_at(hasty)
    assert hasty.comm_ok.get() == 1
    controller.registers[525] = 2
    clock.sleep_until(clock.now() + 61)
    assert hasty.comm_ok.get() == 0
    assert math.isnan(hasty.reading_degc.get())
    assert "counts temperatures with 2 decimals (register 525), not with 0" in str(hasty.last_error)


@pytest.mark.parametrize("register", [65521 - 300, 9000])
def test_a_reading_that_cannot_be_is_none(hasty: Eurotherm3216P, controller: Controller, register: int) -> None:
    controller.registers.update({1: register, 11: 0, 12: 1372})
    hasty.identify()
    look_at(hasty)
    assert hasty.comm_ok.get() == 0
    assert math.isnan(hasty.reading_degc.get())
    assert "cannot be, -50 to 1422 degC can" in str(hasty.last_error)


def test_a_programme_status_of_another_model_is_an_error(hasty: Eurotherm3216P, controller: Controller) -> None:
    controller.registers[23] = 16
    look_at(hasty)
    assert "says programme status 16, there are 0, 1, 2, 3: is it another model?" in str(hasty.last_error)


def test_what_the_instrument_complains_about_is_passed_on(hasty: Eurotherm3216P, controller: Controller) -> None:
    controller.registers[75] = 0x42
    look_at(hasty)
    assert hasty.trouble.get() == "alarm 2, loop break"
    assert hasty.local_override.get() == 0


def test_a_programme_is_run_through_once_by_the_minute(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    controller.registers.update({332: 5, 531: 1, 321: 0, 328: 3})
    end_of(clock, furnace.set("run-program", steps=FIRING))
    assert [controller.registers[at] for at in (332, 531, 321, 328)] == [1, 0, 1, 1]


def test_a_controller_that_does_not_read_over_gaps_is_read_in_pieces(
    furnace: Eurotherm3216P, controller: Controller, noted: Noted
) -> None:
    controller.longest = 12
    for _ in range(2):
        look_at(furnace)
        assert furnace.comm_ok.get() == 1
    wide = [data for data in noted.sent() if data[1:6] == bytes([3, 0, 1, 0, 23])]
    assert len(wide) == 1


def test_a_reset_does_not_wait_until_a_whole_programme_is_written(
    furnace: Eurotherm3216P, controller: Controller, clock: JumpClock
) -> None:
    resets: list[ActionStatus] = []

    def reset_amid_the_settings(address: int, values: list[int]) -> None:
        controller.take(address, values)
        if address == program_wire.DWELL_UNITS and not resets:
            with acting_as("operator"):
                resets.append(furnace.set("reset-program"))

    controller.on_write = reset_amid_the_settings
    error = end_of(clock, furnace.set("run-program", steps=FIRING))
    assert "was given up, because it was reset" in str(error)
    assert controller.written(program_wire.SEGMENTS) == []
    assert end_of(clock, resets[0]) is None
    assert controller.registers[23] == 0
