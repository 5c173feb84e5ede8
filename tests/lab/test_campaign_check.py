from __future__ import annotations

from pathlib import Path

import pytest

from lab.campaign.check import check_campaign, check_recipe, program_for, resolve_lots
from lab.config.campaign_file import load_campaign
from lab.config.lab_file import LabConfig
from protocols.documents import DocumentError
from protocols.recipe import XrdScan
from protocols.recipe_file import load_recipe
from tests.lab.conftest import LabFolder


@pytest.fixture
def lab(lab_folder: LabFolder) -> LabConfig:
    return lab_folder.load()


def recipe_faults(path: Path, lab: LabConfig) -> list[tuple[int | None, str]]:
    with pytest.raises(DocumentError) as caught:
        check_recipe(load_recipe(path), path, lab)
    assert all(fault.file == str(path) for fault in caught.value.faults)
    return [(fault.line, fault.message) for fault in caught.value.faults]


def campaign_faults(path: Path, lab: LabConfig) -> list[tuple[int | None, str]]:
    with pytest.raises(DocumentError) as caught:
        check_campaign(load_campaign(path), path, lab)
    assert all(fault.file == str(path) for fault in caught.value.faults)
    return [(fault.line, fault.message) for fault in caught.value.faults]


def test_the_packaged_recipe_and_campaign_can_be_carried_out(lab_folder: LabFolder, lab: LabConfig) -> None:
    check_recipe(load_recipe(lab_folder.path("recipe.yaml")), lab_folder.path("recipe.yaml"), lab)
    check_campaign(load_campaign(lab_folder.path("campaign.yaml")), lab_folder.path("campaign.yaml"), lab)


@pytest.mark.parametrize(
    ("old", "new", "at", "message"),
    [
        (
            "to: 950 degC",
            "to: 1250 degC",
            "- {atmosphere",
            "no furnace of lab.yaml can do this: furnace-1: 1250 degC requested, limit 1100 degC; furnace-2: 1250 degC",
        ),
        (
            "{ramp: 5 degC/min",
            "{ramp: 20 degC/min",
            "- {atmosphere",
            "furnace-1: 20 degC/min requested, limit 10 degC/min",
        ),
        ("atmosphere: air", "atmosphere: argon", "- {atmosphere", "atmosphere 'argon' requested, it has air"),
        ("BaCO3: 592 mg", "SrCO3: 592 mg", "precursors:", "'SrCO3' is not in the inventory: there are BaCO3-lot7"),
        ("BaCO3: 592 mg", "BaCO3: 5 g", "precursors:", "5000 mg of BaCO3, limit of doser-1 is 2000 mg"),
        ("to: 80 deg", "to: 90 deg", "measure:", "xrd-1 has no programme for 10 to 90 deg in 8 min: it has 10 to 80"),
        ("BaTiO3", "BaZrO3", "target:", "BaZrO3 needs Zr, which none of BaCO3, TiO2 contains: add a precursor"),
        ("BaTiO3", "Barium", "target:", "'Barium' is no chemical formula: write it as BaTiO3"),
    ],
)
def test_what_a_laboratory_cannot_do_is_told_with_its_line(
    lab_folder: LabFolder, lab: LabConfig, old: str, new: str, at: str, message: str
) -> None:
    path = lab_folder.change("recipe.yaml", old, new)
    ((line, found),) = recipe_faults(path, lab)
    assert message in found
    assert line == lab_folder.line_of("recipe.yaml", at)


def test_all_that_is_wrong_is_told_at_once(lab_folder: LabFolder, lab: LabConfig) -> None:
    lab_folder.change("recipe.yaml", "BaCO3: 592 mg", "SrCO3: 592 mg")
    lab_folder.change("recipe.yaml", "to: 950 degC", "to: 1250 degC")
    path = lab_folder.change("recipe.yaml", "time: 8 min", "time: 9 min")
    assert len(recipe_faults(path, lab)) == 3


def test_a_recipe_that_one_furnace_can_do_is_taken(lab_folder: LabFolder) -> None:
    old = 'sim/furnace-2/1"\n    baud: 19200\n    limits: {setpoint: 1100 degC'
    lab_folder.change("lab.yaml", old, old.replace("1100", "1300"))
    path = lab_folder.change("recipe.yaml", "to: 950 degC", "to: 1250 degC")
    check_recipe(load_recipe(path), path, lab_folder.load())


def test_a_lot_must_be_on_a_dosing_head(lab_folder: LabFolder) -> None:
    lab_folder.change("lab.yaml", ", 2: TiO2-lot3", "")
    ((line, message),) = recipe_faults(lab_folder.path("recipe.yaml"), lab_folder.load())
    assert message.startswith("lot TiO2-lot3 is on no dosing head of lab.yaml")
    assert line == lab_folder.line_of("recipe.yaml", "precursors:")


@pytest.mark.parametrize(
    ("old", "new", "at", "message"),
    [
        ("700 degC .. 1100 degC", "700 degC .. 1200 degC", "temperature:", "1200 degC requested, limit 1100 degC"),
        ("2 degC/min .. 10 degC/min", "2 degC/min .. 15 degC/min", "temperature:", "15 degC/min requested, limit 10"),
        ("samples: 16", "samples: 201", "budget:", "201 samples, and there is labware for 200"),
        ("BaO2, ", "BaO, ", "precursors:", "'BaO' is not in the inventory"),
        ("[BaCO3, BaO2, Ba(OH)2, TiO2]", "[BaCO3, BaO2]", "target:", "Ti"),
    ],
)
def test_what_a_campaign_cannot_have_is_told_with_its_line(
    lab_folder: LabFolder, lab: LabConfig, old: str, new: str, at: str, message: str
) -> None:
    path = lab_folder.change("campaign.yaml", old, new)
    faults = campaign_faults(path, lab)
    assert any(message in found for _, found in faults), faults
    assert {line for line, _ in faults} == {lab_folder.line_of("campaign.yaml", at)}


def test_a_campaign_with_a_scan_that_is_not_stored_is_refused(lab_folder: LabFolder, lab: LabConfig) -> None:
    measure = "measure: [{xrd: {from: 5 deg, to: 80 deg, time: 8 min}}]\nbudget:"
    path = lab_folder.change("campaign.yaml", "budget:", measure)
    ((line, message),) = campaign_faults(path, lab)
    assert line == lab_folder.line_of("campaign.yaml", "measure:")
    assert "xrd-1 has no programme for 5 to 80 deg in 8 min" in message


def test_a_scan_is_done_by_the_programme_that_does_exactly_it(lab: LabConfig) -> None:
    assert program_for(XrdScan(from_deg=10, to_deg=80, time_s=480), lab) == "10-80deg-8min"
    assert program_for(XrdScan(from_deg=10, to_deg=80, time_s=481), lab) is None


def test_formulas_become_lots_before_a_recipe_is_carried_out(lab_folder: LabFolder, lab: LabConfig) -> None:
    recipe = resolve_lots(load_recipe(lab_folder.path("recipe.yaml")), lab)
    assert [p.lot for p in recipe.precursors] == ["BaCO3-lot7", "TiO2-lot3"]
    assert recipe.total_mass_mg == 832.0
