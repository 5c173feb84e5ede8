from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from lab.safety.interlocks.file import load_interlock_file, units_of
from lab.safety.interlocks.rules import Output, Signal
from protocols.documents import DocumentError
from tests.lab.conftest import LabFolder

FILE = """\
version: 1
signals:
  f1.over: {source: safety-1.ai1, unit: degC, range: "-20 degC .. 1350 degC", max_age: 1 s}
  f1.door: {source: safety-1.di1}
outputs:
  f1.heater: {source: safety-1.do1, safe: open, on_lab_loss: {continue_for: 12 h}, reason: a cracked tube}
rules:
  - {id: F1-DOOR, kind: permissive, for: furnace-1.door.open, when: "f1.over < 60 degC", guidance: wait}
  - {id: F1-HEAT, kind: interlock, for: f1.heater, when: "f1.door", guidance: close the door}
  - {id: F1-OVER, kind: trip, for: f1.heater, when: "f1.over > 1150 degC", bypassable: false, guidance: check}
never: ["f1.heater and not f1.door"]
"""


def faults_of(path: Path) -> list[tuple[int | None, str]]:
    with pytest.raises(DocumentError) as caught:
        load_interlock_file(path)
    return [(fault.line, fault.message) for fault in caught.value.faults]


def test_the_example_of_the_design_is_read(tmp_path: Path) -> None:
    path = tmp_path / "interlocks.yaml"
    path.write_text(FILE, encoding="utf-8")
    interlocks = load_interlock_file(path).interlocks
    assert interlocks.signals["f1.over"] == Signal("f1.over", "safety-1", "ai1", "degC", -20.0, 1350.0, 1.0)
    assert interlocks.signals["f1.door"].max_age_s == 1.0
    assert interlocks.outputs == {"f1.heater": Output("f1.heater", "safety-1", "do1", 12 * 3600.0)}
    assert [rule.kind for rule in interlocks.rules] == ["permissive", "interlock", "trip"]
    (rule,) = interlocks.permissives("furnace-1.door.open")
    assert rule.when.evaluate({"f1.over": 59.0}) is True
    assert (rule.after_s, rule.bypassable, rule.priority) == (0.0, False, "high")
    assert interlocks.never[0].signals == {"f1.heater", "f1.door"}


def test_what_a_rule_may_say_besides(tmp_path: Path) -> None:
    path = tmp_path / "interlocks.yaml"
    more = (
        '  - {id: R, kind: alarm, for: air and water, when: "rise(f1.out, 2 min) > 5 percent or not f1.door", '
        "after: 3 s, bypassable: true, priority: low, guidance: go}\n"
        '  - {id: H, kind: hold, for: doser-1, when: "not known(f1.out)", guidance: wait}\n'
    )
    signal = "  f1.out: {source: furnace-1.output.smooth, unit: percent, max_age: 2 min, quality: f1.door}\n"
    path.write_text(FILE.replace("never:", f"{more}never:").replace("outputs:", f"{signal}outputs:"), encoding="utf-8")
    interlocks = load_interlock_file(path).interlocks
    alarm, hold = interlocks.rules[3:]
    assert (alarm.kind, alarm.target, alarm.after_s, alarm.bypassable, alarm.priority) == (
        "alarm",
        "air and water",
        3.0,
        True,
        "low",
    )
    assert (hold.kind, hold.target) == ("hold", "doser-1")
    out = interlocks.signals["f1.out"]
    assert (out.device, out.channel, out.own, out.quality) == ("furnace-1", "output.smooth", False, "f1.door")
    assert [rise.key for rise in interlocks.rises] == ["rise(f1.out, 120 s)"]


def test_the_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "interlocks.yaml"
    path.write_text(FILE, encoding="utf-8")
    before = load_interlock_file(path).interlocks
    assert before.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_text(FILE + "# signed off\n", encoding="utf-8")
    after = load_interlock_file(path).interlocks
    assert after == before
    assert after.sha256 != before.sha256


def test_the_packaged_rules_guard_both_furnaces(lab_folder: LabFolder) -> None:
    interlocks = load_interlock_file(lab_folder.path("interlocks.yaml")).interlocks
    for furnace in ("furnace-1", "furnace-2"):
        assert interlocks.permissives(f"{furnace}.door.open")
        assert interlocks.permissives(f"{furnace}.heat")
    assert not interlocks.permissives("furnace-3.heat")
    assert {rule.kind for rule in interlocks.rules} == {"permissive", "interlock", "trip", "alarm", "hold"}


def test_a_loaded_file_knows_its_lines_and_units(tmp_path: Path) -> None:
    path = tmp_path / "interlocks.yaml"
    path.write_text(FILE, encoding="utf-8")
    loaded = load_interlock_file(path)
    assert str(loaded.fault(("rules", 1, "when"), "is wrong")) == f"{path}, line 9: is wrong"
    assert units_of(loaded.interlocks) == {"f1.over": "degC", "f1.door": None, "f1.heater": None}


