"""Whether a condition can change at all: what lint needs to find rules that nobody would miss.

Signals are taken anywhere within their plausible ranges, and independent of each other. Where a condition is too
big to look at every case, or compares live values with each other, it is taken for one that can change: what is
reported as dead is dead.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping

from lab.safety.interlocks.expressions import (
    Combined,
    Comparison,
    Expression,
    Known,
    Live,
    Magnitude,
    Number,
    Rise,
    Switch,
    Term,
    Value,
    leaves,
    with_leaves,
)
from lab.safety.interlocks.rules import Interlocks, Rule

MOST_CASES = 20_000
"""More cases than this are not looked at."""

Span = tuple[float, float]


def settled(comparison: Comparison, interlocks: Interlocks) -> bool | None:
    """What a comparison always is within the ranges of its signals; None where it can be both.

    >>> from lab.safety.interlocks.rules import NO_INTERLOCKS
    >>> settled(Comparison(Number(1.0, "m"), "<", Number(2.0, "m")), NO_INTERLOCKS)
    True
    """
    low, high = _minus(_span(comparison.left, interlocks), _span(comparison.right, interlocks))
    # what must hold of left - right: always, never
    always, never = {
        "<": (high < 0, low >= 0),
        "<=": (high <= 0, low > 0),
        ">": (low > 0, high <= 0),
        ">=": (low >= 0, high < 0),
    }[comparison.op]
    return True if always else False if never else None


def constant(condition: Expression, interlocks: Interlocks) -> bool | None:
    """What a condition is whatever its signals read, as long as they are known; None where it can be both."""
    free, grids = _cases([condition], interlocks, unknown=False)
    seen: bool | None = None
    for values in _products(grids):
        truth = free[0].evaluate(values)
        if truth is None or (seen is not None and truth is not seen):
            return None
        seen = truth
    return seen


def covers(one: Rule, other: Rule, interlocks: Interlocks) -> bool:
    """Whether `one` acts whenever `other` does and no later, so that `other` changes nothing."""
    if (one.kind, one.target) != (other.kind, other.target) or one.after_s > other.after_s:
        return False
    if other.when.signals and not one.when.signals & other.when.signals:
        return False
    free, grids = _cases([one.when, other.when], interlocks, unknown=True)
    cases = _products(grids)
    return bool(grids) and all(acts(one.kind, free[0], case) for case in cases if acts(other.kind, free[1], case))


def acts(kind: str, when: Expression, values: Mapping[str, Value]) -> bool:
    """Whether a rule of this kind restricts anything: unknown denies, opens, fires, tells and holds."""
    truth = when.evaluate(values)
    return truth is not True if kind in ("permissive", "interlock") else truth is not False


def only_known(condition: Expression) -> bool:
    """Whether a condition asks for nothing but that signals are known."""
    return all(isinstance(leaf, Known) for leaf in leaves(condition))


# ---------------------------------------------------------------- ranges


def _span(term: Term, interlocks: Interlocks) -> Span:
    """Between which values a term lies."""
    match term:
        case Number(value):
            return value, value
        case Live(signal):
            return _range(signal, interlocks)
        case Rise(signal):
            span = _range(signal, interlocks)
            return _minus(span, span)
        case Combined(left, "-", right):
            return _minus(_span(left, interlocks), _span(right, interlocks))
        case Combined(left, _, right):
            (a, b), (c, d) = _span(left, interlocks), _span(right, interlocks)
            return a + c, b + d
        case Magnitude(of):
            low, high = _span(of, interlocks)
            return max(0.0, low, -high), max(abs(low), abs(high))
    return -math.inf, math.inf


def _range(signal: str, interlocks: Interlocks) -> Span:
    found = interlocks.signals.get(signal)
    return (-math.inf, math.inf) if found is None else (found.low, found.high)


def _minus(one: Span, other: Span) -> Span:
    return one[0] - other[1], one[1] - other[0]


# ---------------------------------------------------------------- cases


def _cases(
    conditions: list[Expression], interlocks: Interlocks, *, unknown: bool
) -> tuple[list[Expression], dict[str, list[Value]]]:
    """The conditions over independent values, and each value's cases; no cases where there are too many."""
    grids: dict[str, list[Value]] = {}
    free = [with_leaves(condition, _free) for condition in conditions]
    limits: dict[str, set[float]] = {}
    spans: dict[str, Span] = {}
    for leaf in itertools.chain(*map(leaves, free)):
        match leaf:
            case Comparison(Live() | Rise() as term, _, Number(limit)):
                key = term.signal if isinstance(term, Live) else term.key
                limits.setdefault(key, set()).add(limit)
                spans[key] = _span(term, interlocks)
            case Switch(signal):
                grids[signal] = [True, False]
            case Known(signal):
                grids.setdefault(signal, [True])
    grids |= {key: list(_between(spans[key], found)) for key, found in limits.items()}
    if unknown:
        grids = {key: [*cases, None] for key, cases in grids.items()}
    return free, grids if math.prod(map(len, grids.values())) <= MOST_CASES else {}


def _free(leaf: Expression) -> Expression:
    """A comparison of live values with each other becomes a switch that nothing else moves."""
    if not isinstance(leaf, Comparison):
        return leaf
    simple = isinstance(leaf.left, Live | Rise) and isinstance(leaf.right, Number)
    return leaf if simple else Switch(f"'{leaf}'")


def _between(span: Span, limits: Iterable[float]) -> Iterator[float]:
    """The limits and one value in each stretch between them, all within the span."""
    low, high = span
    inner = sorted(limit for limit in limits if low <= limit <= high)
    first = low if math.isfinite(low) else min([*inner, high, 0.0]) - 1.0
    last = high if math.isfinite(high) else max([*inner, first, 0.0]) + 1.0
    points = sorted({first, *inner, last})
    yield from points
    yield from ((a + b) / 2.0 for a, b in itertools.pairwise(points))


def _products(grids: Mapping[str, list[Value]]) -> Iterator[dict[str, Value]]:
    if not grids:
        return
    for values in itertools.product(*grids.values()):
        yield dict(zip(grids, values, strict=True))
