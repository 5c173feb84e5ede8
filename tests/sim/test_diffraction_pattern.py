"""What the diffractometer counts."""

import threading

import numpy as np
import pytest

from sim.chemistry import ChemistryError, Lot, Powder, Truth, UnknownChemistry, dispense
from sim.diffraction import Instrument, pattern, positions
from sim.diffraction.crystal import Array
from sim.diffraction.profile import draw, mixed_width

QUIET = Instrument(displacement_sd_mm=0.0, texture_sd=0.0, zero_deg=0.0)
BRIGHT = 1e7


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def scan(
    sample: Powder | dict[str, float],
    time_s: float = 480.0,
    mass_mg: float = 200.0,
    seed: int = 1,
    instrument: Instrument = QUIET,
    **angles: float,
) -> Array:
    window = {"from_deg": 10.0, "to_deg": 80.0, "step_deg": 0.02} | angles
    ends = window["from_deg"], window["to_deg"], window["step_deg"]
    return pattern(sample, *ends, time_s, mass_mg, rng(seed), instrument)


def net(counts: Array, low: float, high: float) -> float:
    """Counts between two angles above a line through both ends."""
    angles = positions(10.0, 80.0, 0.02)
    inside = counts[(angles >= low) & (angles <= high)]
    return float(inside.sum() - len(inside) * (inside[:5].mean() + inside[-5:].mean()) / 2)


def test_positions_count_both_ends() -> None:
    angles = positions(10.0, 80.0, 0.02)
    assert len(angles) == 3501
    assert angles[0] == 10.0
    assert angles[-1] == pytest.approx(80.0)


@pytest.mark.parametrize("scan_deg", [(80.0, 10.0, 0.02), (10.0, 80.0, 0.0), (0.0, 80.0, 0.02), (10.0, 170.0, 0.02)])
def test_a_scan_that_is_none_is_refused(scan_deg: tuple[float, float, float]) -> None:
    with pytest.raises(ChemistryError, match="allowed is 0 < from < to <= 160"):
        positions(*scan_deg)


def test_counts_are_whole_numbers_in_float64() -> None:
    counts = scan({"BaTiO3": 1.0})
    assert counts.dtype == np.float64
    assert (counts == np.round(counts)).all()
    assert counts.min() >= 0


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not() -> None:
    sample = {"BaTiO3": 0.9, "BaCO3": 0.1}
    assert scan(sample, seed=4).tobytes() == scan(sample, seed=4).tobytes()
    assert scan(sample, seed=4).tobytes() != scan(sample, seed=5).tobytes()


def test_the_order_of_the_phases_does_not_matter() -> None:
    turned = dict(reversed({"BaTiO3": 0.5, "BaCO3": 0.3, "TiO2-rutile": 0.2}.items()))
    usual = Instrument()
    first = scan({"BaTiO3": 0.5, "BaCO3": 0.3, "TiO2-rutile": 0.2}, instrument=usual)
    assert scan(turned, instrument=usual) == pytest.approx(first, rel=0.5, abs=30)


@pytest.mark.parametrize(
    ("name", "degrees"), [("BaTiO3", 31.50), ("BaCO3", 23.90), ("TiO2-rutile", 27.45), ("TiO2-anatase", 25.31)]
)
def test_the_highest_point_is_at_the_strongest_line(name: str, degrees: float) -> None:
    counts = scan({name: 1.0})
    assert positions(10, 80, 0.02)[counts.argmax()] == pytest.approx(degrees, abs=0.05)


def test_a_strong_line_has_some_ten_thousand_counts_in_eight_minutes_on_a_low_background() -> None:
    counts = scan({"BaTiO3": 1.0})
    assert 5_000 < counts.max() < 50_000
    assert np.median(counts) < 0.05 * counts.max()


def test_counts_grow_with_the_time_and_scatter_like_poisson() -> None:
    short, long = scan({"BaTiO3": 1.0}, time_s=480.0), scan({"BaTiO3": 1.0}, time_s=4800.0)
    assert long.sum() / short.sum() == pytest.approx(10, rel=0.01)
    expected = scan({"BaTiO3": 1.0}, time_s=480.0 * BRIGHT) / BRIGHT
    assert np.mean((short - expected) ** 2 / expected) == pytest.approx(1.0, abs=0.1)


def test_intensity_follows_the_mass_fraction_over_the_absorption_of_the_mixture() -> None:
    pure, half = (scan({"TiO2-rutile": w, "BaTiO3": 1 - w}, time_s=1e6) for w in (1.0, 0.5))
    # BaTiO3 absorbs about twice as much as rutile, so half of it leaves less than half of the lines.
    assert 0.25 < net(half, 35.5, 36.7) / net(pure, 35.5, 36.7) < 0.42


