"""Registers of the 3216P."""

from __future__ import annotations

import math

import pytest

from drivers.codecs import eurotherm as wire
from drivers.codecs.eurotherm import ProgramStatus, Summary
from drivers.errors import CodecError, LimitError
from drivers.furnace_program import FurnaceProgram, Step


@pytest.mark.parametrize(("register", "value"), [(65521, -15), (0, 0), (32767, 32767), (0x8001, -32767)])
def test_registers_hold_signed_numbers(register: int, value: int) -> None:
    assert wire.to_signed(register) == value
    assert wire.to_register(value) == register


@pytest.mark.parametrize("value", [32768, -32768])
def test_what_fits_no_register_is_an_error(value: int) -> None:
    with pytest.raises(CodecError, match="does not fit"):
        wire.to_register(value)


@pytest.mark.parametrize(("degc", "decimals", "register"), [(949.6, 0, 950), (949.6, 1, 9496), (-15.0, 0, 65521)])
def test_temperatures_have_the_decimals_that_are_configured(degc: float, decimals: int, register: int) -> None:
    assert wire.encode_degc(degc, decimals) == register
    assert wire.decode_degc(register, decimals) == pytest.approx(degc, abs=0.5)


def test_a_firing_fills_eight_segments_of_dwell_target_and_ramp() -> None:
    program = FurnaceProgram((Step(5.0, 950.0, 21600.0), Step(2.5, 60.0)))
    registers = wire.encode_program(program, 0)
    assert registers[:6] == (360, 950, 50, 0, 60, 25)
    assert registers[6:] == (0, 60, 0) * 6


def test_times_and_rates_round_but_never_to_none() -> None:
    registers = wire.encode_program(FurnaceProgram((Step(0.02, 100.0, 12.0),)), 0)
    assert registers[:3] == (1, 100, 1)


def test_segments_are_read_back_as_they_were_written() -> None:
    program = FurnaceProgram(tuple(Step(1.5 + k, 100.0 * k, 60.0 * k) for k in range(1, 9)))
    assert wire.decode_program(wire.encode_program(program, 1), 1) == program


def test_a_ninth_step_has_no_segment() -> None:
    with pytest.raises(LimitError, match="9 steps, a 3216P holds 8"):
        wire.encode_program(FurnaceProgram((Step(5.0, 100.0),) * 9), 0)


def test_a_look_gives_reading_setpoint_output_and_status() -> None:
    live = wire.decode_live((850, 900, 0, 65, 860), 1, 1 << 13, 0)
    assert (live.reading_degc, live.target_degc, live.output_percent, live.setpoint_degc) == (850, 900, 65, 860)
    assert live.status is ProgramStatus.RUN
    assert live.summary is Summary.PROGRAM_RUNNING
    assert live.sensor_ok


@pytest.mark.parametrize("bit", [5, 10])
@pytest.mark.parametrize("reading", [32767, 25, 0])
def test_a_broken_sensor_gives_no_number_whatever_the_register_holds(bit: int, reading: int) -> None:
    live = wire.decode_live((reading, 0, 0, 0, 0), 0, 1 << bit, 0)
    assert not live.sensor_ok
    assert math.isnan(live.reading_degc)


def test_a_status_of_another_model_is_not_guessed() -> None:
    with pytest.raises(CodecError, match="16 is none of a 3216P"):
        wire.decode_status(16)
