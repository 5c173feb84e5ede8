from __future__ import annotations

import math
from pathlib import Path

import pytest

from lab.safety.interlocks.file import LoadedFile, load_interlock_file
from lab.safety.interlocks.file_tests import OUTCOMES, check_tests, failures, outcome, read_tests
from lab.safety.interlocks.rules import Rule
from lab.safety.judging.scan import ActionKind, Readings, boot, reset, step
from tests.lab.conftest import LabFolder

FILE = """\
version: 1
signals:
  over: {source: safety-1.ai1, unit: degC}
  door: {source: safety-1.di1}
outputs:
  heater: {source: safety-1.do1, safe: open}
rules:
  - {id: DOOR, kind: permissive, for: furnace-1.door.open, when: over < 60 degC and not heater, guidance: wait}
  - {id: HEAT, kind: interlock, for: heater, when: door, after: 2 s, guidance: close it}
  - {id: OVER, kind: trip, for: heater, when: over > 1150 degC, guidance: look}
  - {id: FAST, kind: trip, for: heater, when: 'rise(over, 2 min) > 40 K', guidance: look}
  - {id: WARM, kind: alarm, for: furnace, when: over > 100 degC, guidance: look}
  - {id: WAIT, kind: hold, for: mover-1, when: not door, guidance: close it}
normal: {over: 30 degC, door: true, heater: false, 'rise(over, 120 s)': 0 K}
tests:
  - {rule: DOOR, given: {over: 60 degC}, expect: denied}
  - {rule: DOOR, given: {over: nan}, expect: denied}
  - {rule: DOOR, given: {heater: unknown}, expect: denied}
  - {rule: DOOR, given: {over: 332 K}, expect: granted}
  - {rule: HEAT, given: {door: false}, expect: open}
  - {rule: HEAT, given: {door: false}, after: 1.9 s, expect: closed}
  - {rule: OVER, given: {over: 1151 degC}, expect: fires}
  - {rule: FAST, given: {'rise(over, 2 min)': 41 K}, expect: fires}
  - {rule: WARM, given: {over: nan}, expect: raised}
  - {rule: WAIT, given: {door: nan}, expect: held}
"""


def load(folder: Path, old: str = "version: 1", new: str = "version: 1") -> LoadedFile:
    assert FILE.count(old) == 1, old
    path = folder / "interlocks.yaml"
    path.write_text(FILE.replace(old, new), encoding="utf-8")
    return load_interlock_file(path)


def faults(folder: Path, old: str, new: str) -> list[tuple[int | None, str]]:
    return [(fault.line, fault.message) for fault in check_tests(load(folder, old, new))]


def test_the_packaged_rules_pass_their_tests(lab_folder: LabFolder) -> None:
    loaded = load_interlock_file(lab_folder.path("interlocks.yaml"))
    assert check_tests(loaded) == []
    tested = {test.rule for test in loaded.file.tests}
    assert tested == {rule.id for rule in loaded.interlocks.rules}


def test_tests_that_pass_give_nothing_back(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    assert check_tests(loaded) == []
    tests = read_tests(loaded)
    assert len(tests) == 10 + 6
    assert tests[3].values["over"] == pytest.approx(58.85)
    assert tests[5].after_s == 1.9
    assert tests[4].after_s == math.inf


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        (
            "over: 60 degC}",
            "over: 59 degC}",
            16,
            "DOOR: gives 'granted' where 'denied' is expected "
            "(over < 60 degC and not heater with heater = false, over = 59)",
        ),
        (
            "{door: false}, expect",
            "{door: nan}, after: 1 s, expect",
            20,
            "HEAT: gives 'closed' where 'open' is expected",
        ),
        ("1.9 s", "2 s", 21, "HEAT: gives 'open' where 'closed' is expected (door with door = false)"),
        ("over: 1151", "over: 1150", 22, "OVER: gives 'quiet' where 'fires' is expected"),
        ("': 41 K", "': 40 K", 23, "(rise(over, 120 s) > 40 K with over = 30, rise(over, 120 s) = 40)"),
        ("over: nan}, expect: raised", "over: 99 degC}, expect: raised", 24, "WARM: gives 'quiet' where 'raised'"),
        ("door: nan}, expect: held", "}, expect: held", 25, "WAIT: gives 'quiet' where 'held' is expected"),
    ],
)
def test_a_test_that_fails_is_told_with_its_line_and_readings(
    tmp_path: Path, old: str, new: str, line: int, message: str
) -> None:
    ((found, text),) = faults(tmp_path, old, new)
    assert found == line
    assert message in text


def test_a_rule_that_does_not_leave_normal_work_alone_is_told(tmp_path: Path) -> None:
    assert faults(tmp_path, "over > 100 degC", "over > 29 degC") == [
        (12, "WARM: gives 'raised' where 'quiet' is expected (over > 29 degC with over = 30)")
    ]