def test_one_weight_percent_of_carbonate_can_just_be_seen() -> None:
    with_it = scan({"BaTiO3": 0.97, "BaCO3": 0.03})
    without = scan({"BaTiO3": 1.0})
    excess = net(with_it, 23.5, 24.7) - net(without, 23.5, 24.7)
    assert excess > 5 * np.sqrt(2 * without[(positions(10, 80, 0.02) > 23.5) & (positions(10, 80, 0.02) < 24.7)].sum())


def test_the_doublet_is_two_to_one_at_high_angle() -> None:
    counts = scan({"BaO": 1.0}, time_s=1e8, from_deg=70.0, to_deg=85.0)
    angles = positions(70.0, 85.0, 0.02)
    first, second = (np.degrees(2 * np.arcsin(w / 2 * (1 / 5.5391) * 20**0.5)) for w in (1.540598, 1.544426))
    heights = [counts[np.abs(angles - at) < 0.03].max() - counts.min() for at in (first, second)]
    assert second - first > 0.2
    assert heights[1] / heights[0] == pytest.approx(0.55, abs=0.1)


def test_little_powder_gives_weaker_lines_at_high_angle_first() -> None:
    thick, thin = scan({"BaTiO3": 1.0}, mass_mg=200.0, time_s=1e6), scan({"BaTiO3": 1.0}, mass_mg=4.0, time_s=1e6)
    low, high = (net(thin, *w) / net(thick, *w) for w in ((21.0, 23.0), (65.0, 67.0)))
    assert high < low < 1


def test_an_empty_holder_gives_background_only() -> None:
    for counts in (scan({}, mass_mg=0.0), scan({"BaTiO3": 1.0}, mass_mg=0.0), scan(Powder.empty(), mass_mg=0.0)):
        assert counts.max() < 800
        assert counts[:100].mean() > counts[-100:].mean()


def test_zero_and_displacement_shift_the_lines() -> None:
    shifted = scan({"BaO": 1.0}, time_s=1e7, instrument=Instrument(zero_deg=0.1, displacement_sd_mm=0.0))
    angles = positions(10, 80, 0.02)
    assert angles[shifted.argmax()] == pytest.approx(27.88 + 0.1, abs=0.03)
    tops = {
        angles[scan({"BaO": 1.0}, seed=s, instrument=Instrument(displacement_sd_mm=0.1)).argmax()] for s in range(8)
    }
    assert max(tops) - min(tops) > 0.05


def test_a_powder_is_measured_by_what_is_in_it() -> None:
    truth = Truth.nominal()
    powder = dispense(Powder.empty(), Lot("BaCO3"), 50.0, truth)
    powder = dispense(powder, Lot("TiO2"), 50.0, truth)
    same = scan({"BaCO3": 0.5, "TiO2-rutile": 0.5}, seed=3)
    assert scan(powder, seed=3) == pytest.approx(same, rel=0.3, abs=20)


def test_what_has_no_lines_raises_a_hump() -> None:
    dark, light = scan({"BaH2O2": 1.0}), scan({})
    middle = slice(700, 1000)
    assert dark[middle].mean() > 2 * light[middle].mean()


def test_an_unknown_phase_is_named() -> None:
    with pytest.raises(UnknownChemistry, match="phase 'SrTiO3' is not in this truth"):
        scan({"SrTiO3": 1.0})


def test_a_scan_without_time_is_refused() -> None:
    with pytest.raises(ChemistryError, match="time must be above 0"):
        scan({"BaTiO3": 1.0}, time_s=0.0)


def test_patterns_can_be_drawn_in_any_thread() -> None:
    results = []

    def measure(name: str) -> None:
        results.append(scan({name: 1.0}, to_deg=99.0))

    for name in ("BaO2", "BaO", "BaCO3"):
        thread = threading.Thread(target=measure, args=(name,))
        thread.start()
        thread.join()
    assert len(results) == 3


def test_a_peak_keeps_its_area_whatever_its_width() -> None:
    for gauss, lorentz in ((0.08, 0.001), (0.05, 0.05), (0.2, 0.02)):
        fwhm, eta = mixed_width(np.array([gauss]), np.array([lorentz]))
        curve = draw(10.0, 0.01, 4000, np.array([30.003]), np.array([5.0]), fwhm, eta)
        assert curve.sum() * 0.01 == pytest.approx(5.0, rel=0.05)


def test_a_pure_gaussian_stays_one() -> None:
    fwhm, eta = mixed_width(np.array([0.1]), np.array([0.0]))
    assert fwhm == pytest.approx([0.1])
    assert eta == pytest.approx([0.0])


def test_peaks_beyond_the_ends_reach_in_only_with_their_tails() -> None:
    fwhm, eta = np.array([0.1]), np.array([0.5])
    curve = draw(10.0, 0.02, 500, np.array([9.9]), np.array([1.0]), fwhm, eta)
    assert curve.argmax() == 0
    assert curve[200:].max() == 0
    assert draw(10.0, 0.02, 500, np.array([25.0]), np.array([1.0]), fwhm, eta).max() == 0
