"""Programmes of the 3216P, and of the 2400 and EPC3000 with their segments."""

from __future__ import annotations

import pytest

from drivers.codecs import eurotherm_3216p as eight
from drivers.codecs import eurotherm_segments as many
from drivers.codecs.eurotherm_segments import Kind, Segment
from drivers.codecs.eurotherm_watchdog import Watchdog, decode_watchdog
from drivers.errors import CodecError, LimitError
from drivers.furnaces.program import FurnaceProgram, Step

FIRING = FurnaceProgram((Step(5.0, 950.0, 21600.0), Step(2.5, 60.0)))

# ---------------------------------------------------------------- 3216P


def test_a_firing_fills_eight_segments_of_dwell_target_and_ramp() -> None:
    registers = eight.encode_program(FIRING, 0, eight.Units())
    assert registers[:6] == (360, 950, 50, 0, 60, 25)
    assert registers[6:] == (0, 60, 0) * 6


def test_times_and_rates_round_but_never_to_none() -> None:
    registers = eight.encode_program(FurnaceProgram((Step(0.02, 100.0, 12.0),)), 0, eight.Units())
    assert registers[:3] == (1, 100, 1)


def test_segments_are_read_back_as_they_were_written() -> None:
    program = FurnaceProgram(tuple(Step(1.5 + k, 100.0 * k, 60.0 * k) for k in range(1, 9)))
    assert eight.decode_program(eight.encode_program(program, 1, eight.Units()), 1, eight.Units()) == program


@pytest.mark.parametrize(
    ("units", "registers"),
    [
        (eight.Units(dwell_units=0, dwell_count_s=60.0), (360, 950, 50)),
        (eight.Units(dwell_units=0, dwell_count_s=3600.0), (6, 950, 50)),
        (eight.Units(rate_per="h"), (360, 950, 3000)),
    ],
)
def test_units_are_those_that_the_lab_file_says(units: eight.Units, registers: tuple[int, ...]) -> None:
    assert eight.encode_program(FIRING, 0, units)[:3] == registers
    assert eight.decode_program(eight.encode_program(FIRING, 0, units), 0, units) == FIRING


def test_a_ninth_step_has_no_segment() -> None:
    with pytest.raises(LimitError, match="9 steps, a 3216P holds 8"):
        eight.encode_program(FurnaceProgram((Step(5.0, 100.0),) * 9), 0, eight.Units())


def test_a_dwell_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(CodecError, match="40000 does not fit"):
        eight.encode_program(FurnaceProgram((Step(5.0, 100.0, 40000 * 60.0),)), 0, eight.Units())


# ---------------------------------------------------------------- 2400, EPC3000


def test_the_first_programme_and_its_segments_are_where_the_tables_say() -> None:
    assert many.base_of(1) == 8328
    assert [many.segment_at(8328, k) for k in (1, 2, 25)] == [8336, 8344, 8528]


def test_a_firing_becomes_ramps_dwells_and_an_end() -> None:
    segments = many.encode_program(FIRING, 0, many.Units(), 16)
    assert segments == (
        Segment(Kind.RAMP_RATE, 950, 50),
        Segment(Kind.DWELL, number=3600),
        Segment(Kind.RAMP_RATE, 60, 25),
        Segment(Kind.END),
    )
    assert many.decode_program(segments, 0, many.Units()) == FIRING


def test_cooling_as_fast_as_the_furnace_does_is_a_step() -> None:
    segments = many.encode_program(FurnaceProgram((Step(10.0, 900.0), Step(0.0, 20.0))), 1, many.Units(), 16)
    assert segments[1:] == (Segment(Kind.STEP, 200), Segment(Kind.END))


def test_a_dwell_that_is_too_long_for_one_segment_takes_several() -> None:
    units = many.Units(dwell_units="s", dwell_count_s=1.0)
    program = FurnaceProgram((Step(5.0, 900.0, 12 * 3600.0),))
    segments = many.encode_program(program, 0, units, 25)
    assert [segment.number for segment in segments] == [50, 32767, 10433, 0]
    assert many.decode_program(segments, 0, units) == program


def test_the_end_needs_a_segment_too() -> None:
    program = FurnaceProgram(tuple(Step(5.0, 100.0 + k, 60.0) for k in range(8)))
    with pytest.raises(LimitError, match="takes 17 segments, its end included, and there are 16"):
        many.encode_program(program, 0, many.Units(), 16)


def test_what_a_type_does_not_use_is_not_read() -> None:
    assert many.decode_segment((3, 0x7A7A, 30, 0x1111)) == Segment(Kind.DWELL, number=30)
    assert many.decode_segment((0, 1, 2, 3)) == Segment(Kind.END)
    assert many.decode_segment((77, 1, 2, 3)) is None


@pytest.mark.parametrize(
    "segments",
    [
        (Segment(Kind.END),),
        (Segment(Kind.DWELL, number=10), Segment(Kind.END)),
        (Segment(Kind.RAMP_TIME, 100, 10), Segment(Kind.END)),
        (Segment(Kind.RAMP_RATE, 100, 10), Segment(Kind.CALL), Segment(Kind.END)),
    ],
)
def test_a_programme_that_is_none_of_ours_is_none(segments: tuple[Segment, ...]) -> None:
    assert many.decode_program(segments, 0, many.Units()) is None


def test_what_follows_the_end_does_not_count() -> None:
    segments = (*many.encode_program(FIRING, 0, many.Units(), 16), Segment(Kind.RAMP_RATE, 1200, 100))
    assert many.decode_program(segments, 0, many.Units()) == FIRING


def test_the_watchdog_is_four_registers() -> None:
    assert decode_watchdog((600, 0, 1, 0)) == (Watchdog(600, 0, 1), False)
    assert decode_watchdog((600, 0, 1, 1))[1]
