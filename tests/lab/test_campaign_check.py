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
        (
            "tolerance: 1 mg",
            "tolerance: 0.5 mg",
            "mass_tolerance:",
            "592 mg of BaCO3, a tolerance of 0.5 mg requested for 592 mg, Quantos holds 0.592 to 237 mg (0.1 to 40 %)",
        ),
        ("tolerance: 1 mg", "tolerance: 100 mg", "mass_tolerance:", "100 mg requested for 240 mg, Quantos holds 0.24"),
        (
            "solvent: none",
            "solvent: ethanol",
            "mixing:",
            "solvent 'ethanol' is not in this version, which mixes dry and without media: write none",
        ),
        ("solvent: none", "media: zirconia", "mixing:", "media 'zirconia' is not in this version"),
        (
            "measure: [",
            "measure: [{xrd: {from: 10 deg, to: 80 deg, time: 8 min}}, ",
            "measure:",
            "2 measurements, and this version makes one of each sample: leave one",
        ),
        (
            "BaCO3: 592 mg, TiO2: 240 mg",
            "BaCO3: 5 mg, TiO2: 240 mg",
            "precursors:",
            "5 mg of BaCO3 and 240 mg of TiO2 give Ba:Ti = 0.0084, BaTiO3 needs 1: correct the masses or state the",
        ),
        ("BaCO3: 592 mg", "BaCO3: 800 mg", "precursors:", "give Ba:Ti = 1.3, BaTiO3 needs 1"),
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


@pytest.mark.parametrize(
    ("masses", "excess"),
    [
        ("BaCO3: 592 mg, TiO2: 240 mg", ""),
        ("BaCO3: 700 mg, TiO2: 240 mg", ""),
        ("BaCO3: 500 mg, TiO2: 240 mg", ""),
        ("BaCO3: 800 mg, TiO2: 240 mg", "excess: {Ba: 0.35}"),
        ("BaCO3: 592 mg, TiO2: 320 mg", "excess: {Ti: 0.3}"),
        ("Ba(OH)2: 524 mg, TiO2: 240 mg", ""),
    ],
)
def test_masses_near_the_targets_ratio_or_with_their_excess_stated_are_taken(
    lab_folder: LabFolder, lab: LabConfig, masses: str, excess: str
) -> None:
    lab_folder.change("recipe.yaml", "BaCO3: 592 mg, TiO2: 240 mg", masses)
    path = lab_folder.change("recipe.yaml", "mass_tolerance", f"{excess}\nmass_tolerance")
    check_recipe(load_recipe(path), path, lab)


def test_water_moisture_and_assay_count_in_the_balance(lab_folder: LabFolder) -> None:
    lab_folder.change("recipe.yaml", "BaCO3: 592 mg", "Ba(OH)2: 966 mg")
    path = lab_folder.path("recipe.yaml")
    assert "Ba:Ti = 1.8" in recipe_faults(path, lab_folder.load())[0][1]
    lab_folder.change("inventory.yaml", "formula: Ba(OH)2, ", "formula: Ba(OH)2, hydrate: 8, ")
    check_recipe(load_recipe(path), path, lab_folder.load())


def test_a_programme_has_no_more_steps_than_a_furnace_holds(lab_folder: LabFolder, lab: LabConfig) -> None:
    ramps = ", ".join(f"{{ramp: 5 degC/min, to: {200 + 50 * i} degC}}, {{dwell: 1 h}}" for i in range(7))
    cool = "{cool: 5 degC/min, to: 60 degC}"
    old = f"{{ramp: 5 degC/min, to: 950 degC}}, {{dwell: 6 h}}, {cool}"
    path = lab_folder.change("recipe.yaml", old, f"{ramps}, {cool}")
    check_recipe(load_recipe(path), path, lab)
    lab_folder.change("recipe.yaml", cool, f"{cool}, {cool}")
    assert recipe_faults(path, lab) == [
        (
            lab_folder.line_of("recipe.yaml", "- {atmosphere"),
            "9 ramps and coolings, the last one to 60 degC included, and a furnace's programme holds 8: leave some out",
        )
    ]


def test_a_programme_that_ends_hot_needs_a_step_to_cool(lab_folder: LabFolder, lab: LabConfig) -> None:
    old = "{ramp: 5 degC/min, to: 950 degC}, {dwell: 6 h}, {cool: 5 degC/min, to: 60 degC}"
    ramps = [f"{{ramp: 5 degC/min, to: {200 + 50 * i} degC}}" for i in range(8)]
    path = lab_folder.change("recipe.yaml", old, ", ".join(ramps))
    assert "9 ramps and coolings" in recipe_faults(path, lab)[0][1]
    lab_folder.change("recipe.yaml", f", {ramps[-1]}", "")
    check_recipe(load_recipe(path), path, lab)


