"""Which crucibles share a furnace so that the furnaces have the least to do; by CP-SAT, usually to the optimum.

Crucibles with equal needs are counted together: how many of them go with which leader's programme.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ortools.sat.python import cp_model

from lab.scheduling.planning.grouping import Key, followers
from lab.scheduling.planning.intent import Pool
from lab.scheduling.planning.programme import FiringNeed, Merging
from lab.scheduling.planning.snapshot import Batch

Configure = Callable[[cp_model.CpSolver], None]
"""Sets seed, time limit and workers."""


@dataclass(frozen=True)
class _Counts:
    """How many crucibles of each need there are, and who may follow whom."""

    needs: Sequence[FiringNeed]
    items: Sequence[Sequence[Key]]
    follow: Sequence[Sequence[int]]


def shared(pool: Pool, merging: Merging, configure: Configure) -> list[Batch] | None:
    """The batches of one pool with the least furnace time; None where the solver found none in its time."""
    items: dict[FiringNeed, list[Key]] = {}
    for key, need in pool.needs.items():
        items.setdefault(need, []).append(key)
    counts = _Counts(list(items), list(items.values()), followers(list(items), merging))
    found = _solved(counts, [pool.closed_s[need] for need in counts.needs], pool.places, configure)
    return None if found is None else _dealt(counts, *found, pool.places)


def _solved(
    counts: _Counts, closed_s: Sequence[float], places: int, configure: Configure
) -> tuple[dict[tuple[int, int], int], list[int]] | None:
    """How many of need i go with leader j, and how many batches j leads."""
    model = cp_model.CpModel()
    number = [len(keys) for keys in counts.items]
    led = [model.new_int_var(0, n, f"led-{j}") for j, n in enumerate(number)]
    going = {
        (i, j): model.new_int_var(0, number[i], f"going-{i}-{j}")
        for j, members in enumerate(counts.follow)
        for i in members
    }
    for j, members in enumerate(counts.follow):
        model.add(sum(going[i, j] for i in members) <= places * led[j])
        # Who leads a batch is in it.
        model.add(going[j, j] >= led[j])
    for i, n in enumerate(number):
        model.add(sum(variable for (member, _), variable in going.items() if member == i) == n)
    model.minimize(sum(round(closed_s[j]) * led[j] for j in range(len(number))))
    solver = cp_model.CpSolver()
    configure(solver)
    if solver.solve(model) not in {cp_model.OPTIMAL, cp_model.FEASIBLE}:
        return None
    return {pair: solver.value(variable) for pair, variable in going.items()}, [solver.value(v) for v in led]


def _dealt(counts: _Counts, going: dict[tuple[int, int], int], led: Sequence[int], places: int) -> list[Batch]:
    """Give each batch its crucibles: a leader each, then one batch after the other filled."""
    left = [list(keys) for keys in counts.items]
    batches = []
    for j, members in enumerate(counts.follow):
        own = [left[j].pop(0) for _ in range(led[j])]
        rest = [left[i].pop(0) for i in members for _ in range(going[i, j] - (led[j] if i == j else 0))]
        for leader in own:
            taken, rest = rest[: places - 1], rest[places - 1 :]
            batches.append(Batch((leader, *taken), leader[0]))
    return batches
