"""What comes out of the furnace, against what powder chemists report."""

from pathlib import Path

import numpy as np
import pytest

from sim.chemistry import (
    ChemistryError,
    Lot,
    Powder,
    Truth,
    UnknownChemistry,
    dispense,
    fire,
    fire_batch,
    grind,
    mill,
    rest,
)
from sim.chemistry.firing import GRID_S
from sim.chemistry.powder import Array

TRUTH = Truth.nominal()
WELL, BRIEFLY = 1800.0, 600.0
GRID_MULTIPLE_S = 5_700_000 * GRID_S


def charge(
    barium: str = "BaCO3",
    titania: str = "TiO2",
    milled_s: float = WELL,
    grain: str = "standard",
    excess: float = 1.0,
) -> Powder:
    """Three mmol of each, milled dry at 300 rpm."""
    library = TRUTH.library
    mass_mg = 3.0 * excess * library.molar_mass_g(library.phase_of(barium).name)
    powder = dispense(Powder.empty(), Lot(barium, grain=grain), mass_mg, TRUTH)
    powder = dispense(powder, Lot(titania, grain=grain), 3.0 * 79.865, TRUTH)
    return mill(powder, milled_s, 300.0)


def firing(to_degc: float, hours: float, start_s: float = 0.0, cool: bool = True) -> tuple[Array, Array]:
    rise_s = (to_degc - 25.0) / 5.0 * 60.0
    times = np.array([0.0, rise_s, rise_s + hours * 3600.0, 2 * rise_s + hours * 3600.0]) + start_s
    temperatures = np.array([25.0, to_degc, to_degc, 25.0])
    return (times, temperatures) if cool else (times[:3], temperatures[:3])


def fired(
    powder: Powder,
    to_degc: float,
    hours: float,
    atmosphere: str = "air",
    truth: Truth = TRUTH,
    cool: bool = True,
) -> Powder:
    return fire(powder, *firing(to_degc, hours, cool=cool), atmosphere, truth)


def part(powder: Powder, phase: str) -> float:
    return powder.mass_fractions().get(phase, 0.0)


@pytest.fixture(scope="module")
def sequence() -> list[Powder]:
    """The same charge after ever longer times at 950 degC."""
    return [fired(charge(milled_s=BRIEFLY), 950, hours, cool=False) for hours in (0.0, 0.5, 1.0, 2.0, 4.0, 12.0)]


def test_an_hour_at_700_degc_leaves_nearly_everything_unreacted() -> None:
    assert part(fired(charge(), 700, 1), "BaTiO3") < 0.03


def test_twelve_hours_at_1100_degc_give_nearly_pure_titanate() -> None:
    assert part(fired(charge(), 1100, 12), "BaTiO3") > 0.995


def test_ten_hours_at_1000_degc_are_enough_for_a_well_milled_charge_only() -> None:
    assert part(fired(charge(), 1000, 10), "BaTiO3") > 0.985
    assert part(fired(charge(milled_s=BRIEFLY), 1000, 10), "BaTiO3") < 0.96


def test_titanate_comes_first_then_orthotitanate_then_titanate_from_it(sequence: list[Powder]) -> None:
    titanate = [part(p, "BaTiO3") for p in sequence]
    orthotitanate = [part(p, "Ba2TiO4") for p in sequence]
    assert titanate[0] > 5 * orthotitanate[0]
    assert np.argmax(orthotitanate) == 4
    assert orthotitanate[5] < orthotitanate[4]
    assert titanate == sorted(titanate)


def test_orthotitanate_grows_only_while_a_barium_source_is_left(sequence: list[Powder]) -> None:
    assert part(sequence[4], "BaCO3") + part(sequence[4], "BaO") > 0.01
    assert part(sequence[5], "BaCO3") + part(sequence[5], "BaO") < 0.002


def test_finer_grains_lower_the_temperature() -> None:
    by_grain = [part(fired(charge(grain=g), 800, 5), "BaTiO3") for g in ("coarse", "standard", "fine", "nano")]
    assert by_grain == sorted(by_grain)
    assert by_grain[0] < 0.3
    assert by_grain[3] > 0.9


