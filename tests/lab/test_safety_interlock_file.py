from __future__ import annotations

import math
from pathlib import Path

import pytest

from lab.safety.expressions import Value
from lab.safety.interlock_file import NO_INTERLOCKS, Signal, load_interlocks
from lab.safety.scan import SafetyState, step
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
        load_interlocks(path)
    return [(fault.line, fault.message) for fault in caught.value.faults]


def test_the_example_of_the_design_is_read(tmp_path: Path) -> None:
    path = tmp_path / "interlocks.yaml"
    path.write_text(FILE, encoding="utf-8")
    interlocks = load_interlocks(path)
    assert interlocks.signals["f1.over"] == Signal("f1.over", "safety-1", "ai1", "degC", -20.0, 1350.0, 1.0)
    assert interlocks.signals["f1.door"].max_age_s == 1.0
    assert interlocks.outputs == {"f1.heater": ("safety-1", "do1")}
    assert [rule.kind for rule in interlocks.rules] == ["permissive", "interlock", "trip"]
    (rule,) = interlocks.permissives("furnace-1.door.open")
    assert rule.when.evaluate({"f1.over": 59.0}) is True
    assert interlocks.never[0].signals == {"f1.heater", "f1.door"}


def test_the_packaged_rules_guard_both_furnaces(lab_folder: LabFolder) -> None:
    interlocks = load_interlocks(lab_folder.path("interlocks.yaml"))
    for furnace in ("furnace-1", "furnace-2"):
        assert interlocks.permissives(f"{furnace}.door.open")
        assert interlocks.permissives(f"{furnace}.heat")
    assert not interlocks.permissives("furnace-3.heat")


@pytest.mark.parametrize(
    ("changed", "tripped", "open_"),
    [
        ({}, (), set()),
        ({"f1.door": False, "f1.heater": False}, (), {"f1.heater"}),
        ({"f1.door": None, "f1.heater": False}, (), {"f1.heater"}),
        ({"f1.door": False}, ("never 1",), {"f1.heater", "f2.heater"}),
        ({"f2.over": 1151.0}, ("F2-OVER",), {"f1.heater", "f2.heater"}),
        ({"f2.over": None}, ("F2-OVER",), {"f1.heater", "f2.heater"}),
    ],
)
def test_the_packaged_rules_let_heat_and_load_and_stop_the_rest(
    lab_folder: LabFolder, changed: dict[str, Value], tripped: tuple[str, ...], open_: set[str]
) -> None:
    """While both furnaces heat: a door that opens with the contactor open is normal work, not a trip."""
    interlocks = load_interlocks(lab_folder.path("interlocks.yaml"))
    heating: dict[str, Value] = {"over": 1100.0, "door": True, "heater": True}
    values = {f"f{n}.{name}": value for n in (1, 2) for name, value in heating.items()} | changed
    state, must_open = step(interlocks, SafetyState(tripped=()), values)
    assert state.tripped == tripped
    assert set(must_open) == open_


def test_a_lab_without_a_file_has_no_rules() -> None:
    assert NO_INTERLOCKS.permissives("furnace-1.heat") == []


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ('when: "f1.over < 60 degC"', 'when: "f1.over < 60"', 8, "a number needs its unit"),
        ('when: "f1.over < 60 degC"', 'when: "f1.ovr < 60 degC"', 8, "no signal is named 'f1.ovr'"),
        ('when: "f1.over < 60 degC"', 'when: "f1.over < 60 mg"', 8, "has not the unit of a value in degC"),
        (
            'for: f1.heater, when: "f1.door"',
            'for: f2.heater, when: "f1.door"',
            9,
            "F1-HEAT: no output is named 'f2.heater'",
        ),
        ("f1.heater and not f1.door", "f1.heat and not f1.door", 11, "no signal is named 'f1.heat'"),
        ("-20 degC .. 1350 degC", "1350 degC .. -20 degC", 3, "runs backwards"),
        ("-20 degC .. 1350 degC", "-20 .. 1350", 3, "is no quantity"),
        ("unit: degC, range", "range", 3, "is a range of a signal without a unit"),
        (
            "safety-1.ai1",
            "safety-1.ai9",
            3,
            "signals.f1.over.source: is 'safety-1.ai9', and must be DEVICE.ai1, DEVICE.di1 to DEVICE.di8, "
            "or DEVICE.do1",
        ),
        (
            "safety-1.do1",
            "safety-1.do2",
            6,
            "outputs.f1.heater.source: is 'safety-1.do2', and must be DEVICE.do1, the contactor",
        ),
        ("max_age: 1 s", "max_age: 1", 3, "is no quantity"),
        ("safe: open", "safe: closed", 6, "is 'closed', and must be 'open'"),
        ("kind: trip", "kind: warning", 10, "is 'warning', and must be 'permissive', 'interlock' or 'trip'"),
        (", guidance: wait", "", 8, "guidance: is missing"),
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


@pytest.mark.parametrize(
    ("reading", "age_s", "value"),
    [
        (412.0, 0.0, 412.0),
        (412.0, 1.0, 412.0),
        (412.0, 1.1, None),
        (412.0, math.inf, None),
        (412.0, math.nan, None),
        (None, 0.0, None),
        (math.nan, 0.0, None),
        (-20.0, 0.0, -20.0),
        (-20.1, 0.0, None),
        (1350.0, 0.0, 1350.0),
        (1350.1, 0.0, None),
        (math.inf, 0.0, None),
    ],
)
def test_a_temperature_is_believed_when_it_is_fresh_and_in_range(reading: Value, age_s: float, value: Value) -> None:
    assert Signal("f1.over", "safety-1", "ai1", "degC", -20.0, 1350.0, 1.0).value(reading, age_s) == value


@pytest.mark.parametrize(
    ("reading", "age_s", "value"),
    [
        (1.0, 0.0, True),
        (0.0, 0.0, False),
        (True, 0.5, True),
        (1.0, 1.5, None),
        (None, 0.0, None),
        (math.nan, 0.0, None),
    ],
)
def test_a_switch_is_believed_when_it_is_fresh_and_known(reading: Value, age_s: float, value: Value) -> None:
    assert Signal("f1.door", "safety-1", "di1", None, -math.inf, math.inf, 1.0).value(reading, age_s) is value


def test_a_value_without_a_range_is_still_finite() -> None:
    signal = Signal("f1.over", "safety-1", "ai1", "degC", -math.inf, math.inf, 1.0)
    assert signal.value(math.inf, 0.0) is None
    assert signal.value(5000.0, 0.0) == 5000.0
