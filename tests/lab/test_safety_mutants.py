from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from lab.safety.interlocks.file import load_interlock_file
from lab.safety.interlocks.file_tests import failures, read_tests
from lab.safety.interlocks.language import parse_expression
from lab.safety.interlocks.lint import site_of
from lab.safety.interlocks.mutants import killer, mutants
from lab.safety.interlocks.rules import Interlocks, Rule
from tests.lab.conftest import LabFolder

UNITS = {"T": "degC", "S": "degC", "o2": "percent", "a": None, "b": None, "c": None}


def changes(when: str, after_s: float = 0.0) -> dict[str, str]:
    """What becomes of a condition: the changed condition to the name of the change."""
    rule = Rule("R", "trip", "heater", parse_expression(when, UNITS), "look", after_s)
    found = list(mutants(Interlocks({}, {}, (rule,), ())))
    assert {mutant.rule_id for mutant in found} == {"R"}
    return {str(mutant.interlocks.rules[0].when): mutant.description.partition(":")[0] for mutant in found}


@pytest.mark.parametrize(
    ("when", "made"),
    [
        (
            "T > 60 degC",
            {
                "T <= 60 degC": "turned round",
                "T >= 60 degC": "limit taken in or out",
                "T > 65 degC": "limit moved",
                "T > 55 degC": "limit moved",
            },
        ),
        (
            "o2 < 20 percent",
            {
                "o2 >= 20 percent": "turned round",
                "o2 <= 20 percent": "limit taken in or out",
                "o2 < 22 percent": "limit moved",
                "o2 < 18 percent": "limit moved",
            },
        ),
        ("T > 0 degC", {"T <= 0 degC", "T >= 0 degC", "T > 5 degC", "T > -5 degC"}),
        ("o2 > 0 percent", {"o2 <= 0 percent", "o2 >= 0 percent"}),
        ("T < S - 20 K", {"T >= S - 20 K", "T <= S - 20 K", "T < S - 22 K", "T < S - 18 K"}),
        ("T - 20 K < S", {"T - 20 K >= S", "T - 20 K <= S", "T - 22 K < S", "T - 18 K < S"}),
        (
            "abs(T - S) < 40 K",
            {
                "abs(T - S) >= 40 K",
                "abs(T - S) <= 40 K",
                "abs(T - S) < 44 K",
                "abs(T - S) < 36 K",
                "T - S < 40 K",
            },
        ),
        ("a", {"not a": "turned round"}),
        ("not a", {"a": "not lost", "not (not a)": "turned round"}),
        ("known(a)", {"not known(a)": "turned round"}),
        ("a and b", {"a or b", "b", "a", "not a and b", "a and not b"}),
        (
            "a or b",
            {"a and b": "or became and", "b": "a dropped", "a": "b dropped", "not a or b": "", "a or not b": ""},
        ),
        (
            "2oo3(a, b, c)",
            {
                "3oo3(a, b, c)",
                "1oo3(a, b, c)",
                "2oo2(b, c)",
                "2oo2(a, c)",
                "2oo2(a, b)",
                "2oo3(not a, b, c)",
                "2oo3(a, not b, c)",
                "2oo3(a, b, not c)",
            },
        ),
    ],
)
def test_what_becomes_of_a_condition(when: str, made: set[str] | dict[str, str]) -> None:
    found = changes(when)
    assert set(found) == set(made)
    if isinstance(made, dict):
        assert all(found[text].startswith(name) or not name for text, name in made.items())


def test_changes_reach_every_place_of_a_condition() -> None:
    found = changes("not (a and T > 60 degC) or b")
    assert "not (a and T > 65 degC) or b" in found
    assert "not (a or T > 60 degC) or b" in found
    assert "a and T > 60 degC or b" in {text.replace("(", "").replace(")", "") for text in found}
    assert len(found) == 1 + 2 + 1 + 1 + 2 + 1 + 4 + 1  # or, its parts, not, and, its parts, a, T, b


def test_patience_is_made_ten_times_longer() -> None:
    rule = Rule("R", "interlock", "heater", parse_expression("a", UNITS), "look", 5.0)
    *_, last = mutants(Interlocks({}, {}, (rule,), ()))
    assert (last.description, last.interlocks.rules) == ("after 5 s became 50 s", (replace(rule, after_s=50.0),))


def test_one_rule_differs_and_the_others_are_as_they_were(lab_folder: LabFolder) -> None:
    shipped = load_interlock_file(lab_folder.path("interlocks.yaml")).interlocks
    for mutant in mutants(shipped):
        changed = [rule.id for rule, was in zip(mutant.interlocks.rules, shipped.rules, strict=True) if rule != was]
        assert changed == [mutant.rule_id]


def test_the_packaged_rules_notice_at_least_95_of_100_mutants_and_all_of_trips(lab_folder: LabFolder) -> None:
    lab = lab_folder.load()
    loaded = load_interlock_file(lab.interlocks_path)
    tests, site = read_tests(loaded), site_of(lab)
    survivors: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for mutant in mutants(loaded.interlocks):
        rule = loaded.interlocks.rule(mutant.rule_id)
        assert rule is not None
        count[rule.kind] += 1
        survivors[rule.kind] += killer(mutant, tests, site) is None
    assert set(count) == {"permissive", "interlock", "trip", "alarm", "hold"}
    assert survivors["trip"] == 0
    assert survivors.total() <= 0.05 * count.total()


FILE = """\
version: 1
signals:
  over: {source: safety-1.ai1, unit: degC, range: "-20 degC .. 1350 degC"}
  door: {source: safety-1.di1}
  water: {source: safety-1.di2}
outputs:
  heater: {source: safety-1.do1, safe: open}
rules:
  - {id: DOOR, kind: permissive, for: furnace-1.door.open, when: over < 60 degC, guidance: wait}
  - {id: HEAT, kind: interlock, for: heater, when: door and water, guidance: close it}
  - {id: HOT, kind: interlock, for: heater, when: over < 1000 degC, after: 2 s, guidance: wait}
never: ["heater and not door"]
tests:
  - {rule: HEAT, given: {door: true, water: false}, expect: open}
"""


def test_tests_lint_and_proof_kill_each_what_the_ones_before_let_live(tmp_path: Path, lab_folder: LabFolder) -> None:
    pytest.importorskip("z3", reason="the prover is the extra `verify`")
    path = tmp_path / "interlocks.yaml"
    path.write_text(FILE, encoding="utf-8")
    loaded = load_interlock_file(path)
    site = replace(site_of(lab_folder.load()), furnaces={"furnace-1": "safety-1"})
    tests = read_tests(loaded)
    assert not list(failures(loaded.interlocks, tests))
    killers = {mutant.description: killer(mutant, tests, site) for mutant in mutants(loaded.interlocks)}
    assert killers["and became or: door or water"] == "tests"
    assert killers["limit moved: over < 65 degC"] == "lint"
    assert killers["door dropped: water"] == "proof"
    assert killers["turned round: not door and water"] == "proof"
    assert killers["limit moved: over < 55 degC"] is None
    assert killers["after 2 s became 20 s"] is None
