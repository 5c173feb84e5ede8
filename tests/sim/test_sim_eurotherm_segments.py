"""The simulated 2416 and EPC3016: programmes of segments, register by register."""

from collections.abc import Callable

import pytest

from sim.instruments.eurotherm_2416 import Eurotherm2416
from sim.instruments.eurotherm_epc3016 import EurothermEpc3016
from sim.parts.eurotherm_segments import SegmentedUnit
from sim.plant import Plant
from sim.wire.modbus_pdu import IllegalAddress, IllegalValue

Wait = Callable[[float], None]

RAMP, TIME, DWELL, STEP, END = 1, 2, 3, 4, 0


@pytest.fixture
def old(plant: Plant) -> Eurotherm2416:
    return Eurotherm2416("furnace-1", plant, plant.furnaces["furnace-1"], unit=3, instrument_type=0x2410)


@pytest.fixture
def new(plant: Plant) -> EurothermEpc3016:
    return EurothermEpc3016("furnace-1", plant, plant.furnaces["furnace-1"], unit=1, instrument_type=0xE316)


def read(unit: SegmentedUnit, address: int) -> int:
    return unit.read_holding(address, 1)[0]


def write(unit: SegmentedUnit, address: int, value: int) -> None:
    unit.write_holding(address, [value], single=True)


def load(unit: SegmentedUnit, *segments: dict[int, int], base: int = 8328) -> None:
    """Segments as offset -> value, the type first; then an end."""
    for k, segment in enumerate((*segments, {0: END}), start=1):
        for offset, value in segment.items():
            write(unit, base + 8 * k + offset, value)


RAMP_AND_DWELL = ({0: RAMP, 1: 222, 2: 100}, {0: DWELL, 2: 300})
"""10 degC/min to 222 degC, and half an hour there in tenths of a minute."""


# ---------------------------------------------------------------- 2416


def test_it_says_what_it_is(old: Eurotherm2416) -> None:
    assert [read(old, at) for at in (122, 131, 22, 23)] == [0x2410, 3, 1, 1]


def test_states_are_single_bits(old: Eurotherm2416, wait: Wait) -> None:
    write(old, 8328 + 2, 1)
    write(old, 8328 + 3, 1)
    load(old, *RAMP_AND_DWELL)
    write(old, 23, 2)
    wait(600.0)
    assert [read(old, at) for at in (23, 29, 56)] == [2, RAMP, 1]
    assert read(old, 5) == pytest.approx(122, abs=2)
    write(old, 23, 4)
    wait(3600.0)
    assert read(old, 23) == 4
    write(old, 23, 2)
    wait(610.0)
    assert [read(old, at) for at in (5, 29, 56)] == [222, DWELL, 2]
    wait(1800.0)
    assert [read(old, at) for at in (23, 5, 56)] == [16, 222, 0]
    assert read(old, 75) & 1 << 9
    write(old, 23, 1)
    assert [read(old, at) for at in (23, 5)] == [1, 0]


@pytest.mark.parametrize("value", [0, 3, 8, 16])
def test_other_numbers_are_no_commands(old: Eurotherm2416, value: int) -> None:
    with pytest.raises(IllegalValue):
        write(old, 23, value)


def test_the_time_that_is_left_is_shown(old: Eurotherm2416, wait: Wait) -> None:
    write(old, 8328 + 2, 1)
    write(old, 8328 + 3, 1)
    load(old, *RAMP_AND_DWELL)
    write(old, 23, 2)
    wait(600.0)
    assert read(old, 36) == pytest.approx(600, abs=15)
    assert read(old, 58) == pytest.approx(2400, abs=15)
    wait(660.0)
    assert read(old, 36) == pytest.approx(1740, abs=15)


