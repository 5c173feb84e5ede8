"""Carry-over: whether what was in a ware last spoils what shall go into it next."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from lab.records.state.words import CarryOver

AIRBORNE = frozenset({"H", "C", "N", "O"})
"""They leave as gas or are in every oxide, and spoil nothing."""


class Fitness(StrEnum):
    """What may be done with a ware."""

    READY = "ready"
    CLEAN_FIRST = "clean first"
    NEVER = "never for this"


def elements_text(elements: Iterable[str]) -> str:
    """Elements as the tables keep them.

    >>> elements_text(["Ti", "Ba", "O"])
    'Ba O Ti'
    """
    return " ".join(sorted(set(elements)))


def spoils(last: str | None, following: Iterable[str]) -> frozenset[str]:
    """The elements that a chemistry leaves behind and the following one does not have.

    >>> sorted(spoils("Ba C O Ti", ["Ba", "O", "Zr"]))
    ['Ti']
    """
    return frozenset((last or "").split()) - AIRBORNE - frozenset(following)


def fitness(carry_over: str, last: str | None, following: Iterable[str]) -> Fitness:
    """Whether a ware may be used for a chemistry as it is.

    Args:
        carry_over: The ware's class, see `CarryOver`.
        last: The elements that were in it since it was cleaned, None where it is clean.
        following: The elements that shall go in.
    """
    if last is None or carry_over == CarryOver.NONE:
        return Fitness.READY
    if carry_over == CarryOver.ALWAYS:
        return Fitness.CLEAN_FIRST
    if not spoils(last, following):
        return Fitness.READY
    return Fitness.NEVER if carry_over == CarryOver.DEDICATED else Fitness.CLEAN_FIRST
