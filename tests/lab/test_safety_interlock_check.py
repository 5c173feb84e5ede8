from __future__ import annotations

import importlib.util

import pytest

from lab.safety.interlocks.check import check_interlocks
from protocols.documents import DocumentError
from tests.lab.conftest import LabFolder

WHEN = 'when: "f1.over < 60 degC and not f1.heater"'


def faults(folder: LabFolder) -> list[tuple[int | None, str]]:
    with pytest.raises(DocumentError) as caught:
        check_interlocks(folder.load())
    return [(fault.line, fault.message) for fault in caught.value.faults]


def test_the_packaged_interlocks_pass_everything(lab_folder: LabFolder) -> None:
    proved = importlib.util.find_spec("z3") is not None
    assert check_interlocks(lab_folder.load()) is proved


def test_without_the_prover_the_rest_is_checked(lab_folder: LabFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert check_interlocks(lab_folder.load()) is False


def test_lint_comes_first(lab_folder: LabFolder) -> None:
    lab_folder.change("interlocks.yaml", WHEN, 'when: "f1.over < 61 degC" # weak')
    line = lab_folder.line_of("interlocks.yaml", "# weak")
    assert faults(lab_folder) == [(line, "F1-DOOR: furnace-1 would open at 60 degC: ask for less than 60 degC")]


def test_a_rule_that_its_own_tests_refuse_is_refused(lab_folder: LabFolder) -> None:
    lab_folder.change("interlocks.yaml", WHEN, 'when: "f1.over < 55 degC and not f1.heater"')
    line = lab_folder.line_of("interlocks.yaml", "rule: F1-DOOR, given: {f1.over: 59.9 degC}")
    ((found, message),) = faults(lab_folder)
    assert found == line
    assert message.startswith("F1-DOOR: gives 'denied' where 'granted' is expected")


def test_a_never_that_can_be_is_refused(lab_folder: LabFolder) -> None:
    pytest.importorskip("z3", reason="the prover is the extra `verify`")
    lab_folder.change("interlocks.yaml", '  - "f1.heater and not f1.door"', '  - "f1.heater and not f1.water" # late')
    line = lab_folder.line_of("interlocks.yaml", "# late")
    ((found, message),) = faults(lab_folder)
    assert found == line
    assert message.startswith("'f1.heater and not f1.water' can be true: f1.heater is closed, f1.water is off")


def test_another_file_is_checked_against_the_same_lab(lab_folder: LabFolder) -> None:
    text = lab_folder.path("interlocks.yaml").read_text(encoding="utf-8")
    other = lab_folder.write("other.yaml", text.replace("safety-2.ai1", "safety-9.ai1"))
    check_interlocks(lab_folder.load())
    with pytest.raises(DocumentError, match=r"other.yaml, line \d+: f2.over: the lab has no safety module 'safety-9'"):
        check_interlocks(lab_folder.load(), other)
