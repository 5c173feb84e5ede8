"""The gas line: flow follows its target, whoever looks and how often."""

from __future__ import annotations

import pytest

from sim.plant.gas import ATMOSPHERE_KPA, TAU_S, GasLine

NOW_S = 1000.0


@pytest.fixture
def line() -> GasLine:
    return GasLine("gas-1", NOW_S, 7, 500.0)


def test_the_flow_goes_to_its_target_with_a_lag(line: GasLine) -> None:
    line.set_target(100.0, NOW_S)
    assert line.flow_sccm(NOW_S) == 0.0
    assert line.flow_sccm(NOW_S + TAU_S) == pytest.approx(63.2, abs=0.1)
    assert line.flow_sccm(NOW_S + 10.0) == pytest.approx(100.0, abs=0.01)


def test_the_flow_does_not_depend_on_who_looked(line: GasLine) -> None:
    other = GasLine("gas-1", NOW_S, 7, 500.0)
    for gas in (line, other):
        gas.set_target(100.0, NOW_S)
    seen = [other.reading_sccm(NOW_S + t / 7) for t in range(50)]
    assert len(set(seen)) > 30
    assert line.reading_sccm(NOW_S + 3.0) == other.reading_sccm(NOW_S + 3.0)
    for gas in (line, other):
        gas.set_target(20.0, NOW_S + 3.0)
    assert line.reading_sccm(NOW_S + 3.4) == other.reading_sccm(NOW_S + 3.4)


def test_equal_seeds_read_alike_and_others_do_not(line: GasLine) -> None:
    again, another = GasLine("gas-1", NOW_S, 7, 500.0), GasLine("gas-1", NOW_S, 8, 500.0)
    assert again.reading_sccm(NOW_S) == line.reading_sccm(NOW_S)
    assert another.reading_sccm(NOW_S) != line.reading_sccm(NOW_S)


def test_no_more_flows_than_the_supply_gives(line: GasLine) -> None:
    line.set_target(500.0, NOW_S)
    line.set_supply(200.0, NOW_S + 10.0)
    assert 0.0 < line.flow_sccm(NOW_S + 20.0) < 500.0
    line.set_supply(ATMOSPHERE_KPA, NOW_S + 20.0)
    assert line.flow_sccm(NOW_S + 30.0) == pytest.approx(0.0, abs=0.01)
    line.set_supply(400.0, NOW_S + 30.0)
    assert line.flow_sccm(NOW_S + 40.0) == pytest.approx(500.0, abs=0.01)


def test_a_held_valve_stays_where_it_is_until_it_is_released(line: GasLine) -> None:
    line.set_target(100.0, NOW_S)
    line.hold(NOW_S + 10.0)
    line.set_target(300.0, NOW_S + 10.0)
    assert line.flow_sccm(NOW_S + 20.0) == pytest.approx(100.0, abs=0.01)
    line.release(NOW_S + 20.0)
    assert line.flow_sccm(NOW_S + 30.0) == pytest.approx(300.0, abs=0.01)
    line.hold(NOW_S + 30.0, closed=True)
    assert line.flow_sccm(NOW_S + 40.0) == pytest.approx(0.0, abs=0.01)


def test_a_tare_takes_the_offset_off(line: GasLine) -> None:
    line.tare(NOW_S)
    assert line.reading_sccm(NOW_S) == pytest.approx(0.0, abs=1e-9)
    assert abs(line.reading_sccm(NOW_S + 60.0)) < 0.5


def test_pressure_and_volume_follow_the_flow(line: GasLine) -> None:
    assert line.pressure_kpa(NOW_S) == ATMOSPHERE_KPA
    line.set_target(500.0, NOW_S)
    later_s = NOW_S + 10.0
    assert line.pressure_kpa(later_s) > ATMOSPHERE_KPA
    assert line.volumetric_ccm(later_s) == pytest.approx(0.96 * line.reading_sccm(later_s), rel=0.02)
    assert line.temperature_degc(later_s) == pytest.approx(22.0, abs=0.3)
