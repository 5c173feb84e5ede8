from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from lab.safety.interlocks.expressions import Expression, Known, Value
from lab.safety.interlocks.file import load_interlock_file
from lab.safety.interlocks.lint import site_of
from lab.safety.interlocks.prove import Encoding, Truth, available, prove
from tests.lab.conditions import conditions, interlocks_over, readings
from tests.lab.conftest import LabFolder

z3 = pytest.importorskip("z3", reason="the prover is the extra `verify`")

FILE = """\
version: 1
signals:
  over: {source: safety-1.ai1, unit: degC, range: "-20 degC .. 1350 degC"}
  spare: {source: safety-1.ai2, unit: K, range: "200 K .. 1600 K"}
  o2: {source: safety-1.ai3, unit: percent, range: "0 percent .. 30 percent"}
  door: {source: safety-1.di1}
  water: {source: safety-1.di2}
outputs:
  heater: {source: safety-1.do1, safe: open}
  gas: {source: safety-1.do3, safe: open}
rules:
  - {id: DOOR, kind: permissive, for: furnace-1.door.open, when: over < 60 degC, guidance: wait}
  - {id: HEAT, kind: interlock, for: heater, when: door, guidance: close it}
  - {id: OVER, kind: trip, for: heater, when: over > 1150 degC, guidance: look}
never: ["heater and not door", "heater and over > 1150 degC"]
"""
FURNACES = {"furnace-1": "safety-1"}


def found(folder: Path, old: str = "version: 1", new: str = "version: 1") -> list[tuple[int | None, str]]:
    assert FILE.count(old) == 1, old
    path = folder / "interlocks.yaml"
    path.write_text(FILE.replace(old, new), encoding="utf-8")
    return [(fault.line, fault.message) for fault in prove(load_interlock_file(path), FURNACES)]


def test_the_packaged_rules_are_proved(lab_folder: LabFolder) -> None:
    lab = lab_folder.load()
    loaded = load_interlock_file(lab.interlocks_path)
    assert loaded.interlocks.never
    assert prove(loaded, site_of(lab).furnaces) == []


def test_what_holds_is_proved(tmp_path: Path) -> None:
    assert found(tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("when: door, guidance", "when: door or water, guidance"),
        ("when: door, guidance", "when: water, guidance"),
        ("when: door, guidance", "when: door, after: 1 s, guidance"),
        ("when: door, guidance", "when: door, bypassable: true, guidance"),
        ("kind: interlock, for: heater", "kind: interlock, for: gas"),
        ("kind: interlock, for: heater", "kind: trip, for: heater"),
        ("{id: HEAT, kind: interlock, for: heater", "{id: HEAT, kind: permissive, for: furnace-1.heat"),
    ],
)
def test_a_never_that_can_be_is_told_with_readings_that_make_it_so(tmp_path: Path, old: str, new: str) -> None:
    ((line, message),) = found(tmp_path, old, new)
    assert line == 15
    assert message.startswith("'heater and not door' can be true: ")
    assert "heater is closed" in message
    assert "door is off" in message
    assert message.endswith("add an interlock or a trip that acts at once")


def test_a_limit_that_leaves_a_gap_is_told_with_a_reading_in_the_gap(tmp_path: Path) -> None:
    ((_, message),) = found(tmp_path, "when: over > 1150 degC", "when: over > 1150.5 degC")
    assert "over is 11" in message
    reading = float(message.partition("over is ")[2].partition(" degC")[0])
    assert 1150.0 < reading <= 1150.5


def test_a_never_that_no_output_is_named_in_cannot_be_kept(tmp_path: Path) -> None:
    ((_, message),) = found(tmp_path, '"heater and not door"', '"not door"')
    assert message.startswith("'not door' can be true: door is off")


def test_a_never_about_two_outputs_needs_both_to_be_closed(tmp_path: Path) -> None:
    assert found(tmp_path, '"heater and not door"', '"heater and gas and not door"') == []
    assert found(tmp_path, '"heater and not door"', '"(heater or gas) and not door"') != []


