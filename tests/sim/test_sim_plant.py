"""What hands can do in the simulated room, and what becomes of powder there."""

from collections.abc import Callable

import pytest

from drivers.clock import JumpClock
from sim.chemistry import Truth, dispense
from sim.instruments.eurotherm_3216p import Eurotherm3216P
from sim.plant import DoorState, Impossible, Plant, substance
from sim.plant.draws import draw
from sim.spec import Lot

Wait = Callable[[float], None]


def fill(plant: Plant, position: str, **masses_mg: float) -> None:
    labware = plant.labware_at(position)
    assert labware is not None
    for formula, mass_mg in masses_mg.items():
        labware.powder = dispense(labware.powder, substance(Lot(formula, formula)), mass_mg, plant.truth)


def mass_mg(plant: Plant, position: str) -> float:
    labware = plant.labware_at(position)
    assert labware is not None
    return labware.powder.mass_mg


def barcode(plant: Plant, position: str) -> str | None:
    labware = plant.labware_at(position)
    return labware.barcode if labware else None


def test_racks_are_full_of_clean_labware(plant: Plant) -> None:
    assert barcode(plant, "vials/1") == "V001"
    assert barcode(plant, "crucibles/200") == "C200"
    assert mass_mg(plant, "holders/7") == 0.0


def test_labware_is_in_one_place_only(plant: Plant) -> None:
    plant.move("vials/3", "mill-1/1")
    assert (barcode(plant, "vials/3"), barcode(plant, "mill-1/1")) == (None, "V003")


@pytest.mark.parametrize(
    ("source", "destination", "reason"),
    [
        ("mill-1/1", "vials/1", "mill-1/1 is empty"),
        ("vials/1", "vials/2", "vials/2 is occupied"),
        ("vials/1", "furnace-1/1", "furnace-1 door closed"),
        ("vials/1", "cupboard/1", "unknown position cupboard/1"),
        ("vials/201", "mill-1/1", "unknown position vials/201"),
        ("vials", "mill-1/1", "vials is no position"),
    ],
)
def test_impossible_moves_say_why_and_move_nothing(plant: Plant, source: str, destination: str, reason: str) -> None:
    with pytest.raises(Impossible, match=reason):
        plant.move(source, destination)
    assert barcode(plant, "vials/1") == "V001"
    assert plant.log == []


def test_the_bin_is_never_full(plant: Plant) -> None:
    plant.move("vials/1", "waste/1")
    plant.move("vials/2", "waste/1")
    assert barcode(plant, "waste/1") is None


def test_pouring_keeps_the_mass_but_for_a_small_loss(plant: Plant) -> None:
    fill(plant, "vials/1", BaCO3=600.0, TiO2=240.0)
    arrived = plant.pour("vials/1", "crucibles/1", None)
    assert arrived == mass_mg(plant, "crucibles/1")
    assert 830.0 < arrived < 840.0
    assert mass_mg(plant, "vials/1") == pytest.approx(0.0)


def test_pouring_by_eye_is_about_right(plant: Plant) -> None:
    fill(plant, "vials/1", TiO2=500.0)
    arrived = plant.pour("vials/1", "holders/1", 200.0)
    assert arrived == pytest.approx(200.0, rel=0.12)
    assert mass_mg(plant, "vials/1") == pytest.approx(500.0 - arrived, abs=2.0)


def test_more_than_there_is_is_all_there_is(plant: Plant) -> None:
    fill(plant, "vials/1", TiO2=50.0)
    assert plant.pour("vials/1", "holders/1", 2000.0) == pytest.approx(50.0, abs=1.0)


def test_nothing_cannot_be_poured(plant: Plant) -> None:
    with pytest.raises(Impossible, match="vials/1 holds no powder"):
        plant.pour("vials/1", "holders/1", None)
    with pytest.raises(Impossible, match="into itself"):
        plant.pour("vials/1", "vials/1", None)


def test_mixing_happens_at_the_mill_only(plant: Plant) -> None:
    fill(plant, "vials/1", BaCO3=600.0, TiO2=240.0)
    with pytest.raises(Impossible, match="vials/1 is no mill station"):
        plant.mix("vials/1", 600.0, 300.0, "ball-mill")
    plant.move("vials/1", "mill-1/1")
    vial = plant.labware_at("mill-1/1")
    assert vial is not None
    before = vial.powder.mixing
    plant.mix("mill-1/1", 600.0, 300.0, "shake")
    shaken = vial.powder.mixing
    plant.mix("mill-1/1", 600.0, 300.0, "mortar")
    plant.mix("mill-1/1", 600.0, 300.0, "ball-mill")
    assert before < shaken < vial.powder.mixing


def test_cleaning_empties_and_counts(plant: Plant) -> None:
    fill(plant, "crucibles/1", TiO2=50.0)
    plant.clean("crucibles/1")
    crucible = plant.labware_at("crucibles/1")
    assert crucible is not None
    assert (crucible.powder.mass_mg, crucible.uses) == (0.0, 1)


# -- the furnace as a place


@pytest.fixture
def controller(plant: Plant) -> Eurotherm3216P:
    return Eurotherm3216P("furnace-1", plant, plant.furnaces["furnace-1"], 1, 0xF3)


def load(plant: Plant, *slots: int) -> None:
    plant.set_door("furnace-1", DoorState.OPEN)
    for slot in slots:
        fill(plant, f"crucibles/{slot}", BaCO3=592.0, TiO2=240.0)
        plant.move(f"crucibles/{slot}", f"furnace-1/{slot}")
    plant.set_door("furnace-1", DoorState.CLOSED)


