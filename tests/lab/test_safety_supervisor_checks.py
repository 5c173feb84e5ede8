"""Outputs that do not do what they are told."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from lab.safety.supervisor.checks import OutputChecks
from lab.safety.supervisor.modules import WatchedModule
from tests.lab.guarded import F1, OUTPUTS, MemoryModule


@pytest.fixture
def hardware() -> MemoryModule:
    return MemoryModule()


@pytest.fixture
def module(hardware: MemoryModule) -> Iterator[WatchedModule]:
    watched = hardware.watched(OUTPUTS[F1])
    yield watched
    watched.close()


@pytest.fixture
def checks(module: WatchedModule) -> OutputChecks:
    return OutputChecks([module])


def look(module: WatchedModule, at_s: float) -> None:
    """Look, as if it were another time."""
    module.look().result(1.0)
    assert module.sight is not None
    module.sight = type(module.sight)(at_s, module.sight.reading)


def test_an_output_that_opens_in_time_is_nobodys_business(module: WatchedModule, checks: OutputChecks) -> None:
    checks.told_open([F1], 100.0)
    look(module, 100.2)
    assert checks.unopened(100.3) == []
    assert checks.unopened(200.0) == []


def test_what_was_read_before_the_contactor_could_drop_proves_nothing(
    module: WatchedModule, checks: OutputChecks
) -> None:
    checks.told_open([F1], 100.0)
    look(module, 100.01)
    assert checks.unopened(100.1) == []
    assert len(checks.unopened(100.6)) == 1


def test_a_welded_contactor_raises_one_alarm_and_clears_it_when_it_opens(
    hardware: MemoryModule, module: WatchedModule, checks: OutputChecks
) -> None:
    hardware.inputs[5] = True
    checks.told_open([F1], 100.0)
    look(module, 100.55)
    (found,) = checks.unopened(100.6)
    assert found.key == "open:f1.heater"
    assert "welded" in str(found.why)
    checks.told_open([F1], 100.7)
    assert checks.unopened(101.0) == []
    hardware.inputs[5] = False
    look(module, 101.1)
    (found,) = checks.unopened(101.2)
    assert found.why is None


def test_a_deaf_module_raises_an_alarm_with_what_is_wrong_with_it(
    hardware: MemoryModule, module: WatchedModule, checks: OutputChecks
) -> None:
    look(module, 99.0)
    hardware.silent = True
    module.look().exception(1.0)
    checks.told_open([F1], 100.0)
    (found,) = checks.unopened(100.6)
    assert "deaf: safety-1: nobody answers" in str(found.why)


def test_a_module_that_keeps_its_coil_closed_is_told_from_a_welded_contactor(
    hardware: MemoryModule, module: WatchedModule, checks: OutputChecks
) -> None:
    hardware.coils[0] = hardware.inputs[5] = True
    checks.told_open([F1], 100.0)
    look(module, 100.55)
    (found,) = checks.unopened(100.6)
    assert "safety-1 keeps it closed" in str(found.why)


def test_an_output_that_is_closed_again_is_not_waited_for(module: WatchedModule, checks: OutputChecks) -> None:
    checks.told_open([F1], 100.0)
    checks.told_closed(F1)
    assert checks.unopened(200.0) == []


@pytest.mark.parametrize(
    ("coil", "contact", "cause"),
    [(True, False, "told to be closed and is open"), (False, True, "told to be open and is closed")],
)
def test_a_contactor_that_differs_from_its_coil_trips_when_that_goes_on(
    hardware: MemoryModule, module: WatchedModule, checks: OutputChecks, coil: bool, contact: bool, cause: str
) -> None:
    hardware.coils[0], hardware.inputs[5] = coil, contact
    look(module, 100.0)
    assert checks.troubles(100.01) == []
    look(module, 100.2)
    assert checks.troubles(100.21) == []
    look(module, 100.31)
    (trouble,) = checks.troubles(100.32)
    assert cause in trouble.cause
    assert trouble.targets == (F1,)


def test_a_contactor_that_follows_late_and_one_that_is_not_seen_do_not_trip(
    hardware: MemoryModule, module: WatchedModule, checks: OutputChecks
) -> None:
    hardware.coils[0] = True
    look(module, 100.0)
    checks.troubles(100.0)
    hardware.inputs[5] = True
    look(module, 100.2)
    assert checks.troubles(100.2) == []
    hardware.inputs[5] = False
    look(module, 100.4)
    assert checks.troubles(100.4) == []
    assert checks.troubles(109.0) == []


def test_an_expired_watchdog_trips_the_outputs_of_its_module(
    hardware: MemoryModule, module: WatchedModule, checks: OutputChecks
) -> None:
    hardware.words[1] = 10
    hardware.expire()
    look(module, time.monotonic())
    (trouble,) = checks.troubles(time.monotonic())
    assert (trouble.cause, trouble.targets) == ("watchdog of safety-1 expired", (F1,))
