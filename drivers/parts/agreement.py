"""What is asked on a wire without a checksum is believed when two answers in a row agree."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TypeVar

from drivers.errors import CodecError

T = TypeVar("T")

LOOKS = 4
"""How many answers are taken until two in a row agree."""


def agreed(ask: Callable[[], T], what: str, same: Callable[[T, T], bool] = operator.eq) -> T:
    """Ask until two answers in a row agree, and give the last.

    >>> answers = iter([3, 8, 8])
    >>> agreed(lambda: next(answers), "robot-1: POS")
    8

    Args:
        ask: Asks once, and gives what was answered or raises.
        what: Who is asked what, for the error.
        same: Whether two answers can be of one state, the earlier first.

    Raises:
        CodecError: Where no two agree, or none means anything.
    """
    before: list[T] = []
    nonsense: CodecError | None = None
    for _ in range(LOOKS):
        try:
            found = ask()
        except CodecError as error:
            # What was changed on its way mostly means nothing at all.
            before, nonsense = [], error
            continue
        if before and same(before[0], found):
            return found
        before = [found]
    raise nonsense or CodecError(f"{what} is answered in another way each time, at last with {before[0]!r}")
