"""The simulated 3216P register by register."""

from collections.abc import Callable

import pytest

from sim.instruments.eurotherm_3216p import Eurotherm3216P
from sim.parts.furnace_unit import BrokenReads
from sim.plant import Plant
from sim.wire.modbus_pdu import IllegalAddress, IllegalValue, answer
from sim.wire.modbus_rtu import RtuReceiver

Wait = Callable[[float], None]


@pytest.fixture
def controller(plant: Plant) -> Eurotherm3216P:
    return Eurotherm3216P("furnace-1", plant, plant.furnaces["furnace-1"], unit=3, instrument_type=0xF3)


def read(controller: Eurotherm3216P, address: int) -> int:
    return controller.read_holding(address, 1)[0]


def write(controller: Eurotherm3216P, address: int, value: int) -> None:
    controller.write_holding(address, [value], single=True)


def load(controller: Eurotherm3216P, *segments: tuple[int, int, int]) -> None:
    """Segments as (dwell min, target degC, ramp x10), the rest at the last target."""
    rest = ((0, segments[-1][1], 0),) * (8 - len(segments))
    words = [word for segment in (*segments, *rest) for word in segment]
    controller.write_holding(1280, words, single=False)


def wide(controller: Eurotherm3216P, address: int) -> list[str]:
    """The two words of a register's 32-bit form."""
    return [f"{word:04X}" for word in controller.read_holding(0x8000 + 2 * address, 2)]


def test_it_identifies_itself(controller: Eurotherm3216P) -> None:
    assert [read(controller, a) for a in (122, 131, 516, 525)] == [0xF3, 3, 0, 0]


def test_a_cold_furnace_reads_room_temperature_and_no_output(controller: Eurotherm3216P) -> None:
    assert controller.read_holding(1, 5) == [22, 0, 0, 0, 0]


def test_the_furnace_goes_to_the_setpoint(controller: Eurotherm3216P, wait: Wait) -> None:
    write(controller, 2, 400)
    wait(3 * 3600.0)
    reading, target, _, output, working = controller.read_holding(1, 5)
    assert reading == pytest.approx(400, abs=2)
    assert (target, working) == (400, 400)
    assert 5 < output < 50


def test_setpoint_1_and_the_target_are_one(controller: Eurotherm3216P) -> None:
    write(controller, 24, 150)
    assert read(controller, 2) == 150


def test_a_programme_runs_to_its_end_and_stays_there(controller: Eurotherm3216P, wait: Wait) -> None:
    load(controller, (30, 222, 100))
    write(controller, 328, 1)
    write(controller, 23, 1)
    wait(600.0)
    assert read(controller, 23) == 1
    assert read(controller, 75) & 1 << 13
    assert read(controller, 5) == pytest.approx(122, abs=2)
    wait(620.0 + 1800.0)
    assert read(controller, 23) == 3
    assert not read(controller, 75) & 1 << 13
    assert read(controller, 5) == 222
    assert read(controller, 1) == pytest.approx(222, abs=4)


def test_programme_registers_read_back_and_are_locked_while_it_runs(controller: Eurotherm3216P) -> None:
    load(controller, (30, 222, 100), (0, 50, 25))
    assert controller.read_holding(1280, 6) == [30, 222, 100, 0, 50, 25]
    write(controller, 23, 1)
    with pytest.raises(IllegalValue):
        write(controller, 1281, 900)


def test_hours_are_dwell_units_too(controller: Eurotherm3216P, wait: Wait) -> None:
    load(controller, (1, 30, 0))
    write(controller, 321, 0)
    write(controller, 23, 1)
    wait(3500.0)
    assert read(controller, 23) == 1
    wait(200.0)
    assert read(controller, 23) == 3


def test_ramps_are_followed_and_hardly_overshot(controller: Eurotherm3216P, plant: Plant, wait: Wait) -> None:
    load(controller, (60, 1000, 50))
    write(controller, 23, 1)
    hottest, worst = 0.0, 0.0
    for _ in range(240):
        wait(60.0)
        reading, *_, working = controller.read_holding(1, 5)
        hottest = max(hottest, reading)
        worst = max(worst, abs(reading - working))
    assert hottest < 1012
    assert worst < 15


def test_a_broken_sensor_shows_in_the_status_and_stops_the_heating(controller: Eurotherm3216P, wait: Wait) -> None:
    write(controller, 2, 400)
    wait(3600.0)
    controller.sensor_broken = True
    assert read(controller, 75) & (1 << 5 | 1 << 10) == (1 << 5 | 1 << 10)
    assert read(controller, 258) == 1
    assert read(controller, 1) > 1300
    wait(60.0)
    assert read(controller, 4) == 0


def test_configuration_mode_stops_control(controller: Eurotherm3216P, plant: Plant, wait: Wait) -> None:
    write(controller, 2, 400)
    write(controller, 199, 2)
    wait(3600.0)
    assert read(controller, 1) == 22
    assert "furnace-1 instrument mode 2" in [what for _, what in plant.log]