SOURCES = (
    "must be DEVICE.ai1 to DEVICE.ai8, DEVICE.di1 to DEVICE.di8 or DEVICE.do1 to DEVICE.do4 of a safety module, "
    "or DEVICE.NAME of the lab service"
)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ('when: "f1.over < 60 degC"', 'when: "f1.over < 60"', 8, "F1-DOOR: 'f1.over < 60': 60 has no unit"),
        ('when: "f1.over < 60 degC"', 'when: "f1.ovr < 60 degC"', 8, "no signal is named 'f1.ovr'"),
        ('when: "f1.over < 60 degC"', 'when: "f1.over < 60 mg"', 8, "has not the unit of a value in degC"),
        (
            'for: f1.heater, when: "f1.door"',
            'for: f2.heater, when: "f1.door"',
            9,
            "F1-HEAT: no output is named 'f2.heater': there are f1.heater",
        ),
        ("f1.heater and not f1.door", "f1.heat and not f1.door", 11, "no signal is named 'f1.heat'"),
        ("-20 degC .. 1350 degC", "1350 degC .. -20 degC", 3, "f1.over: '1350 degC .. -20 degC' runs backwards"),
        ("-20 degC .. 1350 degC", "-20 .. 1350", 3, "is no quantity"),
        ("unit: degC, range", "range", 3, "is a range of a signal without a unit"),
        ("unit: degC, range", "unit: Celcius, range", 3, "f1.over: there is no unit 'Celcius': write one such as degC"),
        ("safety-1.ai1", "safety-1.ai9", 3, f"signals.f1.over.source: is 'safety-1.ai9', and {SOURCES}"),
        ("safety-1.di1", "safety-1", 4, SOURCES),
        ("safety-1.di1", "safety-1.2", 4, SOURCES),
        ("safety-1.di1", "safety 1.di1", 4, SOURCES),
        (
            "safety-1.do1",
            "safety-1.do5",
            6,
            "outputs.f1.heater.source: is 'safety-1.do5', and must be DEVICE.do1 (the contactor) to DEVICE.do4",
        ),
        ("  f1.door:", "  and:", 4, "'and' cannot be a name"),
        ("  f1.door:", "  f1 door:", 4, "'f1 door' cannot be a name: use letters, digits"),
        ("  f1.door:", "  f1.heater:", 4, "f1.heater: is the name of a signal and of an output"),
        (
            "safety-1.di1}",
            "safety-1.di1, quality: f1.over}",
            4,
            "its quality is 'f1.over', and must be a signal without",
        ),
        ("safety-1.di1}", "safety-1.di1, quality: f1.flag}", 4, "its quality is 'f1.flag'"),
        ("safety-1.di1}", "safety-1.di1, quality: f1.door}", 4, "and without a quality of its own"),
        ("max_age: 1 s", "max_age: 1", 3, "is no quantity"),
        ("safe: open", "safe: closed", 6, "is 'closed', and must be 'open'"),
        (
            "safe: open",
            "safe: open, power_up: closed",
            6,
            "f1.heater: powers up closed, and its safe state is open: wire it to power up safe",
        ),
        (", reason: a cracked tube", "", 6, "f1.heater: may stay closed without the lab service, and nobody says why"),
        ("reason: a cracked tube", "reason: ' '", 6, "and nobody says why: add a reason"),
        ("continue_for: 12 h", "continue_for: 0 s", 6, "must be greater than 0"),
        (
            "kind: trip",
            "kind: warning",
            10,
            "is 'warning', and must be 'permissive', 'interlock', 'trip', 'alarm' or 'hold'",
        ),
        (", guidance: wait", "", 8, "guidance: is missing"),
        (
            "guidance: wait",
            "guidance: ''",
            8,
            "guidance: is empty, and must say in a few words what a person has to do",
        ),
        ("guidance: wait", "guidance: '  '", 8, "guidance: is empty"),
        ("guidance: wait", "guidance: wait, after: -1 s", 8, "must be 0 or more"),
        ("guidance: wait", "guidance: wait, priority: urgent", 8, "is 'urgent', and must be 'low', 'medium', 'high'"),
        ("version: 1", "version: 2", 1, "version"),
        ("bypassable", "bypasable", 10, "unknown key 'bypasable': did you mean 'bypassable'?"),
    ],
)
def test_a_fault_names_its_line(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    assert FILE.count(old) == 1
    path = tmp_path / "interlocks.yaml"
    path.write_text(FILE.replace(old, new), encoding="utf-8")
    faults = faults_of(path)
    assert [found for found, text in faults if message in text][:1] == [line], faults


def test_all_rules_that_cannot_be_read_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "interlocks.yaml"
    broken = FILE.replace("60 degC", "60").replace('"f1.door"', '"f1.dor"').replace("-20 degC ..", "-20 ..")
    path.write_text(broken, encoding="utf-8")
    assert [line for line, _ in faults_of(path)] == [3, 8, 9]
