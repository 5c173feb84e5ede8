"""Balanced precursor sets, their masses and the numbers that describe them."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from planner import PlannerError, PrecursorLot, Problem, enumerate_routes
from planner.errors import RouteError
from planner.routes import amounts, permitted_lots, route_features, route_masses_mg

M_BACO3, M_TIO2, M_BATIO3 = 197.335, 79.865, 233.191  # g/mol, IUPAC abridged atomic weights


def with_lots(problem: Problem, target: str, **lots: PrecursorLot) -> Problem:
    return replace(problem, target=target, lots=lots, precursors=())


def test_both_barium_sources_make_a_route_and_lithium_none(problem: Problem) -> None:
    routes = enumerate_routes(problem)
    assert [str(r) for r in routes] == ["BaCO3+TiO2", "BaO2+TiO2"]
    assert [r.lots for r in routes] == [("BaCO3-lot7", "TiO2-lot3"), ("BaO2-lot1", "TiO2-lot3")]


def test_gases_close_the_balance(problem: Problem) -> None:
    carbonate, peroxide = enumerate_routes(problem)
    assert carbonate.byproducts == {"CO2": 1.0}
    assert peroxide.byproducts == {"O2": 0.5}
    assert carbonate.gas_mass_g == pytest.approx(M_BACO3 + M_TIO2 - M_BATIO3, abs=0.01)


def test_masses_of_the_recipe_example(problem: Problem) -> None:
    route = enumerate_routes(problem)[0]
    masses = route_masses_mg(route, replace(problem, mass_mg=3 * M_BATIO3))
    assert masses["BaCO3-lot7"] == pytest.approx(3 * M_BACO3, abs=0.02)
    assert masses["TiO2-lot3"] == pytest.approx(3 * M_TIO2, abs=0.02)


def test_cation_ratio_from_the_masses_is_exact(problem: Problem) -> None:
    spinel = with_lots(problem, "LiMn2O4", a=PrecursorLot("Li2CO3"), b=PrecursorLot("Mn2O3"))
    (route,) = enumerate_routes(spinel)
    masses = route_masses_mg(route, spinel)
    lithium = 2 * masses["a"] / 73.89
    manganese = 2 * masses["b"] / 157.873
    assert manganese / lithium == pytest.approx(2.0, abs=1e-3)
    assert route.coefficients == (0.5, 1.0)


def test_impure_wet_and_hydrated_powder_is_weighed_in_larger_amounts(problem: Problem) -> None:
    dry = with_lots(problem, "BaTiO3", ba=PrecursorLot("Ba(OH)2"), ti=PrecursorLot("TiO2"))
    wet = with_lots(
        problem,
        "BaTiO3",
        ba=PrecursorLot("Ba(OH)2", assay=0.98, hydrate=8),
        ti=PrecursorLot("TiO2", loss_on_ignition=0.02),
    )
    pure, real = (route_masses_mg(enumerate_routes(p)[0], p) for p in (dry, wet))
    assert real["ba"] / pure["ba"] == pytest.approx((171.342 + 8 * 18.015) / 171.342 / 0.98, rel=1e-4)
    assert real["ti"] / pure["ti"] == pytest.approx(1 / 0.98, rel=1e-5)


def test_excess_raises_only_the_lot_that_brings_the_element(problem: Problem) -> None:
    plain = with_lots(problem, "LiMn2O4", a=PrecursorLot("Li2CO3"), b=PrecursorLot("MnO2"))
    (route,) = enumerate_routes(plain)
    more = route_masses_mg(route, replace(plain, excess={"Li": 0.05}))
    base = route_masses_mg(route, plain)
    assert more["a"] / base["a"] == pytest.approx(1.05, rel=1e-4)
    assert more["b"] == base["b"]


def test_excess_that_cannot_be_weighed_says_so(problem: Problem) -> None:
    single = with_lots(problem, "LiMn2O4", a=PrecursorLot("LiMn2(CO3)4"))
    with pytest.raises(RouteError, match="excess of Li alone cannot be weighed"):
        route_masses_mg(enumerate_routes(single)[0], replace(single, excess={"Li": 0.05}))
    with pytest.raises(RouteError, match="excess is asked for Pb"):
        route_masses_mg(enumerate_routes(single)[0], replace(single, excess={"Pb": 0.05}))


def test_smallest_sets_come_first_and_none_holds_a_needless_lot(problem: Problem) -> None:
    lots = {n: PrecursorLot(n) for n in ("BaCO3", "TiO2", "BaTi2O5", "Ba2TiO4", "BaTiO3")}
    routes = enumerate_routes(with_lots(problem, "BaTiO3", **lots))
    assert str(routes[0]) == "BaTiO3"
    assert "Ba2TiO4+BaTi2O5" in {str(r) for r in routes}
    assert all(len(r.lots) <= 2 and min(r.coefficients) > 0 for r in routes)
    assert [len(r.lots) for r in routes] == sorted(len(r.lots) for r in routes)


def test_the_limit_keeps_the_first_routes(problem: Problem) -> None:
    assert enumerate_routes(problem, limit=1) == enumerate_routes(problem)[:1]


def test_oxygen_is_taken_up_only_from_an_atmosphere_that_holds_it(problem: Problem) -> None:
    air = with_lots(problem, "LiMn2O4", a=PrecursorLot("Li2CO3"), b=PrecursorLot("MnO"))
    (route,) = enumerate_routes(air)
    assert route.oxygen_taken_up == pytest.approx(0.75)
    with pytest.raises(RouteError, match="balances it in argon"):
        enumerate_routes(replace(air, atmosphere="argon"))


def test_nitrates_leave_as_nitrogen_dioxide(problem: Problem) -> None:
    nitrate = with_lots(problem, "BaTiO3", a=PrecursorLot("Ba(NO3)2"), b=PrecursorLot("TiO2"))
    assert enumerate_routes(nitrate)[0].byproducts == {"NO2": 2.0, "O2": 0.5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": "SrTiO3"}, "no permitted lot brings Sr"),
        ({"target": "Ba2Qx"}, "cannot be read as a composition"),
        ({"target": "CO2"}, "only gas-forming elements"),
        ({"precursors": ("BaCO3", "Foo")}, "'Foo' is neither a lot nor a lot's formula"),
        ({"target": "BaTiO3", "precursors": ("BaCO3",)}, "brings Ti"),
    ],
)
def test_what_cannot_be_balanced_names_the_reason(problem: Problem, change: dict[str, object], message: str) -> None:
    with pytest.raises(PlannerError, match=message):
        enumerate_routes(replace(problem, **change))  # type: ignore[arg-type]


def test_a_formula_stands_for_every_lot_that_has_it(problem: Problem) -> None:
    lots = {"old": PrecursorLot("TiO2"), "new": PrecursorLot("TiO2"), "ba": PrecursorLot("BaO2")}
    doubled = replace(problem, lots=lots, precursors=("TiO2", "ba"))
    assert permitted_lots(doubled) == ("old", "new", "ba")
    assert len(enumerate_routes(doubled)) == 2


def test_features_tell_all_routes_apart_even_two_lots_of_one_powder(problem: Problem) -> None:
    lots = {"old": PrecursorLot("TiO2"), "new": PrecursorLot("TiO2"), "ba": PrecursorLot("BaO2")}
    names, rows = route_features(enumerate_routes(replace(problem, lots=lots, precursors=())))
    assert names == ("has_new",)
    assert rows == ((1.0,), (0.0,))


def test_features_lie_between_0_and_1_and_never_repeat(problem: Problem) -> None:
    names, rows = route_features(enumerate_routes(problem))
    assert names == ("gas_mol",)  # the gas mass tells the same two routes apart and is left out
    assert rows == ((1.0,), (0.0,))


def test_amounts_are_exact_fractions() -> None:
    assert amounts("Ba(NO3)2") == {"Ba": 1, "N": 2, "O": 6}


def test_routes_and_problems_travel_to_another_process(problem: Problem) -> None:
    routes = enumerate_routes(problem)
    assert pickle.loads(pickle.dumps((problem, routes))) == (problem, routes)