@pytest.mark.parametrize(("address", "value"), [(1, 5), (131, 7), (2, 5000), (23, 3), (23, 9), (400, 1), (328, 8)])
def test_single_writes_of_nonsense_are_refused(controller: Eurotherm3216P, address: int, value: int) -> None:
    with pytest.raises(IllegalValue):
        write(controller, address, value)


def test_block_writes_skip_what_is_not_configured_and_stop_at_what_is_read_only(controller: Eurotherm3216P) -> None:
    controller.write_holding(400, [1, 2, 3], single=False)
    with pytest.raises(IllegalValue):
        controller.write_holding(2, [300, 0, 50, 60], single=False)
    assert read(controller, 2) == 300


def test_addresses_beyond_the_map_do_not_exist(controller: Eurotherm3216P) -> None:
    assert controller.read_holding(400, 2) == controller.read_holding(400, 2)
    with pytest.raises(IllegalAddress):
        controller.read_holding(20000, 1)
    with pytest.raises(IllegalAddress):
        controller.read_coils(0, 1)


def test_a_programme_on_hold_freezes_its_setpoint_and_its_time_and_goes_on(
    controller: Eurotherm3216P, wait: Wait
) -> None:
    load(controller, (30, 222, 100))
    write(controller, 328, 1)
    write(controller, 23, 1)
    wait(600.0)
    held_degc = read(controller, 5)
    write(controller, 23, 2)
    wait(12 * 3600.0)
    assert (read(controller, 23), read(controller, 5)) == (2, held_degc)
    assert read(controller, 1) == pytest.approx(held_degc, abs=2)
    assert not read(controller, 75) & 1 << 13
    write(controller, 23, 1)
    wait(610.0)
    assert read(controller, 5) == 222
    wait(1780.0)
    assert read(controller, 23) == 1
    wait(30.0)
    assert read(controller, 23) == 3


def test_a_dwell_that_was_held_lasts_as_long_as_it_should(controller: Eurotherm3216P, wait: Wait) -> None:
    load(controller, (30, 222, 0))
    write(controller, 328, 1)
    write(controller, 23, 1)
    wait(600.0)
    write(controller, 23, 2)
    wait(3600.0)
    write(controller, 23, 1)
    wait(1190.0)
    assert read(controller, 23) == 1
    wait(20.0)
    assert read(controller, 23) == 3


def test_the_programme_is_locked_on_hold_and_a_new_setpoint_waits_for_the_reset(
    controller: Eurotherm3216P, wait: Wait
) -> None:
    load(controller, (30, 222, 100))
    write(controller, 23, 1)
    wait(600.0)
    write(controller, 23, 2)
    with pytest.raises(IllegalValue):
        write(controller, 1281, 900)
    held_degc = read(controller, 5)
    write(controller, 24, 300)
    wait(60.0)
    assert read(controller, 5) == held_degc
    write(controller, 23, 0)
    assert read(controller, 5) == 300


@pytest.mark.parametrize("status", [0, 3])
def test_there_is_nothing_to_hold_where_nothing_runs(controller: Eurotherm3216P, wait: Wait, status: int) -> None:
    if status == 3:
        load(controller, (0, 22, 0))
        write(controller, 328, 1)
        write(controller, 23, 1)
        wait(20.0)
    assert read(controller, 23) == status
    with pytest.raises(IllegalValue):
        write(controller, 23, 2)


# ---------------------------------------------------------------- bytes of the manual (HA026230)


def test_function_7_answers_as_printed(controller: Eurotherm3216P) -> None:
    controller.panel_manual(10.0)
    controller.sensor_broken = True
    sent: list[bytes] = []
    RtuReceiver(sent.append, {2: controller}).receive(bytes.fromhex("02 07 41 12"))
    assert sent[0].hex(" ") == "02 07 30 d2 24"
    assert read(controller, 74) == 0x30


def test_function_8_loops_back(controller: Eurotherm3216P) -> None:
    assert answer(controller, bytes.fromhex("08 0000 A537")) == bytes.fromhex("08 0000 A537")
    assert answer(controller, bytes.fromhex("08 0001 A537")) is None


def test_32_bit_numbers_are_as_printed(controller: Eurotherm3216P) -> None:
    controller.loop.integral_s = 120.0
    controller.programmer.set_target(1.001)
    assert wide(controller, 8) == ["0001", "D4C0"]
    assert controller.read_holding(32772, 2) == [0x3F80, 0x20C5]
    assert wide(controller, 23) == ["0000", "8000"]


def test_32_bit_numbers_are_written_whole(controller: Eurotherm3216P) -> None:
    controller.write_holding(32772, [0x43C8, 0x2000], single=False)
    assert controller.programmer.target_degc == 400.25
    assert read(controller, 2) == 400
    with pytest.raises(IllegalValue):
        controller.write_holding(32772, [0x43C8], single=True)
    with pytest.raises(IllegalValue):
        controller.read_holding(32772, 1)
    with pytest.raises(IllegalAddress):
        controller.read_holding(32773, 2)
    with pytest.raises(IllegalValue):
        controller.write_holding(0x8002, [0, 0], single=False)


