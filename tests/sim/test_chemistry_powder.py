"""Dosing, mixing and splitting: no chemistry, and nothing lost."""

import pytest

from sim.chemistry import ChemistryError, Lot, Powder, Truth, UnknownChemistry, dispense, grind, merge, mill, transfer

TRUTH = Truth.nominal()


def charge(grain: str = "standard") -> Powder:
    powder = dispense(Powder.empty(), Lot("BaCO3", grain=grain), 592.0, TRUTH)
    return dispense(powder, Lot("TiO2", grain=grain), 239.6, TRUTH)


def test_an_empty_place_weighs_nothing_and_holds_nothing() -> None:
    empty = Powder.empty()
    assert empty.mass_mg == 0
    assert empty.moles() == empty.mass_fractions() == empty.elements() == {}


def test_what_is_poured_is_what_is_weighed() -> None:
    powder = charge()
    assert powder.mass_mg == pytest.approx(831.6, abs=1e-9)
    assert powder.moles()["BaCO3"] == pytest.approx(592.0 / 197.335)


def test_what_is_missing_to_the_assay_is_inert_matter() -> None:
    powder = dispense(Powder.empty(), Lot("BaCO3", assay=0.98), 100.0, TRUTH)
    assert powder.mass_mg == pytest.approx(100.0)
    assert powder.inert_mg == pytest.approx(2.0)
    assert powder.moles()["BaCO3"] == pytest.approx(98.0 / 197.335)


def test_a_hydrate_brings_its_water() -> None:
    powder = dispense(Powder.empty(), Lot("Ba(OH)2", hydrate=8), 315.46, TRUTH)
    assert powder.mass_mg == pytest.approx(315.46)
    assert powder.moles() == pytest.approx({"BaH2O2": 1.0, "H2O-bound": 8.0}, rel=1e-4)


def test_an_unknown_lot_is_named_and_nothing_is_silently_inert() -> None:
    with pytest.raises(UnknownChemistry, match="element Li"):
        dispense(Powder.empty(), Lot("Li2CO3"), 10.0, TRUTH)
    with pytest.raises(UnknownChemistry, match="cannot be read"):
        dispense(Powder.empty(), Lot("barium carbonate"), 10.0, TRUTH)


@pytest.mark.parametrize(
    ("lot", "mass_mg"), [(Lot("BaO"), -1.0), (Lot("BaO", assay=0.0), 1.0), (Lot("BaO", hydrate=-1), 1.0)]
)
def test_impossible_amounts_are_refused(lot: Lot, mass_mg: float) -> None:
    with pytest.raises(ChemistryError, match="lot BaO"):
        dispense(Powder.empty(), lot, mass_mg, TRUTH)


def test_the_same_lot_twice_is_one_powder_still_mixed() -> None:
    powder = dispense(Powder.empty(), Lot("BaCO3"), 60.0, TRUTH)
    assert dispense(powder, Lot("BaCO3"), 40.0, TRUTH).mixing == 1.0


def test_milling_mixes_and_breaks_grains_towards_a_limit() -> None:
    before = charge("coarse")
    once, long = mill(before, 600, 300), mill(before, 7200, 300)
    rutile = before.phases.index("TiO2-rutile")
    assert before.mixing < once.mixing < long.mixing <= 1
    assert before.radius_um[rutile] > once.radius_um[rutile] > long.radius_um[rutile]
    assert long.radius_um[rutile] == pytest.approx(0.25, abs=0.001)
    assert mill(before, 7200, 300, "ethanol").radius_um[rutile] < 0.2


def test_milling_does_not_coarsen_what_is_finer_than_its_limit() -> None:
    fine = charge("nano")
    assert mill(fine, 3600, 300).radius_um == fine.radius_um


def test_a_mortar_does_the_same_more_slowly() -> None:
    ground, milled = grind(charge(), 600), mill(charge(), 600, 300)
    assert charge().mixing < ground.mixing < milled.mixing


def test_unmixed_powder_has_lean_and_rich_neighbourhoods_and_milled_powder_has_not() -> None:
    def ratios(powder: Powder) -> list[float]:
        barium, rutile = powder.phases.index("BaCO3"), powder.phases.index("TiO2-rutile")
        return [cell[barium] / cell[rutile] for cell in powder.amounts_mmol]

    raw, milled = ratios(charge()), ratios(mill(charge(), 3600, 300))
    assert max(raw) / min(raw) > 4
    assert max(milled) / min(milled) == pytest.approx(1.0, abs=1e-3)


def test_milling_keeps_every_amount() -> None:
    before = charge()
    after = mill(before, 600, 300)
    assert after.moles() == pytest.approx(before.moles(), rel=1e-12)
    assert after.mass_mg == pytest.approx(before.mass_mg, rel=1e-12)


def test_a_transfer_splits_everything_and_balances() -> None:
    moved, left = transfer(mill(charge(), 600, 300), 0.3)
    assert moved.mass_mg == pytest.approx(0.3 * 831.6)
    assert moved.mass_mg + left.mass_mg == pytest.approx(831.6)
    assert moved.mass_fractions() == pytest.approx(left.mass_fractions())
    with pytest.raises(ChemistryError, match=r"fraction 1.2"):
        transfer(left, 1.2)


def test_pouring_the_two_parts_together_gives_the_whole() -> None:
    whole = mill(charge(), 600, 300)
    again = merge(*transfer(whole, 0.4))
    assert again.moles() == pytest.approx(whole.moles())
    assert again.mixing == whole.mixing
    assert again.radius_um == pytest.approx(whole.radius_um)


def test_pouring_onto_nothing_changes_nothing() -> None:
    powder = charge()
    assert merge(Powder.empty(), powder) == powder
    assert merge(powder, Powder.empty()) == powder


def test_elements_are_counted_over_all_phases() -> None:
    assert charge().elements() == pytest.approx({"Ba": 3.0, "C": 3.0, "O": 15.0, "Ti": 3.0}, rel=1e-3)