def test_what_a_type_does_not_use_is_not_configured(old: Eurotherm2416) -> None:
    write(old, 8336, DWELL)
    write(old, 8338, 30)
    with pytest.raises(IllegalValue):
        write(old, 8337, 500)
    old.write_holding(8336, [DWELL, 500, 40], single=False)
    assert old.read_holding(8336, 3)[::2] == [DWELL, 40]
    assert read(old, 8337) != 500


@pytest.mark.parametrize(("address", "value"), [(8336, 5), (8336, 9), (8328, 4), (8331, 3), (8332, 0), (22, 9)])
def test_values_out_of_range_are_refused(old: Eurotherm2416, address: int, value: int) -> None:
    with pytest.raises(IllegalValue):
        write(old, address, value)


def test_each_programme_has_its_own_memory(old: Eurotherm2416, wait: Wait) -> None:
    load(old, {0: STEP, 1: 100})
    load(old, {0: STEP, 1: 200}, {0: DWELL, 2: 100}, base=8464)
    write(old, 8464 + 3, 1)
    write(old, 22, 2)
    write(old, 23, 2)
    wait(20.0)
    assert read(old, 5) == 200
    with pytest.raises(IllegalValue):
        write(old, 22, 1)


def test_programmes_are_locked_while_one_runs(old: Eurotherm2416) -> None:
    load(old, *RAMP_AND_DWELL)
    write(old, 23, 2)
    with pytest.raises(IllegalValue):
        write(old, 8337, 900)
    with pytest.raises(IllegalValue):
        old.write_holding(8336, [RAMP, 900, 100], single=False)


@pytest.mark.parametrize(("units", "minutes"), [(0, 5.0), (1, 30.0), (2, 1800.0)])
def test_dwells_count_by_their_units(old: Eurotherm2416, wait: Wait, units: int, minutes: float) -> None:
    write(old, 8328 + 3, units)
    load(old, {0: STEP, 1: 30}, {0: DWELL, 2: 300})
    write(old, 23, 2)
    wait(60.0 * minutes - 20.0)
    assert read(old, 23) == 2
    wait(40.0)
    assert read(old, 23) == 16


@pytest.mark.parametrize(("units", "rate"), [(0, 1.0), (1, 60.0), (2, 3600.0)])
def test_ramps_count_by_their_units(old: Eurotherm2416, wait: Wait, units: int, rate: float) -> None:
    write(old, 8328 + 2, units)
    load(old, {0: RAMP, 1: 1000, 2: 10})
    write(old, 23, 2)
    wait(rate * 20.0)
    assert read(old, 5) == pytest.approx(42.0, abs=11.0 if units == 0 else 2.0)


def test_a_ramp_may_have_a_time_in_place_of_a_rate(old: Eurotherm2416, wait: Wait) -> None:
    write(old, 8328 + 3, 1)
    load(old, {0: TIME, 1: 222, 2: 100})
    write(old, 23, 2)
    wait(300.0)
    assert read(old, 5) == pytest.approx(122, abs=4)
    wait(310.0)
    assert read(old, 23) == 16


@pytest.mark.parametrize(("then", "status", "working"), [(0, 16, 30), (1, 1, 0), (2, 16, 0)])
def test_the_end_does_what_it_says(old: Eurotherm2416, wait: Wait, then: int, status: int, working: int) -> None:
    load(old, {0: STEP, 1: 30})
    write(old, 8328 + 16 + 3, then)
    write(old, 23, 2)
    wait(30.0)
    assert (read(old, 23), read(old, 5)) == (status, working)


def test_a_holdback_shows_in_the_state(old: Eurotherm2416, wait: Wait) -> None:
    load(old, {0: RAMP, 1: 600, 2: 300})
    with pytest.raises(IllegalValue):
        write(old, 8329, 5)
    write(old, 8328, 3)
    write(old, 8329, 5)
    write(old, 23, 2)
    wait(600.0)
    seen = set()
    for _ in range(60):
        wait(10.0)
        seen.add(read(old, 23))
    assert 8 in seen


