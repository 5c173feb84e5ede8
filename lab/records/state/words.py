"""The words in which the state is told."""

from __future__ import annotations

from enum import StrEnum


class StockSort(StrEnum):
    """What is counted or measured out, without an identity of each piece."""

    LOT = "lot"
    MEDIA = "media"
    SOLVENT = "solvent"
    GAS = "gas"
    VIAL = "vial"
    CRUCIBLE = "crucible"
    HOLDER = "holder"


class Unit(StrEnum):
    """In what a stock is measured."""

    MG = "mg"
    ML = "ml"
    LITRE = "l"
    """Gas at 0 degC and 101325 Pa."""
    PIECES = "pieces"


class WareSort(StrEnum):
    """Labware with an identity of its own, which a barcode tells."""

    CRUCIBLE = "crucible"
    VIAL = "vial"
    HOLDER = "holder"
    JAR = "jar"
    MEDIA = "media"
    SIEVE = "sieve"
    TOOL = "tool"


VESSELS = frozenset({WareSort.CRUCIBLE, WareSort.VIAL, WareSort.HOLDER, WareSort.JAR})
"""The wares that a portion can be in."""


class CarryOver(StrEnum):
    """How much of one chemistry a ware or tool takes along to the next."""

    NONE = "none"
    """Nothing that matters: a balance pan under a vial."""
    TRACES = "traces"
    """Traces: to be cleaned before a chemistry that lacks one of the elements seen last."""
    ALWAYS = "always"
    """So much that it is cleaned after every use, also before the same chemistry."""
    DEDICATED = "dedicated"
    """It soaks in and cannot be cleaned off: only for chemistries that have all the elements seen so far."""


class Outcome(StrEnum):
    """What a portion turned out to be when it was to be handled."""

    FREE = "free"
    """Can be poured; also after a person has loosened it."""
    STUCK = "stuck"
    MELTED = "melted"
    SPILLED = "spilled"


class Fate(StrEnum):
    """What became of a portion that is no more."""

    USED = "used"
    """Analysed, shipped or kept elsewhere: it counts as made."""
    WASTE = "waste"
    LOST = "lost"
    DIVIDED = "divided"
    """All of it went into other portions."""


class Weighed(StrEnum):
    """When a portion was weighed."""

    BEFORE_FIRING = "before-firing"
    AFTER_FIRING = "after-firing"
    OTHER = "other"


class Repeatability(StrEnum):
    """Whether a task may be done again after a crash."""

    REPEATABLE = "repeatable"
    IF_NOT_DISPATCHED = "repeatable_if_not_dispatched"
    """Once; again only where an instrument or a person says that it did not happen."""
    NEVER = "never"
    """Once, whatever anybody says afterwards."""


class TaskState(StrEnum):
    """How far a task is."""

    PLANNED = "planned"
    DISPATCHED = "dispatched"
    """Told to an instrument, which has not answered yet."""
    ACKNOWLEDGED = "acknowledged"
    """The instrument does it."""
    VERIFIED = "verified"
    """Done, and the instrument was asked."""
    FAILED = "failed"
    HELD = "held"
