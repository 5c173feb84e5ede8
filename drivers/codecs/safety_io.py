"""The map of a safety module (instruments.md section 4), addresses as on the wire, counted from 0.

discrete inputs   0 door closed | 1 water | 2 E-stop loop | 3 exhaust | 4 gas detector | 5 contactor feedback
                  6 over-temperature trip | 7 mains                           True is safe in all of them
coils             0 contactor permit | 1 beacon | 2 gas valve permit | 3 door lock
input registers   0..7 analogue inputs ai1 to ai8, 0.1 of a unit, signed | 16..23 their status, 0 normal
                  ai1 independent temperature sensor, degC | ai2 oxygen, % | ai3 hydrogen, % of the lower
                  explosive limit | ai4 to ai8 sensors of further furnaces behind the same module, degC
holding registers 0 watchdog trigger | 1 timeout, 100 ms | 2 state | 3 trip latch | 4 reset code
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from drivers.errors import CodecError, LimitError

INPUTS = 0
INPUT_COUNT = 8
COILS = 0
COIL_COUNT = 4
ANALOGUE = 0
ANALOGUE_COUNT = 24
ANALOGUE_STATUS = 16
CHANNELS = 8
HOLDING = 0
HOLDING_COUNT = 5

CONTACTOR = 0
BEACON = 1
WATCHDOG_TRIGGER = 0
WATCHDOG_TIMEOUT = 1
RESET_CODE = 4
REARM = 0x5AFE
TICK_S = 0.1
LONGEST_TICKS = 65535


class WatchdogState(IntEnum):
    """What holding register 2 says."""

    OFF = 0
    RUNNING = 1
    EXPIRED = 2


@dataclass(frozen=True)
class SafetyReading:
    """One look at everything."""

    inputs: tuple[bool, ...]
    """Discrete inputs 0 to 7; True is safe."""
    coils: tuple[bool, ...]
    """Coils 0 to 3."""
    analogue: tuple[float, ...]
    """Analogue inputs 0 to 7 in their units; NaN where the status is not normal."""
    watchdog: WatchdogState
    watchdog_timeout_s: float
    trips: int
    """Bits of what tripped and is latched."""

    @property
    def contactor_closed(self) -> bool:
        """What the contactor's own auxiliary contact says."""
        return self.inputs[5]


def parse_reading(
    inputs: Sequence[bool], coils: Sequence[bool], analogue: Sequence[int], holding: Sequence[int]
) -> SafetyReading:
    """Read the four blocks.

    Raises:
        CodecError: Where the watchdog's state is none of the three.
    """
    _, timeout, state, trips, _ = holding
    try:
        watchdog = WatchdogState(state)
    except ValueError:
        raise CodecError(f"watchdog state {state} is none of 0, 1, 2") from None
    channels = zip(analogue[:CHANNELS], analogue[ANALOGUE_STATUS:ANALOGUE_COUNT], strict=True)
    return SafetyReading(
        inputs=tuple(inputs),
        coils=tuple(coils),
        analogue=tuple(to_signed(value) / 10.0 if status == 0 else math.nan for value, status in channels),
        watchdog=watchdog,
        watchdog_timeout_s=timeout * TICK_S,
        trips=trips,
    )


def encode_timeout(timeout_s: float) -> int:
    """Give a watchdog's timeout in its ticks of 100 ms, rounded down.

    Raises:
        LimitError: Outside 0.1 to 6553.5 s.
    """
    ticks = int(timeout_s / TICK_S + 1e-6)
    if not 1 <= ticks <= LONGEST_TICKS:
        raise LimitError(f"a watchdog of {timeout_s:g} s requested, the module takes 0.1 to 6553.5 s")
    return ticks


def next_trigger(trigger: int) -> int:
    """Give the next number to pet the watchdog with: changed and not 0.

    >>> next_trigger(1), next_trigger(65535)
    (2, 1)
    """
    return trigger % 65535 + 1


def to_signed(register: int) -> int:
    """Read a register as a signed number.

    >>> to_signed(65521)
    -15
    """
    return register - 0x10000 if register & 0x8000 else register