def test_in_pure_carbon_dioxide_there_is_no_orthotitanate_below_1000_degc() -> None:
    held = [fired(charge(), 990, hours, "carbon dioxide", cool=False) for hours in (1, 10)]
    assert all(part(p, "Ba2TiO4") == 0 for p in held)
    assert part(fired(charge(), 990, 1), "Ba2TiO4") > 0.02


def test_a_regrind_is_worth_more_than_the_same_hours_at_a_stretch() -> None:
    once = fired(charge(milled_s=BRIEFLY), 950, 6)
    twice = fired(grind(once, 600), 950, 6)
    assert part(twice, "BaTiO3") > part(fired(charge(milled_s=BRIEFLY), 950, 12), "BaTiO3") + 0.05
    assert part(twice, "BaTiO3") > 0.98


def test_other_barium_sources_react_lower_than_the_carbonate() -> None:
    carbonate, peroxide, hydroxide = (part(fired(charge(b), 700, 5), "BaTiO3") for b in ("BaCO3", "BaO2", "Ba(OH)2"))
    assert peroxide > 3 * carbonate
    assert hydroxide > 3 * carbonate


def test_too_much_barium_stays_as_orthotitanate_and_too_much_titanium_as_titania() -> None:
    rich, lean = fired(charge(excess=1.03), 1100, 12), fired(charge(excess=0.97), 1100, 12)
    assert part(rich, "Ba2TiO4") == pytest.approx(0.049, abs=0.005)
    assert part(rich, "TiO2-rutile") < 1e-3
    assert part(lean, "TiO2-rutile") == pytest.approx(0.0105, abs=0.001)
    assert part(lean, "Ba2TiO4") < 1e-3


def test_anatase_turns_to_rutile_where_it_does_not_react() -> None:
    alone = dispense(Powder.empty(), Lot("TiO2-anatase"), 100.0, TRUTH)
    assert part(fired(alone, 600, 2), "TiO2-anatase") > 0.99
    assert part(fired(alone, 1100, 2), "TiO2-rutile") > 0.99


@pytest.mark.parametrize("barium", ["BaCO3", "BaO2", "Ba(OH)2", "BaO"])
@pytest.mark.parametrize("to_degc", [650, 1050])
def test_mass_and_elements_balance_with_the_gas_counted(barium: str, to_degc: int) -> None:
    before = charge(barium)
    after = fired(before, to_degc, 4)
    gas_mg = sum(TRUTH.library.molar_mass_g(name) * n for name, n in after.gas_lost.items())
    assert after.mass_mg + gas_mg == pytest.approx(before.mass_mg, rel=1e-12)
    assert after.elements()["Ba"] == pytest.approx(before.elements()["Ba"], rel=1e-12)
    assert after.elements()["Ti"] == pytest.approx(before.elements()["Ti"], rel=1e-12)
    carbon = after.elements().get("C", 0.0) + after.gas_lost["CO2"]
    assert carbon == pytest.approx(before.elements().get("C", 0.0), abs=1e-9)
    assert min(min(cell) for cell in after.amounts_mmol) >= 0


def test_water_of_crystallisation_leaves_below_200_degc() -> None:
    powder = dispense(Powder.empty(), Lot("Ba(OH)2", hydrate=8), 315.5, TRUTH)
    dried = fired(powder, 200, 3)
    assert part(dried, "H2O-bound") < 1e-3
    # Some hydroxide takes up CO2 on the way, and gives off one water for each.
    assert dried.gas_lost["H2O"] + dried.gas_lost["CO2"] == pytest.approx(8.0, rel=0.01)


def test_oxide_takes_up_water_and_carbon_dioxide_from_room_air_over_days() -> None:
    oxide = dispense(Powder.empty(), Lot("BaO"), 300.0, TRUTH)
    day, month = rest(oxide, 86400.0, TRUTH), rest(oxide, 30 * 86400.0, TRUTH)
    assert part(day, "BaH2O2") > 0.1
    assert part(month, "BaCO3") > part(day, "BaCO3")
    assert month.mass_mg > day.mass_mg > oxide.mass_mg


def test_titanate_and_carbonate_keep_in_room_air() -> None:
    powder = fired(charge(), 900, 2)
    kept = rest(powder, 86400.0, TRUTH)
    assert part(kept, "BaTiO3") == pytest.approx(part(powder, "BaTiO3"), rel=1e-3)
    raw = charge()
    assert rest(raw, 86400.0, TRUTH).moles() == raw.moles()