def test_programmes_have_32_bits_too(old: Eurotherm2416) -> None:
    load(old, {0: RAMP, 1: 222, 2: 15})
    assert old.read_holding(0x8000 + 2 * 8337, 4) == [0x435E, 0x0000, 0x3FC0, 0x0000]
    write(old, 8336, DWELL)
    write(old, 8328 + 3, 1)
    write(old, 8338, 20)
    assert old.read_holding(0x8000 + 2 * 8338, 2) == [0x0001, 0xD4C0]


# ---------------------------------------------------------------- EPC3016


def test_the_programmer_has_buttons(new: EurothermEpc3016, wait: Wait) -> None:
    write(new, 8328 + 3, 0)
    write(new, 8328 + 2, 1)
    load(new, {0: RAMP, 1: 222, 2: 100}, {0: DWELL, 2: 1800})
    with pytest.raises(IllegalValue):
        write(new, 23, 2)
    for button, state in (
        (10573, 2),
        (10574, 4),
        (10573, 2),
        (10576, 4),
        (10576, 2),
        (10577, 1),
        (10573, 2),
        (10575, 1),
    ):
        write(new, button, 1)
        assert (read(new, 23), read(new, button)) == (state, 0)
    write(new, 10573, 0)
    assert read(new, 23) == 1


def test_times_are_seconds_and_the_end_belongs_to_the_programme(new: EurothermEpc3016, wait: Wait) -> None:
    write(new, 8328 + 3, 0)
    load(new, {0: STEP, 1: 30}, {0: DWELL, 2: 300})
    write(new, 8328 + 6, 1)
    assert read(new, 8328 + 7) == 2
    with pytest.raises(IllegalValue):
        write(new, 8328 + 24 + 3, 1)
    write(new, 10573, 1)
    wait(100.0)
    assert read(new, 63) == pytest.approx(200, abs=15)
    wait(250.0)
    assert read(new, 23) == 1


def test_there_are_25_segments(new: EurothermEpc3016) -> None:
    write(new, 8328 + 25 * 8, STEP)
    write(new, 8328 + 25 * 8 + 1, 700)
    assert new.read_holding(8528, 2) == [STEP, 700]
    with pytest.raises(IllegalValue):
        write(new, 8328 + 26 * 8, STEP)


def test_the_watchdog_expires_when_nobody_talks(new: EurothermEpc3016, plant: Plant, wait: Wait) -> None:
    write(new, 2, 400)
    write(new, 1169, 60)
    for _ in range(10):
        wait(50.0)
        assert read(new, 1172) == 0
    assert read(new, 4) == 100
    wait(70.0)
    assert plant.log[-1] == (plant.now() - 10.0, "furnace-1 network watchdog expired")
    assert [read(new, at) for at in (1172, 4)] == [1, 0]
    wait(600.0)
    assert [read(new, at) for at in (1172, 4)] == [1, 0]
    write(new, 1172, 0)
    wait(20.0)
    assert [read(new, at) for at in (1172, 4)] == [0, 100]


def test_a_watchdog_may_recover_by_itself(new: EurothermEpc3016, wait: Wait) -> None:
    new.write_holding(1169, [60, 0, 1], single=False)
    wait(100.0)
    assert new.expired
    assert read(new, 1172) == 0


def test_a_watchdog_that_is_switched_off_watches_nothing(new: EurothermEpc3016, wait: Wait) -> None:
    write(new, 1169, 60)
    write(new, 1169, 0)
    wait(1000.0)
    assert read(new, 1172) == 0


def test_the_flag_cannot_be_raised(new: EurothermEpc3016) -> None:
    with pytest.raises(IllegalValue):
        write(new, 1172, 1)


def test_addresses_beyond_the_map_do_not_exist(new: EurothermEpc3016) -> None:
    for address in (16384, 0x7FFE, 0xFFFE + 1):
        with pytest.raises(IllegalAddress):
            new.read_holding(address, 1)
