from __future__ import annotations

import pytest

from lab.safety.lint import interlocks_of
from protocols.documents import DocumentError
from tests.lab.conftest import LabFolder


def faults(folder: LabFolder) -> list[tuple[int | None, str]]:
    with pytest.raises(DocumentError) as caught:
        interlocks_of(folder.load())
    return [(fault.line, fault.message) for fault in caught.value.faults]


def test_the_packaged_interlocks_fit_the_packaged_lab(lab_folder: LabFolder) -> None:
    assert len(interlocks_of(lab_folder.load()).permissives("furnace-1.door.open")) == 1


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
    lab_folder.change("interlocks.yaml", "for: furnace-2.door.open", "for: furnace-1.door.open")
    assert [message for _, message in faults(lab_folder)] == [
        "no permissive for furnace-2.door.open: add one that asks for a cold furnace"
    ]


def test_two_rules_of_one_name_are_refused(lab_folder: LabFolder) -> None:
    lab_folder.change("interlocks.yaml", "id: F2-DOOR", "id: F1-DOOR")
    ((_, message),) = faults(lab_folder)
    assert "F1-DOOR: is the id of two rules" in message


def test_a_lab_without_interlocks_is_refused(lab_folder: LabFolder) -> None:
    lab_folder.change("lab.yaml", "interlocks: interlocks.yaml\n", "")
    with pytest.raises(DocumentError, match="interlocks: is missing"):
        lab_folder.load()
