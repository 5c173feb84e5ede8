"""What is believed on wires without a checksum."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from drivers.errors import ImplausibleError, LinkError
from drivers.plausibility import Plausible


def giving(*values: float) -> Callable[[], float]:
    left = iter(values)
    return lambda: next(left)


def test_a_value_within_its_range_is_given_back() -> None:
    assert Plausible(0.0, 10.0).accept(3.5, 0.0) == 3.5


@pytest.mark.parametrize("value", [-0.1, 10.1, math.nan, math.inf, -math.inf])
def test_a_value_outside_its_range_is_never_believed(value: float) -> None:
    flow = Plausible(0.0, 10.0, rate_per_s=1.0, agree=100.0, what="gas-1: flow", unit="sccm")
    for _ in range(3):
        with pytest.raises(ImplausibleError, match=r"gas-1: flow is .* sccm, and can be 0 to 10 sccm only"):
            flow.accept(value, 0.0)


def test_a_value_may_change_as_fast_as_it_can_and_no_faster() -> None:
    reading = Plausible(0.0, 1000.0, rate_per_s=2.0)
    reading.accept(100.0, 0.0)
    assert reading.accept(120.0, 10.0) == 120.0
    with pytest.raises(ImplausibleError, match="went from 120 to 150 in 10 s, and changes by at most 2/s"):
        reading.accept(150.0, 20.0)
    assert reading.accept(139.0, 20.0) == 139.0


def test_a_jump_is_believed_when_it_is_read_twice() -> None:
    mass = Plausible(0.0, 1000.0, rate_per_s=1.0, agree=0.5)
    with pytest.raises(ImplausibleError, match="is believed when it is read twice"):
        mass.accept(100.0, 0.0)
    assert mass.accept(100.2, 0.0) == 100.2
    with pytest.raises(ImplausibleError, match="it is believed when the next reading agrees"):
        mass.accept(500.0, 1.0)
    assert mass.accept(500.4, 1.0) == 500.4


def test_one_changed_byte_between_two_good_readings_is_passed_over() -> None:
    mass = Plausible(0.0, 1000.0, rate_per_s=1.0, agree=0.5)
    assert mass.read(giving(100.0, 100.0), 0.0) == 100.0
    assert mass.read(giving(612.0, 100.1), 1.0) == 100.1
    assert mass.read(giving(900.0, 300.0, 100.2), 2.0) == 100.2


def test_what_never_agrees_is_an_error() -> None:
    mass = Plausible(0.0, 1000.0, rate_per_s=1.0, agree=0.5, what="scale: mass")
    with pytest.raises(ImplausibleError, match="scale: mass is 3"):
        mass.read(giving(1.0, 2.0, 3.0), 0.0)


def test_a_switch_that_changes_is_asked_twice() -> None:
    door = Plausible(0.0, 1.0, rate_per_s=0.0, agree=0.0)
    assert door.read(giving(1.0, 1.0), 0.0) == 1.0
    assert door.read(giving(1.0), 100.0) == 1.0
    assert door.read(giving(0.0, 0.0), 200.0) == 0.0


def test_a_broken_wire_stays_one() -> None:
    def ask() -> float:
        raise LinkError("scale: nobody answers")

    with pytest.raises(LinkError):
        Plausible(0.0, 1.0).read(ask, 0.0)


def test_what_was_forgotten_holds_nothing_back() -> None:
    reading = Plausible(0.0, 1000.0, rate_per_s=1.0)
    reading.accept(900.0, 0.0)
    reading.forget()
    assert reading.accept(20.0, 1.0) == 20.0


def test_a_clock_that_stands_still_lets_nothing_change() -> None:
    reading = Plausible(0.0, 1000.0, rate_per_s=100.0)
    reading.accept(20.0, 5.0)
    with pytest.raises(ImplausibleError):
        reading.accept(21.0, 5.0)
