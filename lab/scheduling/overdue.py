"""Notices a task that hangs: one that takes longer than everything in it could, its own deadlines included."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from drivers.clock import Clock, Timer
from protocols.recipe import Recipe

HOUR_S = 3600.0
ALLOWANCE_S = {
    "dose": 6 * HOUR_S,
    "mix": 2 * HOUR_S,
    "regrind": 2 * HOUR_S,
    "load": 2 * HOUR_S,
    "fire": 14 * HOUR_S,
    "cool": 32 * HOUR_S,
    "recover": 2 * HOUR_S,
    "measure": 4 * HOUR_S,
}
"""Lab seconds by the first word of a task, beyond what its recipe takes: somewhat more than the drivers' own."""


def may_take_s(task: str, recipe: Recipe) -> float:
    """How long a task of a recipe may take before it counts as hanging."""
    kind = task.split()[0]
    work_s = {
        "fire": max((firing.duration_s() for firing in recipe.firings), default=0.0),
        "mix": recipe.mixing.time_s,
        "regrind": (recipe.regrind or recipe.mixing).time_s,
        "measure": sum(scan.time_s for scan in recipe.measure),
    }.get(kind, 0.0)
    return ALLOWANCE_S[kind] + work_s


@contextmanager
def noticed(clock: Clock, now: Callable[[], float], limit_s: float, hangs: Callable[[], None]) -> Iterator[None]:
    """Have `hangs` called, once, where the block takes longer than `limit_s` of the time that `now` gives.

    Args:
        clock: Lab time.
        now: The task's own time, which stands still while a person holds it.
        limit_s: How long it may take.
        hangs: Must not wait.
    """
    started_s = now()
    timer: Timer

    def look() -> None:
        nonlocal timer
        left_s = limit_s - (now() - started_s)
        if left_s > 0:
            timer = clock.call_at(clock.now() + left_s, look, "overdue")
        else:
            hangs()

    timer = clock.call_at(clock.now() + limit_s, look, "overdue")
    try:
        yield
    finally:
        timer.cancel()