def test_ranges_count(tmp_path: Path) -> None:
    assert found(tmp_path, '"heater and not door"', '"gas and o2 > 30 percent"') == []
    assert found(tmp_path, '"heater and not door"', '"gas and o2 > 29.9 percent"') != []
    assert found(tmp_path, '"heater and not door"', '"gas and rise(o2, 60 s) > 30 percent"') == []
    ((_, message),) = found(tmp_path, '"heater and not door"', '"gas and rise(o2, 60 s) >= 30 percent"')
    assert "gas is closed, rise(o2, 60 s) is 30 percent" in message


@pytest.mark.parametrize(
    ("when", "granted"),
    [
        ("over < 60 degC", False),
        ("over < 60 degC and spare < 333.15 K", False),
        ("spare < 333 K", False),
        ("over <= 60 degC", True),
        ("spare <= 333.15 K", True),
        ("over < 60 degC or known(o2)", True),
        ("over < 60 degC or over - 10 K < 45 degC", False),
        ("over < 60 degC or over - 10 K < 51 degC", True),
        ("not over >= 60 degC", False),
        ("known(over)", True),
        ("1oo2(over < 60 degC, door)", True),
    ],
)
def test_a_door_that_would_open_without_a_temperature_below_60_degc(tmp_path: Path, when: str, granted: bool) -> None:
    faults = found(tmp_path, "when: over < 60 degC", f'when: "{when}"')
    assert bool(faults) is granted
    for line, message in faults:
        assert line == 12
        assert message.startswith("furnace-1.door.open would be granted with nothing known to be below 60 degC: ")
        assert message.endswith("ask for less than 60 degC")


def test_a_door_without_a_permissive_is_for_lint_to_find(tmp_path: Path) -> None:
    assert found(tmp_path, "for: furnace-1.door.open", "for: furnace-1.heat") == []


# ---------------------------------------------------------------- the encoding is the evaluator's


@settings(max_examples=150, deadline=None)
@given(condition=conditions, values=readings)
def test_the_prover_and_the_evaluator_agree(condition: Expression, values: dict[str, Value]) -> None:
    # A rise is never known of a signal that is not.
    values = {name: None if name.startswith("rise") and values["T"] is None else v for name, v in values.items()}
    truth = condition.evaluate(values)
    encoding = Encoding(interlocks_over())
    encoded = encoding.truth(condition)
    for expected, claim in ((truth is True, encoded.true), (truth is False, encoded.false)):
        solver = z3.Solver()
        solver.add(*encoding.bounds, *_as_read(encoding, values), claim)
        assert (solver.check() == z3.sat) is expected


def _as_read(encoding: Encoding, values: dict[str, Value]) -> Iterator[Any]:
    """That every value that is named reads as given."""
    for name, (value, known) in encoding.named.items():
        seen = values[name]
        yield known if seen is not None else z3.Not(known)
        if isinstance(seen, bool):
            yield value == seen
        elif seen is not None:
            yield value == z3.RealVal(str(Fraction(seen)))


def test_a_language_that_took_unknown_for_false_would_be_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof about unknown inputs can fail: here `known` is False, not unknown, where a signal is unknown."""
    honest = Encoding.truth

    def two_valued(self: Encoding, condition: Expression) -> Truth:
        truth = honest(self, condition)
        return Truth(truth.true, z3.Not(truth.true)) if isinstance(condition, Known) else truth

    assert found(tmp_path, "when: door, guidance", "when: door and not known(over), guidance") == []
    monkeypatch.setattr(Encoding, "truth", two_valued)
    faults = found(tmp_path, "when: door, guidance", "when: door and not known(over), guidance")
    assert [message[:59] for _, message in faults] == ["HEAT: would let go when an input becomes unknown: door is o"]


def test_what_is_not_decided_in_time_counts_as_not_proved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(z3.Solver, "check", lambda self: z3.unknown)
    messages = [message for _, message in found(tmp_path)]
    assert any("not proved within 10 s" in message for message in messages)


def test_what_is_no_condition_cannot_be_proved_anything_about() -> None:
    with pytest.raises(TypeError, match="a str cannot be proved"):
        Encoding(interlocks_over()).truth("door")  # type: ignore[arg-type]


def test_without_the_extra_nothing_is_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    assert available()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert not available()
