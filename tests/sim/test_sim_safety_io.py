"""The simulated safety module: contacts, contactor, watchdog."""

import time
from collections.abc import Callable

import pytest

from sim.errors import BadOptionError
from sim.instruments.eurotherm_3216p import Eurotherm3216P
from sim.instruments.safety_io import EMERGENCY_STOP, LIMITER, MAINS, WATER, SafetyIo
from sim.plant import BoxFurnace, DoorState, Plant
from sim.wire.modbus_pdu import IllegalAddress, IllegalValue

Wait = Callable[[float], None]
ALL_SAFE = [True] * 8


@pytest.fixture
def module(plant: Plant) -> SafetyIo:
    module = SafetyIo("safety-1", plant)
    module.watch(plant.furnaces["furnace-1"])
    return module


@pytest.fixture
def controller(plant: Plant, module: SafetyIo) -> Eurotherm3216P:
    controller = Eurotherm3216P("furnace-1", plant, plant.furnaces["furnace-1"], 1, 0xF3)
    controller.write_holding(2, [500], single=True)
    return controller


def write(module: SafetyIo, register: int, value: int) -> None:
    module.write_holding(register, [value], single=True)


def test_at_rest_everything_is_safe_and_the_contactor_open(module: SafetyIo) -> None:
    safe = module.read_inputs(0, 8)
    assert safe == [True, True, True, True, True, False, True, True]
    assert module.read_coils(0, 4) == [False] * 4


def test_the_feedback_follows_the_permit_and_the_emergency_stop(module: SafetyIo) -> None:
    module.write_coils(0, [True])
    assert module.read_inputs(0, 8) == ALL_SAFE
    module.set_field(EMERGENCY_STOP, False)
    assert module.read_inputs(2, 4) == [False, True, True, False]


def test_inputs_show_door_and_building(module: SafetyIo, plant: Plant) -> None:
    plant.set_door("furnace-1", DoorState.MOVING)
    module.set_field(WATER, False)
    assert module.read_inputs(0, 2) == [False, False]


def test_a_limiter_that_drops_out_shows(module: SafetyIo) -> None:
    module.set_field(LIMITER, False)
    assert module.read_inputs(6, 1) == [False]


def test_the_furnace_heats_only_while_the_contactor_is_closed(
    module: SafetyIo, controller: Eurotherm3216P, wait: Wait
) -> None:
    wait(1800.0)
    assert controller.read_holding(1, 1) == [22]
    module.write_coils(0, [True])
    wait(1800.0)
    assert controller.read_holding(1, 1)[0] > 300
    module.write_coils(0, [False])
    before = controller.read_holding(1, 1)[0]
    wait(1800.0)
    assert controller.read_holding(1, 1)[0] < before


def test_analogue_inputs_hold_the_sensor_and_the_air_and_say_what_is_not_wired(module: SafetyIo) -> None:
    values = module.read_input_registers(0, 24)
    assert values[0] == pytest.approx(220, abs=10)
    assert values[1:3] == [209, 0]
    assert values[16:] == [0, 0, 0, 1, 1, 1, 1, 1]


def test_sensors_of_further_furnaces_come_after_the_air_and_six_are_all(module: SafetyIo, plant: Plant) -> None:
    further = [BoxFurnace(f"furnace-{n}", plant.now(), n) for n in range(2, 8)]
    for furnace in further[:5]:
        module.watch(furnace)
    assert module.read_input_registers(16, 8) == [0] * 8
    assert module.read_input_registers(3, 5) == pytest.approx([220] * 5, abs=10)
    with pytest.raises(BadOptionError, match="furnace-7: safety-1 watches 6 furnaces already"):
        module.watch(further[5])


def test_an_analogue_input_can_be_forced_broken_and_freed(module: SafetyIo) -> None:
    module.force_analogue(1, 1200.0)
    module.force_analogue(2, -1.5)
    module.force_analogue(3, None)
    assert module.read_input_registers(0, 3) == [12000, -15, 0]
    assert module.read_input_registers(16, 3) == [0, 0, 1]
    for number in (1, 2, 3):
        module.free_analogue(number)
    assert module.read_input_registers(1, 2) == [209, 0]


def test_a_frozen_module_shows_what_it_showed_and_obeys(module: SafetyIo) -> None:
    module.freeze()
    module.set_field(WATER, False)
    module.force_analogue(1, 1200.0)
    module.write_coils(0, [True])
    assert module.read_inputs(0, 6) == [True, True, True, True, True, False]
    assert module.read_input_registers(0, 1) == pytest.approx([220], abs=10)
    assert module.read_coils(0, 1) == [True]
    module.freeze(False)
    assert module.read_inputs(0, 6) == [True, False, True, True, True, True]
    assert module.read_input_registers(0, 1) == [12000]


