from __future__ import annotations

import pytest

from lab.config.campaign_file import load_campaign, parse_constraint
from protocols.documents import DocumentError
from protocols.recipe import MixingMethod
from tests.lab.conftest import LabFolder


def faults_of(lab_folder: LabFolder, old: str, new: str) -> list[tuple[int | None, str]]:
    with pytest.raises(DocumentError) as caught:
        load_campaign(lab_folder.change("campaign.yaml", old, new))
    return [(fault.line, fault.message) for fault in caught.value.faults]


def test_the_packaged_campaign_is_read_into_floats(lab_folder: LabFolder) -> None:
    campaign = load_campaign(lab_folder.path("campaign.yaml"))
    assert campaign.target.formula == "BaTiO3"
    assert campaign.process.temperature == (700.0, 1100.0)
    assert campaign.process.dwell == (3600.0, 43200.0)
    assert campaign.process.ramp == (2.0, 10.0)
    assert campaign.process.regrinds == [0, 1]
    assert campaign.budget.samples == 16
    assert campaign.gate.analysis_confidence == 0.8
    assert campaign.batch == 500.0
    assert campaign.mixing.to_mixing().method is MixingMethod.BALL_MILL
    assert campaign.measure[0].xrd.to_scan().to_deg == 80.0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("budget: {samples: 16}", "budget: {sampels: 16}", "budget: unknown key 'sampels': did you mean 'samples'?"),
        ("samples: 16", "samples: 0", "budget.samples: is 0, and must be greater than 0"),
        ("samples: 16", "samples: 1.5", "budget.samples"),
        ("target_fraction: maximize", "target_fraction: up", "must be 'maximize' or 'minimize'"),
        ("target_fraction: maximize", "purity: maximize", "nothing measures 'purity': objectives are target_fraction"),
        ('"700 degC .. 1100 degC"', '"1100 degC .. 700 degC"', "process.temperature: '1100 degC .. 700 degC' runs"),
        ('"700 degC .. 1100 degC"', "900 degC", "process.temperature: '900 degC' is no range"),
        ('"2 degC/min .. 10 degC/min"', '"2 degC .. 10 degC"', "process.ramp: '2 degC' has not the unit"),
        ("[0, 1]", "[0, 9]", "process.regrinds.1: is 9, and must be 3 or less"),
        ("approval: none", "approval: always", "gate.approval: is 'always', and must be 'none'"),
        ("analysis_confidence: 0.8", "analysis_confidence: 80", "and must be 1 or less"),
        ('"furnace_hours <= 48 h"', '"furnace_hours < 48 h"', "is no constraint"),
        ('"furnace_hours <= 48 h"', '"furnace_hours <= 48"', "'48' is no quantity"),
    ],
)
def test_a_fault_names_its_line_and_what_is_allowed(lab_folder: LabFolder, old: str, new: str, message: str) -> None:
    faults = faults_of(lab_folder, old, new)
    assert any(message in found for _, found in faults), faults
    assert all(line is not None for line, _ in faults)


def test_a_scan_that_runs_backwards_is_a_fault_of_the_file(lab_folder: LabFolder) -> None:
    backwards = "measure: [{xrd: {from: 80 deg, to: 10 deg, time: 8 min}}]\nbudget:"
    ((line, message),) = faults_of(lab_folder, "budget:", backwards)
    assert line == lab_folder.line_of("campaign.yaml", "measure:")
    assert "the scan runs from 80 to 10 deg: `to` must lie above `from`" in message


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("furnace_hours <= 24 h", ("furnace_hours", "<=", 24.0)),
        ("furnace_hours<=90 min", ("furnace_hours", "<=", 1.5)),
        ("target_fraction >= 0.9", ("target_fraction", ">=", 0.9)),
    ],
)
def test_a_constraint_is_a_name_a_sense_and_a_bound(text: str, meaning: tuple[str, str, float]) -> None:
    assert parse_constraint(text) == meaning


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cost <= 5 h", "write target_fraction or furnace_hours, then <= or >="),
        ("furnace_hours", "is no constraint"),
        ("furnace_hours == 5 h", "is no constraint"),
        ("furnace_hours <= 5 degC", "has not the unit"),
        ("target_fraction >= high", "target_fraction is a fraction, write a number between 0 and 1"),
    ],
)
def test_any_other_constraint_says_how_to_write_one(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_constraint(text)


@pytest.mark.parametrize("text", ["target_fraction >= 90", "target_fraction >= nan", "target_fraction >= -0.1"])
def test_a_fraction_lies_between_0_and_1(text: str) -> None:
    with pytest.raises(ValueError, match="write a number between 0 and 1"):
        parse_constraint(text)
