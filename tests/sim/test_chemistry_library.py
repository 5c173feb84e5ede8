"""The simulator's own numbers: complete, balanced, cited, and refused by name when they are not."""

import json
from typing import Any

import pytest

from sim.chemistry.errors import ChemistryError, UnknownChemistry
from sim.chemistry.formula import composition, formula_of
from sim.chemistry.library import Library, packaged_library, parse_library


@pytest.fixture(scope="module")
def library() -> Library:
    return packaged_library()


@pytest.fixture
def document(library: Library) -> dict[str, Any]:
    entries: dict[str, Any] = json.loads(library.document)
    return entries


@pytest.mark.parametrize(
    ("formula", "counts"),
    [
        ("BaTiO3", {"Ba": 1, "Ti": 1, "O": 3}),
        ("Ba(OH)2", {"Ba": 1, "O": 2, "H": 2}),
        ("Ca5(PO4)3F", {"Ca": 5, "P": 3, "O": 12, "F": 1}),
        ("Fe0.95O", {"Fe": 0.95, "O": 1}),
    ],
)
def test_formulas_are_counted(formula: str, counts: dict[str, float]) -> None:
    assert dict(composition(formula)) == counts


@pytest.mark.parametrize("text", ["", "barium", "Ba(OH", "BaO)2", "Ba-", "2BaO", "BaCO3·H2O"])
def test_a_text_that_is_no_formula_is_named(text: str) -> None:
    with pytest.raises(UnknownChemistry, match="cannot be read"):
        composition(text)


def test_a_form_is_not_part_of_the_formula() -> None:
    assert formula_of("TiO2-anatase") == "TiO2"
    assert formula_of("BaO") == "BaO"


def test_every_source_mark_is_listed_with_its_citation(library: Library, document: dict[str, Any]) -> None:
    sources = document["sources"]
    entries = [*document["gases"].values(), *document["phases"].values(), *document["reactions"]]
    texts = [entry["source"] for entry in entries]
    texts += [p["structure"]["source"] for p in document["phases"].values() if p["structure"]]
    assert all(any(mark in text for mark in sources) for text in texts)


def test_a_formula_finds_its_commonest_form_and_its_other_names(library: Library) -> None:
    assert library.phase_of("TiO2").name == "TiO2-rutile"
    assert library.phase_of("TiO2-anatase").name == "TiO2-anatase"
    assert library.phase_of("Ba(OH)2").name == "BaH2O2"


def test_an_element_the_truth_does_not_know_is_named(library: Library) -> None:
    with pytest.raises(UnknownChemistry, match=r"SrCO3: element Sr is not in this truth"):
        library.phase_of("SrCO3")


def test_a_compound_of_known_elements_that_is_not_there_is_named(library: Library) -> None:
    with pytest.raises(UnknownChemistry, match=r"BaTi4O9: no such phase"):
        library.phase_of("BaTi4O9")


def test_unknown_grain_classes_and_atmospheres_are_named_with_what_is_allowed(library: Library) -> None:
    with pytest.raises(UnknownChemistry, match="'gravel' is not known; allowed: nano"):
        library.radius_um("gravel")
    with pytest.raises(UnknownChemistry, match="'chlorine' is not known; allowed: air"):
        library.pressures_bar("chlorine")


def test_molar_masses_follow_from_the_atomic_weights(library: Library) -> None:
    assert library.molar_mass_g("BaCO3") == pytest.approx(197.335, abs=0.001)
    assert library.molar_mass_g("CO2") == pytest.approx(44.009, abs=0.001)


def test_a_reaction_that_does_not_balance_is_refused(document: dict[str, Any]) -> None:
    document["reactions"][0]["products"]["CO2"] = 2
    with pytest.raises(ChemistryError, match=r"BaCO3\+rutile.*does not balance, off by \{'.*C"):
        parse_library(json.dumps(document))


def test_a_reaction_of_something_unknown_is_refused(document: dict[str, Any]) -> None:
    document["reactions"][0]["reactants"]["SrO"] = 1
    with pytest.raises(ChemistryError, match="SrO is neither a phase nor a gas"):
        parse_library(json.dumps(document))


def test_a_contact_without_a_diffusion_rate_is_refused(document: dict[str, Any]) -> None:
    del document["reactions"][0]["diffusion_m2_per_s"]
    with pytest.raises(ChemistryError, match="kind 'core' lacks its rates"):
        parse_library(json.dumps(document))


def test_a_site_with_a_strange_element_is_refused(document: dict[str, Any]) -> None:
    document["phases"]["BaO"]["structure"]["sites"][0]["element"] = "Sr"
    with pytest.raises(ChemistryError, match="phase BaO: element Sr"):
        parse_library(json.dumps(document))


def test_a_library_read_from_its_own_text_is_the_same(library: Library) -> None:
    again = parse_library(library.document)
    assert again.phases == library.phases
    assert again.reactions == library.reactions
