"""The box furnace heats, cools and is looked at."""

import math

import pytest

from sim.plant.furnace import GRID_S, ROOM_DEGC, BoxFurnace
from sim.plant.places import DoorState

START_S = 1_767_225_600.0
HOUR_S = 3600.0


class Thermostat:
    """Full power below a temperature."""

    def __init__(self, setpoint_degc: float) -> None:
        self.setpoint_degc = setpoint_degc

    def power(self, reading_degc: float, dt_s: float) -> float:
        return 1.0 if reading_degc < self.setpoint_degc else 0.0

    def at_rest(self, reading_degc: float) -> bool:
        return reading_degc >= self.setpoint_degc


class Contactor:
    """Closed until a time."""

    def __init__(self, opens_at_s: float = math.inf) -> None:
        self.opens_at_s = opens_at_s
        self.closed = True

    def expire(self) -> None:
        self.closed = False
        self.opens_at_s = math.inf


def furnace(setpoint_degc: float) -> tuple[BoxFurnace, Thermostat]:
    box = BoxFurnace("furnace-1", START_S, seed=5)
    box.controller = thermostat = Thermostat(setpoint_degc)
    return box, thermostat


def state(box: BoxFurnace) -> tuple[float, ...]:
    return (box.chamber_degc, box.load_degc, box.thermocouple_degc, box.over_sensor_degc, box.output)


def test_it_heats_at_ten_to_eighteen_degrees_a_minute_when_cold() -> None:
    box, _ = furnace(1000.0)
    box.advance(START_S + 1800.0)
    assert 10.0 < (box.chamber_degc - ROOM_DEGC) / 30.0 < 18.0


def test_it_reaches_and_holds_1100_degrees() -> None:
    box, _ = furnace(1100.0)
    box.advance(START_S + 4 * HOUR_S)
    assert box.thermocouple_degc == pytest.approx(1100.0, abs=8.0)
    assert box.load_degc == pytest.approx(1100.0, abs=8.0)


def test_it_cools_from_1000_to_60_degrees_in_five_to_eight_hours() -> None:
    box, thermostat = furnace(1000.0)
    box.advance(START_S + 10 * HOUR_S)
    thermostat.setpoint_degc = 0.0
    t_s = START_S + 10 * HOUR_S
    while box.load_degc > 60.0:
        t_s += 60.0
        box.advance(t_s)
    assert 5.0 < t_s / HOUR_S - START_S / HOUR_S - 10.0 < 8.0


def test_the_load_lags_more_when_cold_than_when_hot() -> None:
    box, _ = furnace(1000.0)
    box.advance(START_S + 600.0)
    cold_lag_degc = box.chamber_degc - box.load_degc
    box.advance(START_S + 3000.0)
    assert cold_lag_degc > 2 * (box.chamber_degc - box.load_degc) > 0


def test_an_open_door_cools_a_hot_furnace_fast() -> None:
    shut, shut_thermostat = furnace(1000.0)
    opened, open_thermostat = furnace(1000.0)
    for box in (shut, opened):
        box.advance(START_S + 3 * HOUR_S)
    shut_thermostat.setpoint_degc = open_thermostat.setpoint_degc = 0.0
    opened.door = DoorState.OPEN
    for box in (shut, opened):
        box.advance(START_S + 3 * HOUR_S + 600.0)
    assert opened.chamber_degc < shut.chamber_degc - 150.0


def test_the_state_does_not_depend_on_when_anybody_asked() -> None:
    once, _ = furnace(700.0)
    often, _ = furnace(700.0)
    for box in (once, often):
        box.start_recording()
    t_s = START_S
    while t_s < START_S + 5 * HOUR_S:
        t_s += 37.3
        often.advance(t_s)
    once.advance(t_s)
    assert state(once) == state(often)
    assert once.history()[1].tolist() == often.history()[1].tolist()


def test_a_cold_furnace_sleeps_and_still_does_not_depend_on_who_asked() -> None:
    once, _ = furnace(0.0)
    often, thermostat = furnace(60.0)
    once.controller = thermostat
    for box in (once, often):
        box.start_recording()
        box.advance(START_S + 900.0)
    thermostat.setpoint_degc = 0.0
    for k in range(1, 2001):
        often.advance(START_S + 900.0 + 97.0 * k)
    once.advance(START_S + 900.0 + 97.0 * 2000)
    assert state(once) == state(often)
    assert once.chamber_degc == pytest.approx(ROOM_DEGC)
    assert once.history()[1].tolist() == often.history()[1].tolist()
    assert len(once.history()[0]) == pytest.approx((900 + 97 * 2000) / 60, abs=1)


def test_without_its_contactor_it_stays_cold() -> None:
    box, _ = furnace(1000.0)
    contactor = Contactor()
    contactor.closed = False
    box.supply = contactor
    box.advance(START_S + HOUR_S)
    assert box.chamber_degc == pytest.approx(ROOM_DEGC)
    assert box.output == 1.0


@pytest.mark.parametrize("asks_s", [[7200.0], [1804.0, 7200.0], [1806.0, 1809.0, 7200.0], [600.0, 1800.0, 7200.0]])
def test_a_contactor_that_opens_by_itself_stops_the_heating_then(asks_s: list[float]) -> None:
    box, _ = furnace(1000.0)
    box.supply = contactor = Contactor(START_S + 1805.0)
    reference, _ = furnace(1000.0)
    reference.advance(START_S + 1800.0)
    reference.supply = Contactor()
    reference.supply.closed = False
    for ask_s in asks_s:
        box.advance(START_S + ask_s)
    reference.advance(START_S + 7200.0)
    assert not contactor.closed
    assert state(box) == state(reference)


def test_the_limiter_stops_a_controller_that_went_mad() -> None:
    box, _ = furnace(5000.0)
    box.advance(START_S + 12 * HOUR_S)
    assert box.chamber_degc < box.box.limiter_degc + 30.0


def test_the_independent_sensor_is_a_few_degrees_off_when_hot_and_right_when_cold() -> None:
    box, _ = furnace(900.0)
    assert box.over_sensor_degc == pytest.approx(ROOM_DEGC, abs=1.0)
    box.advance(START_S + 3 * HOUR_S)
    miss_degc = abs(box.over_sensor_degc - box.chamber_degc)
    assert 0.2 < miss_degc < 20.0


def test_history_has_absolute_minutes_and_goes_on_after_it_was_read() -> None:
    box, _ = furnace(500.0)
    box.start_recording()
    box.advance(START_S + 605.0)
    times_s, first_degc = box.history()
    assert times_s[0] == START_S
    assert set(times_s % 60.0) == {0.0}
    box.forget_history(float(times_s[-1]))
    box.advance(START_S + 1205.0)
    times_s, then_degc = box.history()
    assert then_degc[0] == first_degc[-1]
    assert len(times_s) == len(then_degc) == 11


def test_the_grid_divides_the_minute() -> None:
    assert 60 % GRID_S == 0
