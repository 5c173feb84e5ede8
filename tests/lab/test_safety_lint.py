from __future__ import annotations

import pytest

from lab.safety.lint import interlocks_of
from protocols.documents import DocumentError
from tests.lab.conftest import LabFolder

MINIMAL = """\
version: 1
signals:
  f1.over: {source: safety-1.ai1, unit: degC}
  f2.over: {source: safety-2.ai1, unit: degC}
  f2.door: {source: safety-2.di1}
outputs:
  f2.heater: {source: safety-2.do1, safe: open}
rules:
  - {id: F1-DOOR, kind: permissive, for: furnace-1.door.open, when: "f1.over < 60 degC", guidance: wait}
  - {id: F2-DOOR, kind: permissive, for: furnace-2.door.open, when: "f2.over < 60 degC", guidance: wait}
  - {id: F1-READY, kind: permissive, for: furnace-1.heat, when: "f1.over < 1150 degC", guidance: look}
  - {id: F2-HEAT, kind: interlock, for: f2.heater, when: f2.door, guidance: close it}
"""


def faults(folder: LabFolder) -> list[tuple[int | None, str]]:
    with pytest.raises(DocumentError) as caught:
        interlocks_of(folder.load())
    return [(fault.line, fault.message) for fault in caught.value.faults]


def test_the_packaged_interlocks_fit_the_packaged_lab(lab_folder: LabFolder) -> None:
    interlocks = interlocks_of(lab_folder.load())
    assert len(interlocks.permissives("furnace-1.door.open")) == 1
    assert {rule.target for rule in interlocks.rules if rule.kind == "trip"} == {"f1.heater", "f2.heater"}
    assert {rule.target for rule in interlocks.rules if rule.kind == "interlock"} == {"f1.heater", "f2.heater"}
    assert len(interlocks.never) == 2


def test_a_signal_of_a_module_that_the_lab_does_not_have_is_refused(lab_folder: LabFolder) -> None:
    lab_folder.change("interlocks.yaml", "f1.over: {source: safety-1.ai1", "f1.over: {source: safety-9.ai1")
    ((line, message),) = faults(lab_folder)
    assert line == lab_folder.line_of("interlocks.yaml", "safety-9")
    assert "no safety module 'safety-9'" in message
    assert "safety-1, safety-2" in message


def test_a_rule_that_nothing_would_ever_ask_for_is_refused(lab_folder: LabFolder) -> None:
    lab_folder.change("interlocks.yaml", "for: furnace-2.heat", "for: furnace-2.heating")
    ((line, message),) = faults(lab_folder)
    assert line == lab_folder.line_of("interlocks.yaml", "furnace-2.heating")
    assert "nothing asks for 'furnace-2.heating'" in message


def test_a_furnace_whose_door_no_rule_watches_is_refused(lab_folder: LabFolder) -> None:
    lab_folder.write("interlocks.yaml", MINIMAL.replace("furnace-2.door.open", "furnace-2.heat"))
    assert [message for _, message in faults(lab_folder)] == [
        "no permissive for furnace-2.door.open: add one that asks for a cold furnace"
    ]


def test_a_contactor_is_guarded_by_a_permissive_an_interlock_or_a_trip(lab_folder: LabFolder) -> None:
    heat = "  - {id: F2-HEAT, kind: interlock, for: f2.heater, when: f2.door, guidance: close it}\n"
    lab_folder.write("interlocks.yaml", MINIMAL)
    interlocks_of(lab_folder.load())
    lab_folder.write("interlocks.yaml", MINIMAL.replace(heat, heat.replace("interlock", "trip")))
    interlocks_of(lab_folder.load())
    lab_folder.write("interlocks.yaml", MINIMAL.replace(heat, ""))
    assert faults(lab_folder) == [
        (
            lab_folder.line_of("interlocks.yaml", "rules:"),
            "nothing guards the heat of furnace-2: add a permissive for furnace-2.heat, "
            "or an interlock or trip for its contactor safety-2.do1",
        )
    ]


