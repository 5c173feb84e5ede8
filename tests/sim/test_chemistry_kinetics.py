"""The growth law of one product layer against its textbook form."""

import numpy as np
import pytest

from sim.chemistry import Truth
from sim.chemistry.kinetics import Geometry, layer_extent, surface_extent, tabulate, wire

TRUTH = Truth.nominal()
WIRINGS = {w.reaction.id: w for w in wire(TRUTH)}
AIR = dict(TRUTH.library.pressures_bar("air"))


def grown(steps: int, interface_m: float, diffusion_m2: float, radius_m: float = 1e-6) -> float:
    """Converted share of a core after equal steps, the other reactant in great excess."""
    wiring = WIRINGS["BaO+rutile"]
    amounts = [np.zeros((1, 1)) for _ in TRUTH.phases]
    amounts[wiring.core] += 1.0
    amounts[wiring.other] += 1e9
    grains = Geometry(
        np.ones((1, 1)), np.full((1, 1), 0.15), np.zeros((1, 1)), np.full((1, 1), radius_m), np.ones((1, 1))
    )
    for _ in range(steps):
        extent = layer_extent(wiring, grains, amounts, np.array(interface_m), np.array(diffusion_m2), np.array(1.0))
        amounts[wiring.core] = amounts[wiring.core] - extent
    return 1.0 - float(amounts[wiring.core][0, 0])


def test_diffusion_alone_follows_ginstling_and_brounshtein() -> None:
    share = grown(steps=1000, interface_m=1e-3, diffusion_m2=6e-17)
    law = 1 - 2 * share / 3 - (1 - share) ** (2 / 3)
    assert 0.5 < share < 0.9
    assert law == pytest.approx(2 * 1000 * 6e-17 / 1e-12, rel=0.01)


def test_the_contact_alone_eats_a_core_at_constant_speed() -> None:
    share = grown(steps=40, interface_m=1e-8, diffusion_m2=1.0)
    assert 1 - (1 - share) ** (1 / 3) == pytest.approx(40 * 1e-8 / 1e-6, rel=1e-6)


def test_one_long_step_overshoots_nothing() -> None:
    assert grown(steps=1, interface_m=1.0, diffusion_m2=1.0) == pytest.approx(1.0)
    long, short = grown(1, 1e-3, 6e-14), grown(1000, 1e-3, 6e-17)
    assert long == pytest.approx(short, rel=0.1)


def test_half_the_radius_takes_a_quarter_of_the_time() -> None:
    assert grown(100, 1e-3, 1e-16, 1e-6) == pytest.approx(grown(25, 1e-3, 1e-16, 0.5e-6), rel=0.01)


def test_surface_reactions_never_convert_more_than_is_there() -> None:
    amount = np.array([2.0, 2.0, 0.0])
    assert surface_extent(amount, np.array([0.5, 1e6, 1.0])) == pytest.approx([2 * (1 - np.exp(-0.5)), 2.0, 0.0])


def test_a_rate_dies_with_its_driving_force() -> None:
    wiring = WIRINGS["BaCO3 decomposes"]
    kelvin = np.array([[1100.0], [1163.0], [1300.0]])
    table = tabulate(TRUTH, wiring, kelvin, np.full((3, 1), 60.0), AIR)
    drive = np.maximum(1 - table.uphill[:, 0], 0)
    assert drive[0] == 0.0
    assert drive[1] < 0.1 < 0.8 < drive[2]


def test_a_melt_multiplies_the_contacts() -> None:
    wiring = WIRINGS["BaH2O2+rutile"]
    below, above = tabulate(TRUTH, wiring, np.array([[680.0], [682.0]]), np.full((2, 1), 60.0), AIR).interface_m[:, 0]
    assert above / below > 20
