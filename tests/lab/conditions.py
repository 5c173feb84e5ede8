"""Random conditions and readings, for tests that must hold for all of them."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import strategies as st

from lab.safety.interlocks.expressions import (
    Combined,
    Comparison,
    Expression,
    Junction,
    Known,
    Live,
    Magnitude,
    Not,
    Number,
    Rise,
    Switch,
    Term,
    Value,
    Vote,
)
from lab.safety.interlocks.rules import Interlocks, Rule, Signal

TEMPERATURES = ("T", "S")
SWITCHES = ("a", "b", "c")
RISE = Rise("T", 60.0, "K")
NAMES = (*TEMPERATURES, *SWITCHES, RISE.key)

# Quarters are exact in binary: what the evaluator and a prover make of them can be compared.
_quarters = st.integers(-80, 80).map(lambda n: n / 4)
_signals: st.SearchStrategy[Term] = st.sampled_from([Live("T", "degC"), Live("S", "degC")])
_differences: st.SearchStrategy[Term] = st.builds(lambda a, b: Combined(a, "-", b, "K"), _signals, _signals)
_shifted: st.SearchStrategy[Term] = st.builds(
    lambda a, sign, n: Combined(a, sign, Number(n, "K"), "degC"), _signals, st.sampled_from("+-"), _quarters
)
_numbers = st.one_of(_signals, _shifted, _differences, _differences.map(Magnitude), st.just(RISE))
_operators = st.sampled_from(["<", "<=", ">", ">="])
_comparisons: st.SearchStrategy[Expression] = st.builds(
    Comparison, _numbers, _operators, st.one_of(_quarters.map(lambda n: Number(n, "degC")), _signals)
)
_leaves: st.SearchStrategy[Expression] = st.one_of(
    _comparisons, st.sampled_from(SWITCHES).map(Switch), st.sampled_from(["T", "a"]).map(Known)
)


def _joined(parts: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    several = st.lists(parts, min_size=2, max_size=4).map(tuple)
    return st.one_of(
        parts.map(Not),
        st.builds(Junction, several, st.booleans()),
        several.flatmap(lambda found: st.integers(1, len(found)).map(lambda need: Vote(need, found))),
    )


conditions: st.SearchStrategy[Expression] = st.recursive(_leaves, _joined, max_leaves=8)

readings: st.SearchStrategy[dict[str, Value]] = st.fixed_dictionaries(
    {
        **dict.fromkeys((*TEMPERATURES, RISE.key), st.one_of(st.none(), _quarters)),
        **dict.fromkeys(SWITCHES, st.one_of(st.none(), st.booleans())),
    }
)


def draw_readings(chance: random.Random) -> dict[str, Value]:
    """One set of readings, about one in six unknown; quicker than a strategy."""
    numbers: Sequence[Value] = [n / 4 for n in range(-80, 81, 7)]
    found: dict[str, Value] = {name: chance.choice(numbers) for name in (*TEMPERATURES, RISE.key)}
    found |= {name: chance.random() < 0.5 for name in SWITCHES}
    return {name: None if chance.random() < 1 / 6 else value for name, value in found.items()}


def interlocks_over(*rules: Rule, low: float = -20.0, high: float = 20.0) -> Interlocks:
    """Rules over the signals of this module, read by the supervisor itself."""
    signals = {
        name: Signal(name, "safety-1", f"ai{i}", "degC", low, high, 1.0) for i, name in enumerate(TEMPERATURES, 1)
    }
    signals |= {n: Signal(n, "safety-1", f"di{i}", None, low, high, 1.0) for i, n in enumerate(SWITCHES, 1)}
    return Interlocks(signals, {}, rules, ())
