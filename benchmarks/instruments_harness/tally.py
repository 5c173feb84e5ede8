"""What was seen on one link while it was tormented, and what it comes to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from benchmarks.instruments_harness.rig import Truths, Value
from sim.relay.faults import Fault

Sample = tuple[float, Truths]
"""Wall time, and what was true then."""


@dataclass
class Tally:
    """What is counted on one link; each entry of a list is a sentence."""

    looks: int = 0
    lost: int = 0
    """Looks that the device says have failed."""
    values: int = 0
    """Values that were published as good and held against the truth."""
    actions: int = 0
    failed: int = 0
    """Actions that the device says have failed."""
    repeated: list[str] = field(default_factory=list)
    claimed: list[str] = field(default_factory=list)
    """Actions that are said to have been done and were not, or not so."""
    wrong: list[str] = field(default_factory=list)
    """Values that were published as good and are not true."""
    outside: list[str] = field(default_factory=list)
    """Those of them that lie outside the range in which the instrument may be."""
    too_fast: list[str] = field(default_factory=list)
    """Those of them that are further from the value before than the instrument can have come."""
    unagreed: list[str] = field(default_factory=list)
    """Those of them that cannot have been read twice: one answer at most was changed on its way."""
    residual: list[str] = field(default_factory=list)
    """Those of them that pass all of that: no driver can know."""
    strangers: list[str] = field(default_factory=list)
    """Looks and actions that are said to be good, and another instrument answered."""
    unseen: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    """Looks and actions that did not end at all."""
    slowest_s: float = 0.0
    """Lab seconds from a fault until it was seen, at most."""


COUNTS = ("looks", "lost", "values", "actions", "failed")
LISTS = (
    "repeated",
    "claimed",
    "wrong",
    "outside",
    "too_fast",
    "unagreed",
    "residual",
    "strangers",
    "unseen",
    "stuck",
)


@dataclass
class Span:
    """A time, in wall and lab seconds."""

    begun_s: float
    begun_lab_s: float
    ended_s: float = math.inf
    ended_lab_s: float = math.inf


@dataclass
class Look(Span):
    """One look at the instrument."""

    good: bool = False
    asked: bool = False
    """Whether the instrument answered anything; a device that is busy may look at nothing."""
    shows: frozenset[Fault] = frozenset()
    """Faults of the instrument that the device shows after it."""


@dataclass
class Act(Span):
    """One action."""

    verb: str = ""
    good: bool = False
    goes_on: bool = False
    """Whether it had not ended when it was undone."""
    done: int | None = None
    """How often the plant says that it was done; None where it does not say."""
    rests_on_s: float = math.inf
    """Wall time of the oldest action that enters into it."""
    amiss: str = ""
    """What is wrong with what it has done."""


@dataclass(frozen=True)
class Wrong:
    """A value that was published as good and was not true."""

    signal: str
    value: float | str
    t_s: float
    """Lab time."""
    since_s: float
    """Wall time since when it was read, and until when."""
    until_s: float
    off: float
    """How far from the truth; infinite for words."""
    before: tuple[float, float] | None
    """The value that was published before as good, and the lab time of that."""
    true: tuple[str, ...]


def distance(value: float | str, true: Iterable[Value]) -> float:
    """How far a value is from those that were true: 0 for one of them, and for a number between numbers.

    >>> distance(3.0, [1.0, 4.0]), distance(5.0, [1.0, 4.0]), distance("on", ["off", frozenset({"on", "new"})])
    (0.0, 1.0, 0.0)
    """
    found = list(true)
    if isinstance(value, str):
        return 0.0 if any(value == one or (isinstance(one, frozenset) and value in one) for one in found) else math.inf
    numbers = [one for one in found if isinstance(one, float) and not math.isnan(one)]
    if not numbers:
        return math.inf
    return max(0.0, min(numbers) - value, value - max(numbers))


def since(samples: Sequence[Sample], from_s: float) -> list[Truths]:
    """Give what was true from a wall time on, and at the last answer before it."""
    found = []
    for t_s, truths in reversed(samples):
        found.append(truths)
        if t_s < from_s:
            break
    return found
