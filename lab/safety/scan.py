"""One safety scan as a pure function: (state, signals) to (state, outputs to open).

Trips latch, the first cause first, and boot as tripped; interlocks act while their condition fails and clear
by themselves; ``never`` statements are watched like trips. Unknown fires trips and interlocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lab.safety.expressions import Value
from lab.safety.interlock_file import Interlocks

BOOT = "start-up"
"""The first cause of every boot: ability comes back by a reset only."""


@dataclass(frozen=True)
class SafetyState:
    """What is latched and what is held back now."""

    tripped: tuple[str, ...] = (BOOT,)
    """Causes in the order in which they came; empty: heating is possible."""
    interlocked: frozenset[str] = frozenset()
    """Outputs that an interlock holds open."""


def step(interlocks: Interlocks, state: SafetyState, values: Mapping[str, Value]) -> tuple[SafetyState, frozenset[str]]:
    """Judge one scan.

    Returns:
        The new state, and the outputs that must be open.
    """
    fired = [*causes(interlocks, values)]
    tripped = (*state.tripped, *(cause for cause in fired if cause not in state.tripped))
    interlocked = frozenset(
        rule.target for rule in interlocks.rules if rule.kind == "interlock" and rule.when.evaluate(values) is not True
    )
    outputs = frozenset(interlocks.outputs) if tripped else interlocked
    return SafetyState(tripped, interlocked), outputs


def causes(interlocks: Interlocks, values: Mapping[str, Value]) -> list[str]:
    """The trips that fire on these values, in the order of the file."""
    fired = [rule.id for rule in interlocks.rules if rule.kind == "trip" and rule.when.evaluate(values) is not False]
    fired += [f"never {i + 1}" for i, never in enumerate(interlocks.never) if never.evaluate(values) is not False]
    return fired


def reset(interlocks: Interlocks, state: SafetyState, values: Mapping[str, Value]) -> SafetyState:
    """A person's reset: clears the latch where no cause is left, else leaves it as it is."""
    return state if causes(interlocks, values) else replace(state, tripped=())
