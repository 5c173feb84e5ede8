"""The interlock language: text with units to `lab.safety.interlocks.expressions`.

    condition  := all {"or" all}            all := factor {"and" factor}
    factor     := "not" factor | "(" condition ")" | K "oo" N "(" condition {"," condition} ")"
                | "known(" signal ")" | switch | term ("<" | "<=" | ">" | ">=") term
    term       := number unit | signal [("+" | "-") (number unit | signal)]
                | "abs(" signal "-" signal ")" | "rise(" signal "," time ")"

A switch stands alone; everything else has a unit. Temperatures are typed: ``20 degC`` is a temperature, ``20 K``
beside a signal a difference, and ``a - b``, ``abs(a - b)`` and ``rise(a, 60 s)`` are differences. Adding two
temperatures, or comparing one with a difference, is refused. Units are converted here, once; at run time there
are floats only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from lab.safety.interlocks.expressions import (
    DEEPEST,
    Combined,
    Comparison,
    Expression,
    ExpressionError,
    Junction,
    Known,
    Live,
    Magnitude,
    Not,
    Rise,
    Switch,
    Vote,
)
from lab.safety.interlocks.kinds import Literal, Typed, difference_unit
from protocols.quantities import QuantityError, parse_quantity

Units = Mapping[str, str | None]
"""Signal and output names to their unit, None for a switch."""

LONGEST = 2000
"""Characters that a condition may have."""
SHOWN = 300
"""Characters of a condition that an error shows."""

_TOKEN = re.compile(
    r"\s*(?:(?P<vote>\d+oo\d+)\b"
    r"|(?P<number>\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?:\s*(?!(?:and|or|not)\b)(?P<unit>[A-Za-z%µ°][\w%µ°/*^.]*))?"
    r"|(?P<word>[A-Za-z_][\w.-]*)"
    r"|(?P<sign><=|>=|<|>|\(|\)|,|\+|-))"
)
_COMPARE = ("<", "<=", ">", ">=")
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
RESERVED = frozenset({"and", "or", "not", "abs", "rise", "known"})
"""Words that no signal can be named after."""


def parse_expression(text: str, units: Units) -> Expression:
    """Read a condition over the signals in `units`.

    Raises:
        ExpressionError: Naming what was found and what is allowed there.
    """
    parser = _Parser(text, units)
    expression = parser.condition()
    parser.end("a complete condition: join conditions with and, or")
    return expression


def parse_rise(text: str, units: Units) -> Rise:
    """Read ``rise(signal, 60 s)`` alone.

    Raises:
        ExpressionError: Where it is anything else.
    """
    parser = _Parser(text, units)
    term = parser.term()
    parser.end("a change over time")
    if not isinstance(term, Typed) or not isinstance(term.term, Rise):
        raise ExpressionError(f"{text!r} is no change over time: write rise(signal, 60 s)")
    return term.term


def parse_difference(text: object, unit: str) -> float:
    """Read a difference of values in `unit`, such as what `rise` gives; a temperature is none.

    Raises:
        QuantityError: Where it has no number, no unit or one of another kind.
        ExpressionError: Where it is written in another way than conditions write numbers.
    """
    value = parse_quantity(text, difference_unit(unit))
    literal = _Parser(str(text), {}).term()
    return literal.as_difference(unit).value if isinstance(literal, Literal) else value


def is_name(name: str) -> bool:
    """Whether a condition can name a signal so."""
    match = _TOKEN.fullmatch(name)
    return match is not None and match["word"] == name and name not in RESERVED


@dataclass(frozen=True)
class _Token:
    kind: str
    """``vote``, ``number``, ``word`` or ``sign``."""
    text: str
    unit: str | None = None


class _Parser:
    """Reads from left to right, one token at a time."""

    def __init__(self, text: str, units: Units) -> None:
        self._text = text
        if len(text) > LONGEST:
            raise self._error(f"has {len(text)} characters, {LONGEST} are allowed: split the rule")
        self._units = units
        self._tokens = self._split()
        self._at = 0
        self._depth = 0

    def _split(self) -> list[_Token]:
        tokens, at, end = [], 0, len(self._text.rstrip())
        while at < end:
            match = _TOKEN.match(self._text, at)
            if match is None or match.lastgroup is None:
                rest = self._text[at:].strip()[:20]
                raise self._error(f"cannot read {rest!r}: == and != are not allowed, use < <= > >= and, or, not")
            kind = "number" if match["number"] else match.lastgroup
            tokens.append(_Token(kind, match[kind], match["unit"]))
            at = match.end()
        return tokens

    def _error(self, message: str) -> ExpressionError:
        shown = self._text if len(self._text) <= SHOWN else f"{self._text[:SHOWN]}..."
        return ExpressionError(f"{shown!r}: {message}")

    def _peek(self) -> str | None:
        return self._tokens[self._at].text if self._at < len(self._tokens) else None

    def _take(self, wanted: str) -> _Token:
        if self._at >= len(self._tokens):
            raise self._error(f"ends where {wanted} was expected")
        self._at += 1
        return self._tokens[self._at - 1]

    def _sign(self, sign: str, place: str) -> None:
        found = self._take(f"{sign!r}").text
        if found != sign:
            raise self._error(f"{found!r} stands {place}, where {sign!r} was expected")

    def end(self, what: str) -> None:
        if self._peek() is not None:
            raise self._error(f"{self._peek()!r} follows {what}")

    # -- conditions

    def condition(self) -> Expression:
        with self._deeper():
            return self._joined("or", lambda: self._joined("and", self._factor, every=True), every=False)

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        """Count a level of nesting: a bomb of brackets is an error, and no recursion that ends the process."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._error(f"is nested more than {DEEPEST} levels deep: split the rule")
        yield
        self._depth -= 1

    def _joined(self, word: str, part: Callable[[], Expression], *, every: bool) -> Expression:
        parts = [part()]
        while self._peek() == word:
            self._take(word)
            parts.append(part())
        return parts[0] if len(parts) == 1 else Junction(tuple(parts), every)

    def _factor(self) -> Expression:
        token = self._take("a signal")
        if token.text == "not":
            with self._deeper():
                return Not(self._factor())
        if token.text == "(":
            inner = self.condition()
            self._sign(")", "at the end of a bracket")
            return inner
        if token.kind == "vote":
            return self._vote(token.text)
        if token.text == "known" and self._peek() == "(":
            return Known(self._in_brackets("known"))
        self._at -= 1
        return self._comparison()

    def _vote(self, text: str) -> Expression:
        self._sign("(", f"after {text}")
        parts = [self.condition()]
        while self._peek() == ",":
            self._take("','")
            parts.append(self.condition())
        self._sign(")", f"in {text}(...)")
        need, among = map(int, text.split("oo"))
        if among != len(parts) or not 1 <= need <= among:
            raise self._error(f"{text} with {len(parts)} conditions: write K of N as in 2oo3(a, b, c)")
        return Vote(need, tuple(parts))

    def _in_brackets(self, word: str) -> str:
        self._sign("(", f"after {word}")
        name = self._name()
        self._sign(")", f"in {word}(...)")
        return name

    def _comparison(self) -> Expression:
        first = self._tokens[self._at]
        if first.kind == "word" and first.text in self._units and self._units[first.text] is None:
            return self._switch()
        left = self.term()
        op = self._peek()
        if op not in _COMPARE:
            raise self._lonely(left)
        self._take("a comparison")
        right = self.term()
        if self._peek() in _COMPARE:
            raise self._error("compares twice: write two comparisons with and between")
        try:
            return self._compared(left, op, right)
        except QuantityError as error:
            raise self._error(str(error)) from None

    def _switch(self) -> Expression:
        name = self._name()
        if self._peek() in (*_COMPARE, "+", "-"):
            raise self._error(f"{name} is a switch and cannot be compared: write it alone, or with not")
        return Switch(name)

    def _lonely(self, left: Typed | Literal) -> ExpressionError:
        if isinstance(left, Literal):
            return self._error(f"{left.text} is compared with nothing: write a signal, < or >, and a limit")
        unit = difference_unit(left.unit) if left.difference else left.unit
        return self._error(f"{left.term} is a value in {unit}: compare it, as in '{left.term} < 60 {unit}'")

    def _compared(self, left: Typed | Literal, op: str, right: Typed | Literal) -> Expression:
        if isinstance(left, Typed) and isinstance(right, Typed):
            if (left.kind, left.unit, left.difference) != (right.kind, right.unit, right.difference):
                raise self._error(
                    f"{left.term} is {left.kind} and {right.term} is {right.kind}: compare what is of one kind"
                )
            return Comparison(left.term, op, right.term)
        if isinstance(left, Typed) and isinstance(right, Literal):
            return Comparison(left.term, op, left.limit(right))
        if isinstance(left, Literal) and isinstance(right, Typed):
            return Comparison(right.term, _TURNED[op], right.limit(left))
        raise self._error("compares two fixed numbers: one side must be a signal")

    # -- numbers

    def term(self) -> Typed | Literal:
        first = self._operand()
        if self._peek() not in ("+", "-"):
            return first
        if not isinstance(first, Typed) or not isinstance(first.term, Live):
            shown = first.text if isinstance(first, Literal) else str(first.term)
            raise self._error(
                f"{self._peek()!r} follows {shown}: only to a signal can something be added, as in T - 20 K"
            )
        sign = self._take("a sign").text
        second = self._operand()
        if self._peek() in ("+", "-"):
            raise self._error("adds twice: one + or - is allowed between two values")
        try:
            return self._combined(first, sign, second)
        except QuantityError as error:
            raise self._error(str(error)) from None

    def _combined(self, first: Typed, sign: str, second: Typed | Literal) -> Typed:
        unit = difference_unit(first.unit)
        if isinstance(second, Literal):
            return Typed(Combined(first.term, sign, second.as_difference(first.unit), first.unit), first.unit)
        if sign == "+" or not isinstance(second.term, Live):
            raise self._error(
                f"{first.term} {sign} {second.term}: two live values can only be taken from each other, as in a - b"
            )
        if first.unit != second.unit:
            raise self._error(
                f"{first.term} is {first.kind} and {second.term} is {second.kind}: give both signals one unit"
            )
        return Typed(Combined(first.term, sign, second.term, unit), first.unit, difference=True)

    def _operand(self) -> Typed | Literal:
        token = self._take("a signal or a number")
        minus = token.text == "-"
        if minus:
            token = self._take("a number")
        if token.kind == "number":
            return self._literal(token, "-" if minus else "")
        if minus:
            raise self._error("'-' stands before what is no number: write it between two values")
        if self._peek() == "(":
            return self._call(token.text)
        self._at -= 1
        name = self._name()
        unit = self._units[name]
        if unit is None:
            raise self._error(f"{name} is a switch, and a number is needed there")
        return Typed(Live(name, unit), unit)

    def _literal(self, token: _Token, sign: str) -> Literal:
        if token.unit is None:
            raise self._error(f"{token.text} has no unit: a number needs its unit, as in {token.text} degC")
        return Literal(f"{sign}{token.text} {token.unit}", token.unit)

    def _call(self, word: str) -> Typed:
        if word not in ("abs", "rise"):
            raise self._error(f"{word!r} is called: only abs(a - b), rise(a, 60 s), known(a) and 2oo3(...) can be")
        self._sign("(", f"after {word}")
        with self._deeper():
            inner = self.term()
        if word == "abs":
            if isinstance(inner, Literal) or not inner.difference or not isinstance(inner.term, Combined):
                raise self._error("abs takes a difference of two signals, as in abs(a - b)")
            found = Typed(Magnitude(inner.term), inner.unit, difference=True)
        else:
            found = self._rise(inner)
        self._sign(")", f"in {word}(...)")
        return found

    def _rise(self, inner: Typed | Literal) -> Typed:
        if isinstance(inner, Literal) or not isinstance(inner.term, Live):
            raise self._error("rise takes a signal and a time, as in rise(a, 60 s)")
        self._sign(",", "after the signal of rise")
        window = self._operand()
        try:
            window_s = parse_quantity(window.text, "s") if isinstance(window, Literal) else 0.0
        except QuantityError as error:
            raise self._error(str(error)) from None
        if not window_s > 0:
            raise self._error("rise takes a signal and a time greater than 0, as in rise(a, 60 s)")
        rise = Rise(inner.term.signal, window_s, difference_unit(inner.unit))
        return Typed(rise, inner.unit, difference=True)

    def _name(self) -> str:
        token = self._take("a signal")
        if token.kind != "word" or token.text not in self._units:
            hint = "; put blanks around -" if "-" in token.text.strip("-") else ""
            known = ", ".join(self._units) or "none"
            raise self._error(f"no signal is named {token.text!r}{hint}: there are {known}")
        return token.text
