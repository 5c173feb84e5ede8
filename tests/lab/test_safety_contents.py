from __future__ import annotations

import pytest

from lab.safety.commands.contents import Contents, atoms_of, is_organic, is_oxidiser

FORMULAS = {"BaO2-lot2": "BaO2", "BaCO3-lot7": "BaCO3", "TiO2-lot3": "TiO2", "citric": "C6H8O7"}
NOTHING = {"oxidiser": False, "organic": False, "dry": True}


@pytest.fixture
def contents() -> Contents:
    return Contents(FORMULAS)


@pytest.mark.parametrize(
    "formula",
    ["BaO2", "SrO2", "Li2O2", "Na2O2", "KO2", "Ba(NO3)2", "LiNO3", "NH4NO3", "KClO3", "LiClO4", "KMnO4"],
)
def test_what_feeds_a_fire_is_an_oxidiser(formula: str) -> None:
    assert is_oxidiser(formula)


@pytest.mark.parametrize(
    "formula", ["BaO", "TiO2", "Li2O", "MnO2", "Mn3O4", "BaCO3", "Ba(OH)2", "NH4Cl", "ZrO2", "La2O3", "(NH4)2CO3"]
)
def test_oxides_and_salts_that_feed_no_fire_are_none(formula: str) -> None:
    assert not is_oxidiser(formula)


@pytest.mark.parametrize("formula", ["C6H8O7", "Ba(CH3COO)2", "Ba(HCOO)2", "CO(NH2)2", "C2H6O"])
def test_carbon_with_hydrogen_is_organic(formula: str) -> None:
    assert is_organic(formula)


@pytest.mark.parametrize("formula", ["BaCO3", "NaHCO3", "CHNaO3", "(NH4)2CO3", "Mg5(CO3)4(OH)2", "BaC2O4", "C", "H2O"])
def test_carbonates_and_bare_carbon_are_not(formula: str) -> None:
    assert not is_organic(formula)


def test_brackets_are_multiplied_out_also_inside_each_other() -> None:
    assert atoms_of("Mg5(CO3)4(OH)2") == {"Mg": 5, "C": 4, "O": 14, "H": 2}
    assert atoms_of("Al(Al(OH)2)3") == {"Al": 4, "O": 6, "H": 6}
    assert atoms_of("BaO1.9") == {"Ba": 1, "O": 1.9}


def test_an_empty_place_holds_nothing_and_is_dry(contents: Contents) -> None:
    assert contents.of("furnace-1") == NOTHING


def test_what_others_put_into_a_place_is_unknown(contents: Contents) -> None:
    contents = Contents(FORMULAS, untold={"mill-2"})
    assert contents.of("mill-2") == dict.fromkeys(NOTHING)
    assert contents.of("mill-1") == NOTHING
    contents.weighed("s1", ["TiO2-lot3"])
    contents.put("s1", "mill-2", alone=True)
    assert contents.of("mill-2") == NOTHING
    contents.taken("s1", "mill-2")
    assert contents.of("mill-2") == dict.fromkeys(NOTHING)


def test_a_place_holds_what_its_sample_is_made_of(contents: Contents) -> None:
    contents.weighed("s1", ["BaO2-lot2", "TiO2-lot3"])
    contents.put("s1", "mill-1")
    assert contents.of("mill-1") == {"oxidiser": True, "organic": False, "dry": True}
    assert contents.of("furnace-1") == NOTHING
    contents.taken("s1", "mill-1")
    assert contents.of("mill-1") == NOTHING


def test_an_organic_precursor_counts_as_organic(contents: Contents) -> None:
    contents.weighed("s1", ["citric", "BaCO3-lot7"])
    contents.put("s1", "furnace-1")
    assert contents.of("furnace-1") == {"oxidiser": False, "organic": True, "dry": True}


@pytest.mark.parametrize(("solvent", "organic"), [("ethanol", True), ("something new", True), ("water", False)])
def test_a_solvent_makes_wet_and_is_organic_unless_it_is_water(contents: Contents, solvent: str, organic: bool) -> None:
    contents.weighed("s1", ["TiO2-lot3"])
    contents.wetted("s1", solvent)
    contents.put("s1", "mill-1")
    assert contents.of("mill-1") == {"oxidiser": False, "organic": organic, "dry": False}


def test_mixing_without_solvent_leaves_it_dry(contents: Contents) -> None:
    contents.weighed("s1", ["TiO2-lot3"])
    contents.wetted("s1", None)
    contents.put("s1", "mill-1")
    assert contents.of("mill-1")["dry"] is True


def test_a_firing_burns_what_is_organic_and_leaves_the_oxidiser(contents: Contents) -> None:
    contents.weighed("s1", ["BaO2-lot2", "citric"])
    contents.wetted("s1", "ethanol")
    contents.fired("s1")
    contents.put("s1", "mill-1")
    assert contents.of("mill-1") == {"oxidiser": True, "organic": False, "dry": True}


def test_of_a_lot_that_nobody_knows_nothing_is_known(contents: Contents) -> None:
    contents.weighed("s1", ["mystery", "TiO2-lot3"])
    contents.put("s1", "mill-1")
    assert contents.of("mill-1") == {"oxidiser": None, "organic": None, "dry": True}
    contents.weighed("s1", ["mystery", "BaO2-lot2"])
    assert contents.of("mill-1")["oxidiser"] is True


def test_of_a_sample_that_nobody_weighed_nothing_is_known(contents: Contents) -> None:
    contents.put("s1", "furnace-1")
    assert contents.of("furnace-1") == {"oxidiser": None, "organic": None, "dry": True}
    contents.fired("s1")
    assert contents.of("furnace-1")["oxidiser"] is None


def test_two_samples_in_one_furnace_count_together(contents: Contents) -> None:
    contents.weighed("s1", ["BaO2-lot2"])
    contents.weighed("s2", ["citric"])
    contents.wetted("s2", "water")
    contents.put("s1", "furnace-1")
    contents.put("s2", "furnace-1")
    assert contents.of("furnace-1") == {"oxidiser": True, "organic": True, "dry": False}
    contents.taken("s1", "furnace-1")
    assert contents.of("furnace-1") == {"oxidiser": False, "organic": True, "dry": False}


def test_where_there_is_room_for_one_the_next_sample_takes_the_place_of_the_last(contents: Contents) -> None:
    contents.weighed("s1", ["BaO2-lot2"])
    contents.weighed("s2", ["TiO2-lot3"])
    contents.put("s1", "mill-1", alone=True)
    contents.put("s2", "mill-1", alone=True)
    assert contents.of("mill-1") == NOTHING