def fire(controller: Eurotherm3216P, wait: Wait, degc: int, hours: float) -> None:
    controller.write_holding(2, [degc], single=True)
    wait(hours * 3600.0)
    controller.write_holding(2, [0], single=True)


def test_a_crucible_in_a_furnace_feels_its_history(plant: Plant, controller: Eurotherm3216P, wait: Wait) -> None:
    load(plant, 1, 2)
    fire(controller, wait, 1000, 8.0)
    wait(10 * 3600.0)
    plant.set_door("furnace-1", DoorState.OPEN)
    plant.move("furnace-1/1", "crucibles/1")
    fired = plant.labware_at("crucibles/1")
    assert fired is not None
    fractions = fired.powder.mass_fractions()
    assert fractions["BaTiO3"] > 0.3
    # CO2 has gone: 44 of 197 g of the carbonate, as far as it reacted
    assert 690.0 < fired.powder.mass_mg < 740.0


def test_a_cold_furnace_changes_nothing(plant: Plant, controller: Eurotherm3216P, wait: Wait) -> None:
    load(plant, 1)
    wait(24 * 3600.0)
    plant.set_door("furnace-1", DoorState.OPEN)
    plant.move("furnace-1/1", "crucibles/1")
    crucible = plant.labware_at("crucibles/1")
    assert crucible is not None
    assert set(crucible.powder.mass_fractions()) <= {"BaCO3", "TiO2-rutile", "TiO2"}
    assert crucible.powder.mass_mg == pytest.approx(832.0, abs=1.0)


def test_slots_differ_by_a_few_degrees_and_agree_on_the_whole(
    plant: Plant, controller: Eurotherm3216P, wait: Wait
) -> None:
    load(plant, 1, 2)
    fire(controller, wait, 950, 4.0)
    wait(10 * 3600.0)
    found = []
    plant.set_door("furnace-1", DoorState.OPEN)
    for slot in (1, 2):
        plant.move(f"furnace-1/{slot}", f"crucibles/{slot}")
        crucible = plant.labware_at(f"crucibles/{slot}")
        assert crucible is not None
        found.append(crucible.powder.mass_fractions().get("BaTiO3", 0.0))
    assert found[0] != found[1]
    assert found[0] == pytest.approx(found[1], abs=0.15)


def test_what_was_taken_out_early_misses_the_rest(plant: Plant, controller: Eurotherm3216P, wait: Wait) -> None:
    load(plant, 1, 2)
    fire(controller, wait, 1000, 2.0)
    plant.set_door("furnace-1", DoorState.OPEN)
    plant.move("furnace-1/1", "crucibles/1")
    plant.set_door("furnace-1", DoorState.CLOSED)
    fire(controller, wait, 1000, 6.0)
    plant.set_door("furnace-1", DoorState.OPEN)
    plant.move("furnace-1/2", "crucibles/2")
    early, late = plant.labware_at("crucibles/1"), plant.labware_at("crucibles/2")
    assert early is not None
    assert late is not None
    assert early.powder.mass_mg > late.powder.mass_mg + 5.0


def test_history_does_not_depend_on_who_looked(clock: JumpClock, truth: Truth) -> None:
    from sim.plant import BoxFurnace

    outcomes = []
    for looks in (1, 40):
        clock = JumpClock()
        plant = Plant(clock, truth, seed=3)
        plant.add_furnace(BoxFurnace("furnace-1", clock.now(), 3), 4, "air")
        controller = Eurotherm3216P("furnace-1", plant, plant.furnaces["furnace-1"], 1, 0xF3)
        load(plant, 1)
        controller.write_holding(2, [900], single=True)
        for _ in range(looks):
            clock.sleep_until(clock.now() + 4 * 3600.0 / looks)
            controller.read_holding(1, 5)
            # A checker that looks at the powder fires it up to then.
            plant.labware_at("furnace-1/1")
        plant.set_door("furnace-1", DoorState.OPEN)
        plant.move("furnace-1/1", "crucibles/1")
        outcomes.append(plant.labware_at("crucibles/1"))
    assert outcomes[0] is not None
    assert outcomes[1] is not None
    assert outcomes[0].powder == outcomes[1].powder


def test_draws_depend_on_their_key_only() -> None:
    first = draw(7, "doser-1", "dose", 1).normal()
    assert draw(7, "doser-1", "dose", 1).normal() == first
    others = [draw(8, "doser-1", "dose", 1), draw(7, "doser-2", "dose", 1), draw(7, "doser-1", "balance", 1)]
    assert first not in [other.normal() for other in (*others, draw(7, "doser-1", "dose", 2))]


def test_looking_and_checking_do_not_fire_anything(plant: Plant, controller: Eurotherm3216P, wait: Wait) -> None:
    load(plant, 1)
    fire(controller, wait, 1000, 4.0)
    plant.set_door("furnace-1", DoorState.OPEN)
    crucible = plant.standing_at("furnace-1/1")
    assert crucible is not None
    before = crucible.powder
    plant.check_move("furnace-1/1", "crucibles/1")
    plant.check_pour("furnace-1/1", "holders/1")
    assert crucible.powder is before
    plant.move("furnace-1/1", "crucibles/1")
    assert crucible.powder.mass_mg < before.mass_mg - 10.0