# ---------------------------------------------------------------- decimals, settings, faults


def test_decimals_move_the_point_of_temperatures_only(controller: Eurotherm3216P) -> None:
    write(controller, 2, 150)
    controller.decimals = 1
    assert [read(controller, at) for at in (2, 525, 24, 12)] == [1500, 1, 1500, 13720]
    write(controller, 2, 2505)
    assert controller.programmer.target_degc == 250.5


@pytest.mark.parametrize(
    ("reads", "whole", "fine"),
    [
        (BrokenReads.FULL_SCALE, 1372, "44AB 8000"),
        (BrokenReads.LARGEST, 32767, "46FF FE00"),
        (BrokenReads.NAN, 32767, "7FC0 0000"),
    ],
)
def test_a_broken_sensor_reads_as_it_is_told(
    controller: Eurotherm3216P, reads: BrokenReads, whole: int, fine: str
) -> None:
    controller.broken_reads = reads
    controller.sensor_broken = True
    assert read(controller, 1) == whole
    assert " ".join(wide(controller, 1)) == fine


def test_a_broken_sensor_may_read_what_it_read_last(controller: Eurotherm3216P, wait: Wait) -> None:
    write(controller, 2, 400)
    wait(3600.0)
    before = read(controller, 1)
    controller.broken_reads = BrokenReads.LAST
    controller.sensor_broken = True
    wait(3600.0)
    assert read(controller, 1) == before > 100


def test_a_power_cycle_ends_the_programme_and_leaves_a_mark(controller: Eurotherm3216P, wait: Wait) -> None:
    write(controller, 24, 50)
    load(controller, (30, 222, 100))
    write(controller, 23, 1)
    wait(600.0)
    controller.power_cycle()
    assert [read(controller, at) for at in (23, 5, 259)] == [0, 50, 1]
    write(controller, 274, 1)
    assert read(controller, 259) == 0


def test_a_stuck_unit_shows_the_same_and_takes_settings(controller: Eurotherm3216P, wait: Wait) -> None:
    write(controller, 2, 400)
    controller.stuck = True
    before = controller.read_holding(1, 5)
    write(controller, 24, 100)
    wait(3600.0)
    assert controller.read_holding(1, 5) == [before[0], 100, *before[2:]]
    controller.stuck = False
    assert read(controller, 1) > before[0]


def test_an_ignored_setpoint_is_acknowledged_and_not_kept(controller: Eurotherm3216P) -> None:
    controller.ignore_setpoint = True
    write(controller, 2, 400)
    assert read(controller, 2) == 0


def test_in_manual_the_output_is_what_was_set(controller: Eurotherm3216P, wait: Wait) -> None:
    with pytest.raises(IllegalValue):
        write(controller, 3, 20)
    write(controller, 273, 1)
    write(controller, 3, 20)
    wait(60.0)
    assert [read(controller, at) for at in (3, 4, 75)] == [20, 20, 1 << 4]
    write(controller, 273, 0)
    wait(60.0)
    assert read(controller, 4) == 0


def test_another_source_of_the_setpoint_is_followed(controller: Eurotherm3216P) -> None:
    write(controller, 2, 400)
    write(controller, 276, 1)
    assert [read(controller, at) for at in (2, 5)] == [400, 0]
    write(controller, 276, 0)
    assert read(controller, 5) == 400


def test_a_locked_unit_takes_nothing(controller: Eurotherm3216P) -> None:
    controller.locked = True
    with pytest.raises(IllegalValue):
        write(controller, 2, 400)


def test_ramps_count_by_the_hour_where_they_are_told(controller: Eurotherm3216P, wait: Wait) -> None:
    load(controller, (0, 222, 6000))
    write(controller, 531, 1)
    write(controller, 23, 1)
    wait(600.0)
    assert read(controller, 5) == pytest.approx(122, abs=2)


def test_a_programme_is_repeated_as_often_as_it_says(controller: Eurotherm3216P, wait: Wait) -> None:
    load(controller, (1, 30, 0))
    write(controller, 332, 3)
    write(controller, 23, 1)
    wait(100.0)
    assert read(controller, 23) == 1
    wait(100.0)
    assert read(controller, 23) == 3
    assert read(controller, 325) == pytest.approx(180, abs=15)


def test_a_programme_with_a_holdback_waits(controller: Eurotherm3216P, wait: Wait) -> None:
    load(controller, (10, 600, 300))
    write(controller, 327, 10)
    write(controller, 23, 1)
    wait(1800.0)
    reading, working = read(controller, 1), read(controller, 5)
    assert working < 600
    assert working - reading == pytest.approx(10, abs=6)