def test_a_regrind_is_dry_too(lab_folder: LabFolder, lab: LabConfig) -> None:
    text = "regrind: {time: 10 min, speed: 300 rpm, solvent: water}\nmeasure:"
    path = lab_folder.change("recipe.yaml", "measure:", text)
    ((line, message),) = recipe_faults(path, lab)
    assert line == lab_folder.line_of("recipe.yaml", "regrind:")
    assert message.startswith("solvent 'water' is not in this version")


def test_what_is_not_in_store_cannot_be_weighed(lab_folder: LabFolder) -> None:
    lab_folder.change("inventory.yaml", "grain: 1.0 um, mass: 100 g", "grain: 1.0 um, mass: 0.5 g")
    assert recipe_faults(lab_folder.path("recipe.yaml"), lab_folder.load()) == [
        (
            lab_folder.line_of("recipe.yaml", "precursors:"),
            "592 mg of BaCO3-lot7, 500 mg are in store: make a smaller batch or correct the inventory",
        )
    ]


def test_a_lot_that_is_named_twice_is_counted_once(lab_folder: LabFolder) -> None:
    lab_folder.change("inventory.yaml", "grain: 1.0 um, mass: 100 g", "grain: 1.0 um, mass: 0.5 g")
    path = lab_folder.change("recipe.yaml", "BaCO3: 592 mg", "BaCO3: 292 mg, BaCO3-lot7: 300 mg")
    assert "592 mg of BaCO3-lot7, 500 mg are in store" in recipe_faults(path, lab_folder.load())[0][1]


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
        (
            "700 degC .. 1100 degC",
            "50 degC .. 1100 degC",
            "temperature:",
            "temperature starts at 50 degC, and must be above 60 degC: raise it",
        ),
        ('"1 h .. 12 h"', '"0 h .. 12 h"', "dwell:", "dwell starts at 0 h, and must be above 0 h: raise it"),
        ("2 degC/min .. 10", "0 degC/min .. 10", "ramp:", "ramp starts at 0 degC/min, and must be above 0 degC/min"),
        ("furnace_hours <= 48 h", "furnace_hours <= 2 h", "constraints:", "excludes every recipe: the shortest"),
        (
            "budget:",
            "batch: 5 g\nbudget:",
            "batch:",
            "a batch of 5000 mg takes 4239.66 mg of BaCO3-lot7, limit of doser-1 is 2000 mg: make a smaller batch",
        ),
        (
            "budget:",
            "batch: 1500 mg\nbudget:",
            "batch:",
            "a batch of 1500 mg takes 1271.9 mg of BaCO3-lot7, a tolerance of 1 mg requested for 1271.9 mg",
        ),
        ("budget:", "batch: 5 mg\nbudget:", "batch:", "a tolerance of 1 mg requested for 1.71"),
        (
            "budget:",
            "mixing: {time: 10 min, speed: 300 rpm, solvent: ethanol}\nbudget:",
            "mixing:",
            "solvent 'ethanol' is not in this version",
        ),
    ],
)
def test_what_a_campaign_cannot_have_is_told_with_its_line(
    lab_folder: LabFolder, lab: LabConfig, old: str, new: str, at: str, message: str
) -> None:
    path = lab_folder.change("campaign.yaml", old, new)
    faults = campaign_faults(path, lab)
    assert any(message in found for _, found in faults), faults
    assert {line for line, _ in faults} == {lab_folder.line_of("campaign.yaml", at)}


def test_a_campaign_of_which_one_sample_takes_more_than_there_is_is_refused(lab_folder: LabFolder) -> None:
    lab_folder.change("inventory.yaml", "grain: 0.4 um, mass: 100 g", "grain: 0.4 um, mass: 100 mg")
    path = lab_folder.change("campaign.yaml", "budget:", "batch: 500 mg\nbudget:")
    assert campaign_faults(path, lab_folder.load()) == [
        (
            lab_folder.line_of("campaign.yaml", "batch:"),
            "a batch of 500 mg takes 171.416 mg of TiO2-lot3, 100 mg are in store: "
            "make a smaller batch or correct the inventory",
        )
    ]


def test_a_campaign_that_may_run_out_of_a_lot_is_taken(lab_folder: LabFolder) -> None:
    lab_folder.change("inventory.yaml", "grain: 0.4 um, mass: 100 g", "grain: 0.4 um, mass: 1 g")
    path = lab_folder.path("campaign.yaml")
    check_campaign(load_campaign(path), path, lab_folder.load())


def test_a_campaign_makes_one_measurement(lab_folder: LabFolder, lab: LabConfig) -> None:
    scan = "{xrd: {from: 10 deg, to: 80 deg, time: 8 min}}"
    path = lab_folder.change("campaign.yaml", "budget:", f"measure: [{scan}, {scan}]\nbudget:")
    ((line, message),) = campaign_faults(path, lab)
    assert (line, message.partition(",")[0]) == (lab_folder.line_of("campaign.yaml", "measure:"), "2 measurements")


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
    assert sum(p.mass_mg for p in recipe.precursors) == 832.0
