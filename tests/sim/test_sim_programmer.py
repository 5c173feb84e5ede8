import pytest

from sim.parts.programmer import EndType, PidController, Programmer, Segment, Status
from sim.wire.modbus_pdu import IllegalValue


@pytest.fixture
def loop() -> PidController:
    return PidController()


@pytest.fixture
def programmer(loop: PidController) -> Programmer:
    return Programmer(loop)


def step(programmer: Programmer, seconds: float) -> None:
    for _ in range(int(seconds // 10)):
        if programmer.moving:
            programmer.step(10.0)


RAMP_AND_DWELL = (Segment(6.0, 82.0, 120.0),)


def test_a_programme_starts_at_the_reading_not_at_the_setpoint(programmer: Programmer, loop: PidController) -> None:
    programmer.set_target(500.0)
    programmer.run(RAMP_AND_DWELL, 22.0)
    assert loop.setpoint_degc == 22.0
    step(programmer, 60.0)
    assert loop.setpoint_degc == pytest.approx(28.0)


def test_it_ramps_dwells_and_ends_at_the_last_target(programmer: Programmer, loop: PidController) -> None:
    programmer.run(RAMP_AND_DWELL, 22.0)
    step(programmer, 600.0 + 110.0)
    assert (programmer.status, loop.setpoint_degc) == (Status.RUN, 82.0)
    step(programmer, 10.0)
    assert (programmer.status, loop.setpoint_degc) == (Status.END, 82.0)
    assert not programmer.moving


def test_ramps_go_down_too_and_rate_zero_is_a_step(programmer: Programmer, loop: PidController) -> None:
    programmer.run((Segment(0.0, 100.0, 0.0), Segment(12.0, 40.0, 0.0)), 22.0)
    step(programmer, 60.0)
    assert loop.setpoint_degc == pytest.approx(88.0)
    step(programmer, 240.0)
    assert (programmer.status, loop.setpoint_degc) == (Status.END, 40.0)


def test_segments_without_way_and_time_pass_at_once(programmer: Programmer, loop: PidController) -> None:
    programmer.run((*RAMP_AND_DWELL, *(Segment(0.0, 82.0, 0.0),) * 7), 22.0)
    step(programmer, 730.0)
    assert programmer.status is Status.END


def test_time_left_over_in_a_step_goes_to_the_next_segment(programmer: Programmer, loop: PidController) -> None:
    programmer.run((Segment(60.0, 27.0, 0.0), Segment(60.0, 37.0, 0.0)), 22.0)
    programmer.step(10.0)
    assert loop.setpoint_degc == pytest.approx(32.0)


def test_hold_freezes_and_run_goes_on(programmer: Programmer, loop: PidController) -> None:
    programmer.run(RAMP_AND_DWELL, 22.0)
    step(programmer, 60.0)
    programmer.hold()
    step(programmer, 600.0)
    assert loop.setpoint_degc == pytest.approx(28.0)
    programmer.run((Segment(1.0, 900.0, 0.0),), 22.0)
    step(programmer, 60.0)
    assert loop.setpoint_degc == pytest.approx(34.0)


def test_on_hold_a_step_moves_nothing_also_where_somebody_takes_one(
    programmer: Programmer, loop: PidController
) -> None:
    programmer.run(RAMP_AND_DWELL, 22.0)
    step(programmer, 60.0)
    programmer.hold()
    programmer.step(6000.0)
    assert (programmer.status, programmer.moving) == (Status.HOLD, False)
    assert loop.setpoint_degc == pytest.approx(28.0)


def test_there_is_nothing_to_hold_in_reset(programmer: Programmer) -> None:
    with pytest.raises(IllegalValue):
        programmer.hold()


def test_reset_goes_back_to_the_target(programmer: Programmer, loop: PidController) -> None:
    programmer.set_target(30.0)
    programmer.run(RAMP_AND_DWELL, 22.0)
    step(programmer, 300.0)
    programmer.reset()
    assert (programmer.status, loop.setpoint_degc) == (Status.RESET, 30.0)


def test_end_type_reset_goes_back_by_itself(programmer: Programmer, loop: PidController) -> None:
    programmer.set_end_type(EndType.RESET)
    programmer.run(RAMP_AND_DWELL, 22.0)
    step(programmer, 900.0)
    assert (programmer.status, loop.setpoint_degc) == (Status.RESET, 0.0)


def test_the_rate_limit_holds_outside_programmes(programmer: Programmer, loop: PidController) -> None:
    programmer.limit_degc_per_min = 6.0
    programmer.set_target(400.0)
    step(programmer, 100.0)
    assert loop.setpoint_degc == pytest.approx(10.0)


def test_the_loop_does_not_store_the_wish_for_more_than_full_power(loop: PidController) -> None:
    loop.setpoint_degc = 1000.0
    for _ in range(5000):
        assert loop.power(100.0, 10.0) == 1.0
    assert loop.power(1000.5, 10.0) == 0.0


def test_the_loop_finds_the_power_that_holds_the_setpoint(loop: PidController) -> None:
    loop.setpoint_degc, reading_degc = 500.0, 480.0
    for _ in range(3000):
        reading_degc += 10.0 * (0.3 * loop.power(reading_degc, 10.0) - 1e-4 * reading_degc)
    assert reading_degc == pytest.approx(500.0, abs=0.5)
