"""In which order furnaces take their batches, by CP-SAT on a coarse sketch (`lab.scheduling.planning.coarse`).

The sketch leaves much out; what an order is worth is found by playing it (`lab.scheduling.planning.improve`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ortools.sat.python import cp_model

from lab.scheduling.planning.coarse import Behind, CoarseBatch, Sketch
from lab.scheduling.planning.membership import Configure


def ordered(sketch: Sketch, configure: Configure) -> list[int] | None:
    """The numbers of the batches in a better order than theirs; None where none was found in time."""
    if not sketch.batches:
        return []
    hint = _listed(sketch)
    begins = None if hint is None else _Model(sketch, hint).solved(configure)
    return None if begins is None else sorted(range(len(begins)), key=lambda i: (begins[i], i))


@dataclass
class _Times:
    """When what begins."""

    feed: list[int]
    begin: list[int]
    behind: dict[int, int] = field(default_factory=dict)
    """The critical work of each batch; of what is standing by -1, -2, ..."""
    end: int = 0


def _listed(sketch: Sketch) -> _Times | None:
    """The batches one after the other as they are listed, each as soon as it can be behind those before it.

    None where some come after each other in a circle, as changed recipes can make them: there the laboratory does not
    wait for company for ever, and no order helps.
    """
    free = {name: 0 for batch in sketch.batches for name in batch.furnaces}
    free.update({s.furnace: s.until for s in sketch.standing if s.furnace in free})
    times = _Times([0] * len(sketch.batches), [0] * len(sketch.batches))
    done: set[int] = set()
    fed = 0
    while len(done) < len(sketch.batches):
        able = (i for i, b in enumerate(sketch.batches) if i not in done and all(n in done for n, _ in b.after))
        i = next(able, None)
        if i is None:
            return None
        batch = sketch.batches[i]
        times.feed[i], fed = fed, fed + batch.feed
        furnace = min(batch.furnaces, key=lambda name: (free[name], name))
        ready = [times.begin[n] + sketch.batches[n].taken + way for n, way in batch.after]
        times.begin[i] = max([fed, free[furnace], *ready])
        free[furnace] = times.begin[i] + batch.taken
        done.add(i)
    _finish(sketch, times)
    return times


def _finish(sketch: Sketch, times: _Times) -> None:
    """The critical work, first come, first served."""
    ends = [(times.begin[i] + b.taken, i, b.behind) for i, b in enumerate(sketch.batches)]
    ends += [(s.until, -1 - k, s.behind) for k, s in enumerate(sketch.standing)]
    free = 0
    for leaves, number, behind in sorted(ends, key=lambda e: (e[0] + e[2].lag, e[1])):
        times.behind[number] = leaves + behind.lag
        if behind.work:
            times.behind[number] = max(free, leaves + behind.lag)
            free = times.behind[number] + behind.work
        times.end = max(times.end, times.behind[number] + behind.work + behind.tail)


class _Model:
    """The constraints, with a schedule to begin from."""

    def __init__(self, sketch: Sketch, hint: _Times) -> None:
        self._model = cp_model.CpModel()
        self._horizon = hint.end
        self._end = self._model.new_int_var(0, hint.end, "end")
        self._model.add_hint(self._end, hint.end)
        self._critical: list[cp_model.IntervalVar] = []
        self._begin = [self._at(f"begin-{i}", hint.begin[i]) for i in range(len(sketch.batches))]
        self._feed(sketch.batches, hint)
        self._furnaces(sketch)
        for i, batch in enumerate(sketch.batches):
            for number, way in batch.after:
                self._model.add(self._begin[i] >= self._begin[number] + sketch.batches[number].taken + way)
            self._leave(batch.behind, self._begin[i] + batch.taken, hint.behind[i], f"behind-{i}")
        for k, standing in enumerate(sketch.standing):
            self._leave(standing.behind, standing.until, hint.behind[-1 - k], f"standing-{k}")
        self._model.add_no_overlap(self._critical)
        self._model.minimize(self._end)

    def solved(self, configure: Configure) -> list[int] | None:
        """When each batch begins."""
        solver = cp_model.CpSolver()
        configure(solver)
        if solver.solve(self._model) not in {cp_model.OPTIMAL, cp_model.FEASIBLE}:
            return None
        return [solver.value(begin) for begin in self._begin]

    def _at(self, name: str, hint: int) -> cp_model.IntVar:
        variable = self._model.new_int_var(0, self._horizon, name)
        self._model.add_hint(variable, hint)
        return variable

    def _feed(self, batches: Sequence[CoarseBatch], hint: _Times) -> None:
        intervals = []
        for i, batch in enumerate(batches):
            if batch.feed:
                start = self._at(f"feed-{i}", hint.feed[i])
                intervals.append(self._model.new_fixed_size_interval_var(start, batch.feed, f"feeding-{i}"))
                self._model.add(self._begin[i] >= start + batch.feed)
        self._model.add_no_overlap(intervals)

    def _furnaces(self, sketch: Sketch) -> None:
        """Any furnaces that some batches must choose from hold no more of them at once than there are."""
        taken = [
            self._model.new_fixed_size_interval_var(self._begin[i], batch.taken, f"taken-{i}")
            for i, batch in enumerate(sketch.batches)
        ]
        for furnaces in sorted({batch.furnaces for batch in sketch.batches}):
            within = [taken[i] for i, b in enumerate(sketch.batches) if set(b.furnaces) <= set(furnaces)]
            within += [
                self._model.new_fixed_size_interval_var(0, s.until, f"{s.furnace} until")
                for s in sketch.standing
                if s.furnace in furnaces
            ]
            self._model.add_cumulative(within, [1] * len(within), len(furnaces))

    def _leave(self, behind: Behind, leaves: cp_model.LinearExprT, hint: int, name: str) -> None:
        """What comes after a furnace, up to the end."""
        if not behind.work:
            self._model.add(self._end >= leaves + behind.lag + behind.tail)
            return
        start = self._at(name, hint)
        self._model.add(start >= leaves + behind.lag)
        self._model.add(self._end >= start + behind.work + behind.tail)
        self._critical.append(self._model.new_fixed_size_interval_var(start, behind.work, f"{name} work"))
