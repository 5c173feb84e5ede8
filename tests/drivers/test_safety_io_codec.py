"""The map of safety modules."""

from __future__ import annotations

import math

import pytest

from drivers.codecs import safety_io as wire
from drivers.codecs.safety_io import WatchdogState
from drivers.errors import CodecError, LimitError


def test_everything_is_read_in_its_place() -> None:
    analogue = [251, 65521, *[0] * 14, 0, 0, *[0] * 6]
    reading = wire.parse_reading(
        [True] * 5 + [False, True, True], [True, False, False, False], analogue, [7, 15, 1, 0, 0]
    )
    assert reading.analogue[:2] == (25.1, -1.5)
    assert not reading.contactor_closed
    assert reading.coils[wire.CONTACTOR]
    assert reading.watchdog is WatchdogState.RUNNING
    assert reading.watchdog_timeout_s == 1.5


@pytest.mark.parametrize("status", [1, 2, 3])
def test_an_analogue_input_that_is_not_normal_has_no_value(status: int) -> None:
    analogue = [251] * 8 + [0] * 8 + [status, *[0] * 7]
    reading = wire.parse_reading([True] * 8, [False] * 4, analogue, [0] * 5)
    assert math.isnan(reading.analogue[0])
    assert reading.analogue[1] == 25.1


def test_a_watchdog_in_no_known_state_is_an_error() -> None:
    with pytest.raises(CodecError, match="watchdog state 9"):
        wire.parse_reading([True] * 8, [False] * 4, [0] * 24, [0, 0, 9, 0, 0])


def test_a_watchdog_counts_tenths_of_a_second_and_never_longer_than_asked() -> None:
    assert [wire.encode_timeout(timeout_s) for timeout_s in (0.1, 1.0, 1.19, 6553.5)] == [1, 10, 11, 65535]
    for timeout_s in (0.0, 0.05, 6554.0):
        with pytest.raises(LimitError, match=r"takes 0.1 to 6553.5 s"):
            wire.encode_timeout(timeout_s)


def test_the_trigger_always_changes_and_is_never_nothing() -> None:
    assert [wire.next_trigger(trigger) for trigger in (0, 1, 65534, 65535)] == [1, 2, 65535, 1]
