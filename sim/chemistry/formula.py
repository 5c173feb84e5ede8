"""Chemical formulas as element counts.

A phase is named by its formula, and where one formula has several forms by formula and form:
``BaTiO3``, ``TiO2-rutile``.
"""

import re
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from sim.chemistry.errors import UnknownChemistry

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN = re.compile(r"([A-Z][a-z]?|\(|\))(\d+(?:\.\d+)?)?")


def formula_of(phase: str) -> str:
    """Give the formula of a phase name.

    >>> formula_of("TiO2-rutile")
    'TiO2'
    """
    return phase.partition("-")[0]


@cache
def composition(formula: str) -> "Mapping[str, float]":
    """Count the elements of one formula unit.

    Raises `UnknownChemistry` when the text is no formula.

    >>> dict(composition("Ba(OH)2"))
    {'Ba': 1.0, 'O': 2.0, 'H': 2.0}
    """
    stack: list[dict[str, float]] = [{}]
    end = 0
    for token in _TOKEN.finditer(formula):
        if token.start() != end or (token[1] == ")" and len(stack) == 1):
            break
        end = token.end()
        count = float(token[2] or 1)
        if token[1] == "(":
            stack.append({})
        elif token[1] == ")":
            inner = stack.pop()
            _add(stack[-1], inner, count)
        else:
            _add(stack[-1], {token[1]: 1.0}, count)
    if not formula or end != len(formula) or len(stack) != 1:
        raise UnknownChemistry(f"formula {formula!r}: cannot be read as element symbols and counts")
    return MappingProxyType(stack[0])


def _add(total: dict[str, float], part: "Mapping[str, float]", times: float) -> None:
    for element, count in part.items():
        total[element] = total.get(element, 0.0) + count * times
