"""The stamp: by whom, when, in which world and by which journal entry."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.records.state.errors import StateError

LARGEST = 2**31 - 1
"""The highest number of a journal entry that every database can keep."""


@dataclass(frozen=True)
class Stamp:
    """What every row is marked with."""

    n: int
    """Number of the journal entry."""
    t: float
    """Lab seconds."""
    world: str
    actor: str

    @property
    def columns(self) -> dict[str, Any]:
        """As the tables keep it."""
        return {"n": self.n, "at_s": self.t, "world": self.world, "actor": self.actor}


def stamp_of(entry: Mapping[str, Any]) -> Stamp:
    """The stamp of a journal entry.

    Raises:
        StateError: Where a part of it is missing or cannot be.
    """
    n, t, world, actor = (entry.get(name) for name in ("n", "t", "world", "actor"))
    if not isinstance(n, int) or isinstance(n, bool) or not 0 < n <= LARGEST:
        raise StateError(f"journal entry {n!r}: its number must be between 1 and {LARGEST}")
    if not isinstance(t, int | float) or not math.isfinite(t):
        raise StateError(f"journal entry {n}: its time is {t!r}, and must be lab seconds")
    if world not in {"real", "simulated"}:
        raise StateError(f"journal entry {n}: its world is {world!r}, and must be real or simulated")
    if not isinstance(actor, str) or not actor or "\0" in actor:
        raise StateError(f"journal entry {n}: its actor is {actor!r}, and must name who did it")
    return Stamp(n, float(t), world, actor)
