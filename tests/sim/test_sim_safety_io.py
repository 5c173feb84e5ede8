"""The simulated safety module: contacts, contactor, watchdog."""

from collections.abc import Callable

import pytest

from sim.instruments.eurotherm_3216p import Eurotherm3216P
from sim.instruments.safety_io import EMERGENCY_STOP, WATER, SafetyIo
from sim.plant import DoorState, Plant
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


def test_analogue_inputs_hold_the_independent_sensor_and_say_what_is_not_wired(module: SafetyIo) -> None:
    values = module.read_input_registers(0, 24)
    assert values[0] == pytest.approx(220, abs=10)
    assert values[16] == 0
    assert set(values[17:]) == {1}


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
