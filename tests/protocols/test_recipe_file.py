from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from protocols.documents import DocumentError
from protocols.recipe import (
    Cool,
    Dwell,
    Firing,
    Mixing,
    MixingMethod,
    PrecursorAmount,
    Ramp,
    Recipe,
    Target,
    XrdScan,
)
from protocols.recipe_file import load_recipe, recipe_document, save_recipe
from tests.protocols.conftest import Write


def fault_of(path: Path) -> tuple[int | None, str]:
    with pytest.raises(DocumentError) as caught:
        load_recipe(path)
    (fault,) = caught.value.faults
    return fault.line, fault.message


def test_the_example_of_the_design_is_read_into_floats(write: Write, recipe_text: str, recipe: Recipe) -> None:
    assert load_recipe(write(recipe_text)) == recipe


def test_what_may_be_left_out_is_filled_in(write: Write, recipe_text: str) -> None:
    short = (
        recipe_text.replace("mass_tolerance: 1 mg\n", "")
        .replace("method: ball-mill, ", "")
        .replace(", solvent: none", "")
    )
    read = load_recipe(write(short))
    assert read.mass_tolerance_mg == 1.0
    assert read.mixing == Mixing(method=MixingMethod.BALL_MILL, time_s=600, speed_rpm=300)
    assert read.measure[0].min_mass_mg == 20.0


def test_a_solvent_called_no_is_text(write: Write, recipe_text: str) -> None:
    assert load_recipe(write(recipe_text.replace("solvent: none", "solvent: NO"))).mixing.solvent == "NO"


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("mass_tolerance", "mass_tolerence", 3, "unknown key 'mass_tolerence': did you mean 'mass_tolerance'?"),
        ("592 mg", "592", 2, "precursors.BaCO3: 592 is no quantity"),
        ("592 mg", "0 mg", 2, "precursors.BaCO3: is '0 mg', and must be greater than 0"),
        ("592 mg", "6 h", 2, "precursors.BaCO3: '6 h' has not the unit of a value in mg"),
        ("ball-mill", "blender", 4, "mixing.method: is 'blender', and must be 'ball-mill', 'mortar' or 'shake'"),
        ("{ramp: 5 degC/min, to: 950 degC}", "{ramp: 5 degC/min}", 6, "a ramp segment needs a `to`"),
        ("{dwell: 6 h}", "{dwell: 6 h, to: 5 degC}", 6, "a dwell segment has no `to`"),
        ("{dwell: 6 h}", "{}", 6, "a segment has one of ramp, dwell and cool, found none"),
        ("{dwell: 6 h}", "{dwell: 6 h, cool: 5 degC/min}", 6, "found cool, dwell"),
        ("{ramp: 5 degC/min, to: 950 degC}, ", "", 6, "a firing starts with 'dwell', and must start with a ramp"),
        ("to: 80 deg", "to: 5 deg", 7, "the scan runs from 10 to 5 deg: `to` must lie above `from`"),
        ("to: 80 deg", "to: 200 deg", 7, "measure.0.xrd.to: is '200 deg', and must be 180 or less"),
    ],
)
def test_a_fault_names_its_place_and_what_is_allowed(
    write: Write, recipe_text: str, old: str, new: str, line: int, message: str
) -> None:
    assert old in recipe_text
    found = fault_of(write(recipe_text.replace(old, new)))
    assert found[0] == line
    assert message in found[1]


def test_faults_in_every_part_come_together(write: Write, recipe_text: str) -> None:
    broken = (
        recipe_text.replace("TiO2: 240 mg", "TiO2: much")
        .replace("10 min", "10")
        .replace("dwell: 6 h", "dwel: 6 h")
        .replace("8 min", "8 deg")
    )
    with pytest.raises(DocumentError) as caught:
        load_recipe(write(broken))
    assert {fault.line for fault in caught.value.faults} == {2, 4, 6, 7}


def test_masses_keep_all_their_digits(tmp_path: Path, recipe: Recipe) -> None:
    odd = recipe.model_copy(update={"precursors": (PrecursorAmount(lot="TiO2", mass_mg=100 / 3),)})
    save_recipe(odd, tmp_path / "r.yaml")
    assert load_recipe(tmp_path / "r.yaml") == odd


def test_the_document_is_what_a_person_would_write(recipe: Recipe) -> None:
    document = recipe_document(recipe)
    assert document["precursors"] == {"BaCO3": "592 mg", "TiO2": "240 mg"}
    assert document["firings"] == [
        {
            "atmosphere": "air",
            "segments": [
                {"ramp": "5 degC/min", "to": "950 degC"},
                {"dwell": "21600 s"},
                {"cool": "5 degC/min", "to": "60 degC"},
            ],
        }
    ]
    assert "regrind" not in document


positive = st.floats(min_value=1e-3, max_value=1e5)
degc = st.floats(min_value=-50, max_value=1500)
words = st.sampled_from(["NO", "on", "null", "1e-3", "~", "Ba(OH)2 #3", "a, b", "O'Neill"]) | st.text(
    "abcXYZ019-_. ()[]{}#", min_size=1, max_size=12
).filter(lambda text: text != "none")
mixings = st.builds(
    Mixing,
    method=st.sampled_from(MixingMethod),
    time_s=positive,
    speed_rpm=positive,
    solvent=st.none() | words,
    media=st.none() | words,
)
ramps = st.builds(Ramp, rate_degc_per_min=positive, to_degc=degc)
segments = st.lists(
    ramps | st.builds(Dwell, time_s=positive) | st.builds(Cool, rate_degc_per_min=positive, to_degc=degc), max_size=3
)
firings = st.builds(lambda first, rest, gas: Firing(atmosphere=gas, segments=(first, *rest)), ramps, segments, words)
recipes = st.builds(
    Recipe,
    target=st.builds(Target, formula=words),
    precursors=st.dictionaries(words, positive, min_size=1, max_size=3).map(
        lambda lots: tuple(PrecursorAmount(lot=lot, mass_mg=mass) for lot, mass in lots.items())
    ),
    mass_tolerance_mg=positive,
    excess=st.dictionaries(st.sampled_from(["Li", "Na", "NO"]), st.floats(min_value=0, max_value=1), max_size=2),
    mixing=mixings,
    firings=st.lists(firings, min_size=1, max_size=2).map(tuple),
    regrind=st.none() | mixings,
    measure=st.builds(
        XrdScan, from_deg=st.floats(0, 50), to_deg=st.floats(51, 180), time_s=positive, min_mass_mg=positive
    ).map(lambda scan: (scan,)),
)


@given(recipes)
@settings(
    max_examples=15,
    derandomize=True,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_every_recipe_survives_its_file_unchanged(tmp_path: Path, recipe: Recipe) -> None:
    path = tmp_path / "recipe.yaml"
    save_recipe(recipe, path)
    assert load_recipe(path) == recipe
