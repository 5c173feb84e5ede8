"""The network watchdog of a Eurotherm EPC3000 (instruments.md 1.2): what it does when nobody talks to it any more.

    1169 timeout | 1170 action | 1171 recovery | 1172 flag, 1 once it has expired

What one count of the timeout is, and what the numbers of action and recovery mean, is not published, so they are
options; what happens to the furnace is wired to the flag inside the instrument.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WATCHDOG, WATCHDOG_COUNT = 1169, 4
EXPIRED = 1


@dataclass(frozen=True)
class Watchdog:
    """How it is set, in counts; off where the timeout is 0."""

    timeout: int
    action: int
    recovery: int

    @property
    def settings(self) -> tuple[int, int, int]:
        """The registers from `WATCHDOG` on."""
        return self.timeout, self.action, self.recovery


def decode_watchdog(registers: Sequence[int]) -> tuple[Watchdog, bool]:
    """Read the four registers: how it is set, and whether it has expired."""
    timeout, action, recovery, flag = registers
    return Watchdog(timeout, action, recovery), flag == EXPIRED
