from __future__ import annotations

import pytest
from pydantic import ValidationError

from protocols.recipe import Cool, Dwell, Firing, Mixing, PrecursorAmount, Ramp, Recipe, XrdScan


def test_a_recipe_is_frozen_and_hashable_parts_stay_as_planned(recipe: Recipe) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        recipe.mass_tolerance_mg = 5.0
    with pytest.raises(ValidationError, match="frozen"):
        recipe.firings[0].atmosphere = "argon"


def test_json_gives_back_an_equal_recipe(recipe: Recipe) -> None:
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_an_unknown_field_is_refused(recipe: Recipe) -> None:
    with pytest.raises(ValidationError, match="mass_tolerance_g"):
        Recipe.model_validate(recipe.model_dump() | {"mass_tolerance_g": 1.0})


def test_regrinds_follow_from_the_firings(recipe: Recipe) -> None:
    assert recipe.regrinds == 0
    assert recipe.model_copy(update={"firings": recipe.firings * 3}).regrinds == 2


def test_a_lot_is_listed_once(recipe: Recipe) -> None:
    twice = (PrecursorAmount(lot="TiO2", mass_mg=1), PrecursorAmount(lot="TiO2", mass_mg=2))
    with pytest.raises(ValidationError, match="precursor 'TiO2' is listed 2 times"):
        Recipe.model_validate(recipe.model_dump() | {"precursors": [p.model_dump() for p in twice]})


def test_peak_and_fastest_change_are_over_ramps_and_cools() -> None:
    segments = (
        Ramp(rate_degc_per_min=5, to_degc=900),
        Dwell(time_s=60),
        Ramp(rate_degc_per_min=2, to_degc=1100),
        Cool(rate_degc_per_min=8, to_degc=60),
    )
    assert Firing(segments=segments).peak_degc == 1100
    assert Firing(segments=segments).fastest_degc_per_min == 8


def test_programmed_time_counts_ramps_up_and_down_and_dwells(recipe: Recipe) -> None:
    # (950 - 25) / 5 min, 6 h, (950 - 60) / 5 min
    assert recipe.firings[0].duration_s(25.0) == pytest.approx(185 * 60 + 21600 + 178 * 60)


def test_a_firing_starts_with_a_ramp() -> None:
    with pytest.raises(ValidationError, match="a firing starts with 'dwell', and must start with a ramp"):
        Firing(segments=(Dwell(time_s=60),))
    with pytest.raises(ValidationError):
        Firing(segments=())


@pytest.mark.parametrize(("low", "high"), [(80.0, 10.0), (10.0, 10.0)])
def test_a_scan_covers_some_angle(low: float, high: float) -> None:
    with pytest.raises(ValidationError, match="`to` must lie above `from`"):
        XrdScan(from_deg=low, to_deg=high, time_s=60)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_rates_times_and_masses_are_above_zero(value: float) -> None:
    with pytest.raises(ValidationError):
        Ramp(rate_degc_per_min=value, to_degc=900)
    with pytest.raises(ValidationError):
        Dwell(time_s=value)
    with pytest.raises(ValidationError):
        PrecursorAmount(lot="TiO2", mass_mg=value)
    with pytest.raises(ValidationError):
        Mixing(time_s=value, speed_rpm=300)