def test_without_a_normal_what_is_not_given_is_unknown(tmp_path: Path) -> None:
    normal = "normal: {over: 30 degC, door: true, heater: false, 'rise(over, 120 s)': 0 K}\n"
    assert faults(tmp_path, normal, "") == [
        (
            18,
            "DOOR: gives 'denied' where 'granted' is expected "
            "(over < 60 degC and not heater with heater = unknown, over = 58.85)",
        )
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("rule: OVER", "rule: OVR", 22, "no rule is named 'OVR': there are DOOR, HEAT, OVER"),
        (
            "1151 degC}, expect: fires",
            "1151 degC}, expect: denied",
            22,
            "expects 'denied', and trip gives quiet or fires",
        ),
        ("over: 1151 degC", "over: 1151", 22, "over: 1151 is no quantity"),
        ("rise(over, 2 min)': 41 K", "rise(over, 2 min)': 41", 23, "41 is no quantity: write a number and a unit"),
        ("rise(over, 2 min)': 41 K", "rise(over, 2 min)': much", 23, "'much' is no quantity"),
        ("over: 1151 degC", "over: .nan", 22, "over: nan is no quantity"),
        ("over: 1151 degC", "over: 1151 mg", 22, "over: '1151 mg' has not the unit of a value in degC"),
        ("over: 1151 degC", "over: true", 22, "over: True is no quantity"),
        ("{over: 1151 degC}", "{over: 1151 degC, door: true}", 22, "OVER: does not read door: it reads over"),
        ("{over: 1151 degC}", "{ovr: 1151 degC}", 22, "ovr: 'ovr': no signal is named 'ovr'"),
        ("{door: false}, expect", "{door: shut}, expect", 20, "door: is 'shut', and a switch is true, false or nan"),
        ("{door: false}, expect", "{door: 0}, expect", 20, "door: is 0, and a switch is true, false or nan"),
        (
            "rise(over, 2 min)': 41 K",
            "rise(over, 3 min)': 41 K",
            23,
            "FAST: does not read rise(over, 3 min): it reads over",
        ),
        (
            "rise(over, 2 min)': 41 K",
            "rise(over, 2 min)': 41 degC",
            23,
            "41 degC is a temperature where a difference is meant: write 41 K",
        ),
        ("normal: {over: 30 degC", "normal: {over: 30 mg", 14, "over: '30 mg' has not the unit"),
        ("normal: {over: 30 degC", "normal: {ofer: 30 degC", 14, "no signal is named 'ofer'"),
    ],
)
def test_a_test_that_cannot_be_read_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, message: str
) -> None:
    found = faults(tmp_path, old, new)
    assert [number for number, text in found if message in text] == [line], found


@pytest.mark.parametrize("kind", ["trip", "interlock"])
@pytest.mark.parametrize("text", ["true", "false", "nan"])
@pytest.mark.parametrize("after_s", [0.0, 1.9, 2.0])
def test_what_is_tested_is_what_a_scan_does(tmp_path: Path, kind: str, text: str, after_s: float) -> None:
    """The same rule, the same reading for the same time: the scan opens the output exactly where a test says so."""
    interlocks = load(
        tmp_path, "kind: interlock, for: heater, when: door", f"kind: {kind}, for: heater, when: door"
    ).interlocks
    heat = interlocks.rule("HEAT")
    assert heat is not None
    values = {"over": 30.0, "door": {"true": True, "false": False, "nan": None}[text], "heater": True}
    state, _ = reset(
        interlocks, boot(interlocks, 0.0), Readings(0.0, {"over": 30.0, "door": kind == "interlock"}, frozenset())
    )
    state, _ = step(interlocks, state, Readings(10.0, values, frozenset()))
    _, actions = step(interlocks, state, Readings(10.0 + after_s, values, frozenset()))
    opened = any(action.kind is ActionKind.OPEN for action in actions)
    assert outcome(heat, values, after_s) == OUTCOMES[heat.kind][opened]


def test_a_mutant_without_its_rule_fails_every_test_of_it(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    without = tuple(rule for rule in loaded.interlocks.rules if rule.id != "OVER")
    tests = read_tests(loaded)
    changed = type(loaded.interlocks)(loaded.interlocks.signals, loaded.interlocks.outputs, without, ())
    found = [message for _, message in failures(changed, tests)]
    assert found == [
        "OVER: gives 'no such rule' where 'fires' is expected",
        "OVER: gives 'no such rule' where 'quiet' is expected",
    ]


def test_what_has_gone_on_long_enough_without_saying_so(tmp_path: Path) -> None:
    rule = load(tmp_path).interlocks.rule("HEAT")
    assert isinstance(rule, Rule)
    assert outcome(rule, {"door": False}) == "open"