@pytest.mark.parametrize(
    ("old", "new", "module"),
    [
        ('when: "f1.over < 60 degC"', 'when: "f2.over < 60 degC"', "safety-1"),
        ('when: "f2.door and f2.over < 1150 degC"', 'when: "f1.door and f1.over < 1150 degC"', "safety-2"),
        ('when: "f1.over > 1150 degC"', 'when: "f2.over > 1150 degC"', "safety-1"),
        ('when: "f2.door"', 'when: "f1.door"', "safety-2"),
    ],
)
def test_a_rule_that_reads_only_the_other_furnace_is_refused(
    lab_folder: LabFolder, old: str, new: str, module: str
) -> None:
    lab_folder.change("interlocks.yaml", old, f"{new} # copied")
    ((line, message),) = faults(lab_folder)
    assert line == lab_folder.line_of("interlocks.yaml", "# copied")
    assert f"reads no input of {module}, which watches furnace-" in message


@pytest.mark.parametrize(
    "when",
    [
        "f1.over <= 60 degC",
        "f1.over < 60.1 degC",
        "f1.over < 600 degC",
        "not f1.over < 60 degC",
        "f1.over < 60 degC or f1.door",
        "f1.over < 50 degC or f1.over > 100 degC",
        "f1.over < 60 degC or f1.heater",
        "f1.door and f2.over < 60 degC",
        "f1.door",
    ],
)
def test_a_door_that_would_open_at_60_degc_or_above_is_refused(lab_folder: LabFolder, when: str) -> None:
    lab_folder.change("interlocks.yaml", 'when: "f1.over < 60 degC"', f'when: "{when}" # weak')
    assert faults(lab_folder) == [
        (
            lab_folder.line_of("interlocks.yaml", "# weak"),
            "F1-DOOR: furnace-1 would open at 60 degC: ask for less than 60 degC",
        )
    ]


@pytest.mark.parametrize(
    "when",
    [
        "f1.over < 60 degC and f1.door",
        "f1.over < 50 degC and not f1.heater",
        "f1.over < 60 degC and f2.over < 60 degC",
        "f1.over < 320 K",
    ],
)
def test_a_door_that_asks_for_a_cold_furnace_is_taken(lab_folder: LabFolder, when: str) -> None:
    lab_folder.change("interlocks.yaml", 'when: "f1.over < 60 degC"', f'when: "{when}"')
    assert interlocks_of(lab_folder.load()).permissives("furnace-1.door.open")


def test_a_sensor_in_kelvin_is_judged_in_kelvin(lab_folder: LabFolder) -> None:
    old = 'f1.over: {source: safety-1.ai1, unit: degC, range: "-20 degC .. 1350 degC"'
    lab_folder.change("interlocks.yaml", old, old.replace("unit: degC", "unit: K"))
    interlocks_of(lab_folder.load())
    lab_folder.change("interlocks.yaml", 'when: "f1.over < 60 degC"', 'when: "f1.over < 334 K"')
    assert "would open at 60 degC" in faults(lab_folder)[0][1]


def test_several_permissives_of_a_door_are_judged_together(lab_folder: LabFolder) -> None:
    second = "  - {id: F1-SHUT, kind: permissive, for: furnace-1.door.open, when: f1.door, guidance: shut it}\n"
    lab_folder.change("interlocks.yaml", "rules:\n", f"rules:\n{second}")
    assert len(interlocks_of(lab_folder.load()).permissives("furnace-1.door.open")) == 2


def test_two_rules_of_one_name_are_refused(lab_folder: LabFolder) -> None:
    lab_folder.change("interlocks.yaml", "id: F2-DOOR", "id: F1-DOOR")
    ((_, message),) = faults(lab_folder)
    assert "F1-DOOR: is the id of two rules" in message


def test_a_lab_without_interlocks_is_refused(lab_folder: LabFolder) -> None:
    lab_folder.change("lab.yaml", "interlocks: interlocks.yaml\n", "")
    with pytest.raises(DocumentError, match="interlocks: is missing"):
        lab_folder.load()