def test_a_welded_contactor_stays_closed_until_it_is_freed(module: SafetyIo, plant: Plant) -> None:
    module.weld()
    assert not module.closed
    module.write_coils(0, [True])
    module.write_coils(0, [False])
    assert module.closed
    assert module.read_inputs(5, 1) == [True]
    module.set_field(EMERGENCY_STOP, False)
    assert module.read_inputs(5, 1) == [True]
    module.set_field(MAINS, False)
    assert not module.closed
    module.weld(False)
    assert module.read_inputs(5, 1) == [False]
    assert [(e.closed, e.why) for e in plant.edges if e.output == "contactor"] == [(True, "command"), (False, "freed")]


def test_each_edge_of_each_output_is_recorded_with_its_cause(module: SafetyIo, plant: Plant, wait: Wait) -> None:
    began_s = time.monotonic()
    module.write_coils(0, [True, True])
    module.write_coils(0, [True, True])
    module.set_field(EMERGENCY_STOP, False)
    module.set_field(EMERGENCY_STOP, True)
    module.write_coils(0, [False])
    assert [(e.output, e.closed, e.why) for e in plant.edges] == [
        ("contactor permit", True, "command"),
        ("contactor", True, "command"),
        ("beacon", True, "command"),
        ("contactor", False, "emergency stop"),
        ("contactor", True, "emergency stop"),
        ("contactor permit", False, "command"),
        ("contactor", False, "command"),
    ]
    assert {(edge.module, edge.lab_s) for edge in plant.edges} == {("safety-1", plant.now())}
    assert began_s <= plant.edges[0].monotonic_s <= plant.edges[-1].monotonic_s <= time.monotonic()


def test_an_expired_watchdog_opens_by_itself_at_its_time(module: SafetyIo, plant: Plant, wait: Wait) -> None:
    module.write_coils(0, [True])
    write(module, 1, 20)
    started_s = plant.now()
    for trigger in range(1, 4):
        wait(1.5)
        write(module, 0, trigger)
    wait(60.0)
    last = plant.edges[-1]
    assert (last.output, last.closed, last.why, last.lab_s) == ("contactor", False, "watchdog", started_s + 6.5)


def test_a_shortened_watchdog_expires_sooner(module: SafetyIo, plant: Plant, wait: Wait) -> None:
    module.write_coils(0, [True])
    write(module, 1, 6000)
    write(module, 1, 10)
    started_s = plant.now()
    wait(1.1)
    assert plant.edges[-1].lab_s == started_s + 1.0


def test_an_unpetted_watchdog_opens_all_coils_in_lab_time(module: SafetyIo, plant: Plant, wait: Wait) -> None:
    module.write_coils(0, [True, True, True])
    write(module, 1, 20)
    started_s = plant.now()
    wait(1.9)
    assert module.read_holding(2, 1) == [1]
    wait(60.0)
    assert module.read_holding(2, 2) == [2, 1]
    assert module.read_coils(0, 4) == [False] * 4
    assert (started_s + 2.0, "safety-1 contactor permit open") in plant.log


def test_petting_needs_a_changed_number_that_is_not_zero(module: SafetyIo, wait: Wait) -> None:
    write(module, 1, 10)
    for trigger in range(1, 30):
        wait(0.8)
        write(module, 0, trigger)
    assert module.read_holding(2, 1) == [1]
    wait(0.8)
    write(module, 0, 29)
    wait(0.8)
    write(module, 0, 29)
    assert module.read_holding(2, 1) == [2]


def test_an_expired_watchdog_lets_nothing_close_before_it_is_rearmed(module: SafetyIo, wait: Wait) -> None:
    write(module, 1, 10)
    wait(5.0)
    write(module, 0, 7)
    with pytest.raises(IllegalValue):
        module.write_coils(0, [True])
    with pytest.raises(IllegalValue):
        write(module, 4, 0x1234)
    write(module, 4, 0x5AFE)
    module.write_coils(0, [True])
    assert module.read_holding(2, 2) == [1, 0]
    assert module.read_coils(0, 1) == [True]


def test_the_heating_ends_when_the_watchdog_does_however_late_anybody_looks(
    module: SafetyIo, controller: Eurotherm3216P, plant: Plant, wait: Wait
) -> None:
    module.write_coils(0, [True])
    write(module, 1, 6000)
    wait(3600.0)
    plant.settle()
    assert plant.furnaces["furnace-1"].chamber_degc < 180.0
    assert not module.read_coils(0, 1)[0]


def test_timeout_zero_switches_the_watchdog_off(module: SafetyIo, wait: Wait) -> None:
    write(module, 1, 10)
    write(module, 1, 0)
    wait(100.0)
    assert module.read_holding(2, 1) == [0]


def test_what_is_not_on_the_map_is_refused(module: SafetyIo) -> None:
    for read in (module.read_coils, module.read_inputs, module.read_holding, module.read_input_registers):
        with pytest.raises(IllegalAddress):
            read(30, 1)
    with pytest.raises(IllegalValue):
        write(module, 2, 0)