def test_a_history_split_at_the_grid_gives_the_same_bits() -> None:
    times, temperatures = firing(1000, 4, start_s=GRID_MULTIPLE_S + 17.0)
    cut_s = GRID_MULTIPLE_S + 60 * GRID_S
    cut_degc = float(np.interp(cut_s, times, temperatures))
    early, late = times < cut_s, times > cut_s
    whole = fire(
        charge(),
        np.r_[times[early], cut_s, times[late]],
        np.r_[temperatures[early], cut_degc, temperatures[late]],
        "air",
        TRUTH,
    )
    first = fire(charge(), np.r_[times[early], cut_s], np.r_[temperatures[early], cut_degc], "air", TRUTH)
    second = fire(first, np.r_[cut_s, times[late]], np.r_[cut_degc, temperatures[late]], "air", TRUTH)
    assert second == whole


def test_a_steady_dwell_may_be_taken_in_longer_steps() -> None:
    times, temperatures = firing(1000, 6)
    # A ripple of three degrees forces the fine grid and changes little else.
    fine = np.arange(times[0], times[-1], 60.0)
    ripple = np.interp(fine, times, temperatures) + 1.5 * (-1.0) ** np.arange(len(fine))
    coarse, rippled = fire(charge(), times, temperatures, "air", TRUTH), fire(charge(), fine, ripple, "air", TRUTH)
    assert part(coarse, "BaTiO3") == pytest.approx(part(rippled, "BaTiO3"), abs=2e-3)


def test_several_crucibles_come_out_as_each_alone() -> None:
    powders = [charge(), charge("BaO2"), Powder.empty(), charge(milled_s=BRIEFLY)]
    times, temperatures = firing(900, 2)
    offsets = np.array([0.0, 5.0, 0.0, -5.0])[:, None]
    together = fire_batch(powders, times, temperatures + offsets, "air", TRUTH)
    for powder, offset, result in zip(powders, offsets, together, strict=True):
        alone = fire(powder, times, temperatures + offset, "air", TRUTH)
        assert result.mass_mg == pytest.approx(alone.mass_mg, rel=1e-6)
        assert {k: n for k, n in result.moles().items() if n > 1e-6} == pytest.approx(
            {k: n for k, n in alone.moles().items() if n > 1e-6}, rel=1e-5
        )


def test_a_hotter_place_in_the_furnace_gets_further() -> None:
    times, temperatures = firing(900, 3)
    cold, hot = fire_batch([charge(), charge()], times, np.stack([temperatures - 8, temperatures + 8]), "air", TRUTH)
    assert part(hot, "BaTiO3") > part(cold, "BaTiO3") + 0.02


def test_worlds_differ_and_the_same_world_repeats() -> None:
    outcomes = [part(fired(charge(), 900, 4, truth=Truth.draw(seed)), "BaTiO3") for seed in range(6)]
    assert np.ptp(outcomes) > 0.05
    assert fired(charge(), 900, 4, truth=Truth.draw(2)) == fired(charge(), 900, 4, truth=Truth.draw(2))


def test_an_unknown_atmosphere_is_named() -> None:
    with pytest.raises(UnknownChemistry, match="'forming gas' is not known"):
        fired(charge(), 900, 1, "forming gas")


@pytest.mark.parametrize(
    ("times", "temperatures", "complaint"),
    [
        ([0.0, 60.0, 30.0], [25.0, 25.0, 25.0], "increasing"),
        ([0.0, 60.0], [25.0, 25.0, 25.0], "temperatures for 2 times"),
        ([0.0, 60.0], [25.0, float("nan")], "finite"),
    ],
)
def test_a_history_that_is_none_is_refused(times: list[float], temperatures: list[float], complaint: str) -> None:
    with pytest.raises(ChemistryError, match=complaint):
        fire(charge(), times, temperatures, "air", TRUTH)


def test_a_powder_of_another_truth_is_refused(tmp_path: Path) -> None:
    TRUTH.save(tmp_path)
    text = (tmp_path / "library.json").read_text().replace('"TiO2-anatase"', '"TiO2-brookite"')
    text = text.replace("+anatase", "+brookite")
    (tmp_path / "library.json").write_text(text)
    with pytest.raises(ChemistryError, match="dispensed in another truth"):
        fired(charge(), 900, 1, truth=Truth.load(tmp_path))
