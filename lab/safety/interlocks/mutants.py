"""Rules with one mistake in them, to find out whether anybody would notice.

A mutant differs from the shipped rules in one rule: a comparison turned round, a term dropped, ``and`` for ``or``,
a ``not`` lost or gained, a limit or a patience widened. It is killed where the file's own tests, lint or a proof
refuse it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from lab.safety.interlocks.expressions import (
    OPPOSITE,
    Combined,
    Comparison,
    Expression,
    Junction,
    Known,
    Magnitude,
    Not,
    Number,
    Switch,
    Term,
    Vote,
)
from lab.safety.interlocks.file_tests import RuleTest, failures
from lab.safety.interlocks.kinds import is_temperature
from lab.safety.interlocks.lint import Site, lint
from lab.safety.interlocks.prove import available, unproved
from lab.safety.interlocks.rules import Interlocks, Rule

TEMPERATURE_STEP = 5.0
"""By how much a limit on a temperature is moved, in its unit."""
STEP = 0.1
"""By which part any other limit is moved."""
PATIENCE = 10.0
"""By what factor the time is made longer that a rule waits."""

_EDGE = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
Change = tuple[str, Expression]
"""What was changed, and the condition that it makes."""


@dataclass(frozen=True)
class Mutant:
    """Interlocks with one mistake."""

    rule_id: str
    description: str
    interlocks: Interlocks


def mutants(interlocks: Interlocks) -> Iterator[Mutant]:
    """Give every mutant of every rule, in the order of the file."""
    for i, rule in enumerate(interlocks.rules):
        for description, changed in _mutated(rule):
            rules = (*interlocks.rules[:i], changed, *interlocks.rules[i + 1 :])
            yield Mutant(rule.id, description, replace(interlocks, rules=rules))


def killer(mutant: Mutant, tests: Iterable[RuleTest], site: Site) -> str | None:
    """Who refuses a mutant: ``tests``, ``lint`` or ``proof``; None where it survives."""
    if next(failures(mutant.interlocks, tests), None) is not None:
        return "tests"
    if lint(mutant.interlocks, site):
        return "lint"
    return "proof" if available() and unproved(mutant.interlocks, site.furnaces) else None


def _mutated(rule: Rule) -> Iterator[tuple[str, Rule]]:
    seen = {rule.when}
    for description, when in _changes(rule.when):
        if when not in seen:
            seen.add(when)
            yield f"{description}: {when}", replace(rule, when=when)
    if rule.after_s > 0:
        after_s = PATIENCE * rule.after_s
        yield f"after {rule.after_s:g} s became {after_s:g} s", replace(rule, after_s=after_s)


def _changes(condition: Expression) -> Iterator[Change]:
    """Every change of one place in a condition."""
    match condition:
        case Comparison():
            yield from _compared(condition)
        case Switch() | Known():
            yield "turned round", Not(condition)
        case Not(part):
            yield "not lost", part
        case Junction(parts, every):
            yield "and became or" if every else "or became and", Junction(parts, not every)
            yield from _dropped(parts, lambda rest: rest[0] if len(rest) == 1 else Junction(rest, every))
        case Vote(need, parts):
            if need < len(parts):
                yield "one more is needed", Vote(need + 1, parts)
            if need > 1:
                yield "one less is needed", Vote(need - 1, parts)
            yield from _dropped(parts, lambda rest: Vote(min(need, len(rest)), rest))
    for i, part in enumerate(condition.parts):
        for description, changed in _changes(part):
            yield description, condition.with_parts((*condition.parts[:i], changed, *condition.parts[i + 1 :]))


def _dropped(parts: tuple[Expression, ...], join: Callable[[tuple[Expression, ...]], Expression]) -> Iterator[Change]:
    for i, part in enumerate(parts):
        yield f"{part} dropped", join((*parts[:i], *parts[i + 1 :]))


def _compared(found: Comparison) -> Iterator[Change]:
    yield "turned round", replace(found, op=OPPOSITE[found.op])
    yield "limit taken in or out", replace(found, op=_EDGE[found.op])
    for left in _moved(found.left):
        yield "limit moved", replace(found, left=left)
    for right in _moved(found.right):
        yield "limit moved", replace(found, right=right)


def _moved(term: Term) -> Iterator[Term]:
    """A term with its fixed number moved to both sides, or without ``abs``."""
    match term:
        case Number(value, unit):
            step = TEMPERATURE_STEP if is_temperature(unit) and unit != "K" else STEP * abs(value)
            yield from (Number(value + by, unit) for by in (step, -step) if by)
        case Combined(left, sign, right, unit):
            yield from (Combined(left, sign, moved, unit) for moved in _moved(right))
        case Magnitude(of):
            yield of
