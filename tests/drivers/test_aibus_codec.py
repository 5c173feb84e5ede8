"""Frames of AIBUS against those printed in instruments.md 1.6, and programmes in both maps."""

from __future__ import annotations

import math

import pytest

from drivers.codecs import aibus as wire
from drivers.codecs import aibus_program as programs
from drivers.codecs.aibus import Reply, Scale, Status
from drivers.codecs.aibus_program import V7, V8, Format, Meaning, Segment, State
from drivers.errors import CodecError, LimitError
from drivers.furnaces.program import FurnaceProgram, Step

REPLY = bytes.fromhex("FA 00 E8 03 23 60 E8 03 EE 68")
FIRING = FurnaceProgram((Step(10.0, 920.0, 3600.0), Step(5.0, 60.0)))


@pytest.mark.parametrize(
    ("made", "printed"),
    [
        (wire.read_request(1, 0), "81 81 52 00 00 00 53 00"),
        (wire.write_request(1, 0, 1000), "81 81 43 00 E8 03 2C 04"),
        (wire.read_request(0, 0x15), "80 80 52 15 00 00 52 15"),
        (wire.write_request(80, 0x1B, -121), "D0 D0 43 1B 87 FF 1A 1B"),
    ],
)
def test_requests_are_as_printed(made: bytes, printed: str) -> None:
    assert made == bytes.fromhex(printed)


def test_a_reply_is_read_as_printed() -> None:
    expected = Reply(250, 1000, 0x23, Status.ALARM_1 | Status.ALARM_2, 1000)
    assert wire.decode_reply(1, REPLY) == expected


def test_output_and_values_are_signed() -> None:
    words = (-15 & 0xFFFF) + 0 + 0xFF + (-121 & 0xFFFF) + 1
    frame = bytes.fromhex("F1 FF 00 00 FF 00 87 FF") + (words & 0xFFFF).to_bytes(2, "little")
    reply = wire.decode_reply(1, frame)
    assert (reply.pv, reply.output_percent, reply.value) == (-15, -1, -121)


@pytest.mark.parametrize("at", range(10))
def test_a_changed_byte_is_noticed(at: int) -> None:
    frame = bytearray(REPLY)
    frame[at] ^= 0x04
    with pytest.raises(CodecError, match="the sum of"):
        wire.decode_reply(1, bytes(frame))


def test_a_reply_of_another_unit_is_noticed() -> None:
    with pytest.raises(CodecError, match="not that of a reply of unit 2"):
        wire.decode_reply(2, REPLY)


@pytest.mark.parametrize("frame", [REPLY[:-1], REPLY + b"\0", b""])
def test_a_cut_or_doubled_reply_is_none(frame: bytes) -> None:
    with pytest.raises(CodecError, match=f"a reply of {len(frame)} bytes"):
        wire.decode_reply(1, frame)


@pytest.mark.parametrize("value", [32001, 32767, -32001])
def test_what_may_not_be_written_is_not(value: int) -> None:
    with pytest.raises(CodecError, match="cannot be written over AIBUS"):
        wire.write_request(1, 0, value)


@pytest.mark.parametrize(
    ("decimals", "value", "degc"),
    [(0, 1000, 1000.0), (1, 9205, 920.5), (2, 12345, 123.45), (128, 9205, 920.5), (129, 9205, 92.05), (1, -155, -15.5)],
)
def test_temperatures_follow_the_decimals(decimals: int, value: int, degc: float) -> None:
    assert wire.scale_of(decimals).degc(value) == pytest.approx(degc)


@pytest.mark.parametrize(("decimals", "value"), [(0, 921), (1, 9206), (128, 9210), (129, 32000)])
def test_what_is_written_has_the_digits_that_are_shown(decimals: int, value: int) -> None:
    degc = 920.6 if decimals != 129 else 320.0
    assert wire.scale_of(decimals).encode(degc) == value


@pytest.mark.parametrize("value", [0x7F00, 0x7FFF, 32600])
def test_what_is_no_value_is_no_temperature(value: int) -> None:
    assert math.isnan(Scale(1).degc(value))
    assert not Reply(0, 0, 0, Status(0), value).has_value


@pytest.mark.parametrize("decimals", [4, 127, 132, -1, 0x7FFF])
def test_decimals_that_there_are_not_are_an_error(decimals: int) -> None:
    with pytest.raises(CodecError, match=f"{decimals} decimals are configured"):
        wire.scale_of(decimals)


def test_a_temperature_beyond_the_wire_is_refused() -> None:
    with pytest.raises(LimitError, match="3300 degC was requested, and an AIBUS unit with dPt 1 takes 3200 degC"):
        Scale(1).encode(3300.0)


# -- programmes


@pytest.mark.parametrize(("value", "there"), [(0, V7), (4, V7), (12, V7), (5187, V8), (5167, V8)])
def test_parameter_15h_tells_the_map(value: int, there: programs.Map) -> None:
    assert programs.map_of(value) is there


@pytest.mark.parametrize(("there", "values"), [(V7, (0, 4, 12)), (V8, (0, 2, 1))])
def test_run_hold_and_stop_in_both_maps(there: programs.Map, values: tuple[int, int, int]) -> None:
    assert tuple(there.encode_state(state) for state in (State.RUN, State.HOLD, State.STOP)) == values
    assert [there.decode_state(value) for value in values] == [State.RUN, State.HOLD, State.STOP]
    with pytest.raises(CodecError, match=f"programmer state 7 is none of an AIBUS unit with {there.name} map"):
        there.decode_state(7)


def test_segments_lie_where_instruments_md_says() -> None:
    assert V7.parameters(0) == (0x1A, 0x1B)
    assert V7.parameters(29) == (0x54, 0x55)
    assert V8.parameters(0) == (0x50, 0x51)
    assert V8.parameters(49) == (0xB2, 0xB3)


def spelled(segments: tuple[Segment, ...]) -> list[tuple[int, int]]:
    return [(segment.temperature, segment.time) for segment in segments]


def test_a_segment_begins_at_its_temperature() -> None:
    segments = Format(V7, Scale(0)).encode(FIRING, 90)
    assert spelled(segments) == [(20, 90), (920, 60), (920, 172), (60, 1), (60, -121)]


def test_or_ends_there_where_the_unit_is_told_so() -> None:
    segments = Format(V8, Scale(1), Meaning.TARGET).encode(FIRING, 90)
    assert spelled(segments) == [(9200, 90), (9200, 60), (600, 172), (600, 1), (600, -121)]


def test_the_first_ramp_begins_at_or_below_the_reading_and_keeps_its_rate() -> None:
    form = Format(V7, Scale(1))
    ramp = form.first_ramp(FIRING, 22.3)
    assert ramp == 90
    assert spelled(form.encode(FIRING, ramp))[0] == (200, 90)


def test_a_first_ramp_down_begins_at_or_below_the_reading_too() -> None:
    form, program = Format(V7, Scale(0)), FurnaceProgram((Step(10.0, 60.0),))
    ramp = form.first_ramp(program, 705.0)
    assert ramp == 64
    assert spelled(form.encode(program, ramp, falls=True)) == [(700, 64), (60, 1), (60, -121)]


def test_a_first_step_without_a_rate_begins_where_it_ends() -> None:
    program = FurnaceProgram((Step(0.0, 60.0, 600.0),))
    assert spelled(Format(V7, Scale(0)).encode(program, 0)) == [(60, 10), (60, 1), (60, -121)]
    assert spelled(Format(V7, Scale(0), Meaning.TARGET).encode(program, 0)) == [
        *[(60, 1), (60, 10), (60, 1)],
        (60, -121),
    ]


def test_a_later_step_without_a_rate_takes_a_minute() -> None:
    program = FurnaceProgram((Step(10.0, 900.0), Step(0.0, 20.0)))
    assert spelled(Format(V7, Scale(0)).encode(program, 88))[1:] == [(900, 1), (20, 1), (20, -121)]


def test_no_segment_ever_lasts_no_time() -> None:
    program = FurnaceProgram((Step(10.0, 25.0, 5.0), Step(1000.0, 26.0, 1.0)))
    form = Format(V8, Scale(1))
    assert all(segment.time != 0 for segment in form.encode(form.fit(program), form.first_ramp(program, 24.9)))


def test_later_ramps_take_whole_minutes_and_are_never_steeper() -> None:
    fitted = Format(V7, Scale(0)).fit(FurnaceProgram((Step(7.0, 920.0), Step(7.0, 60.0, 100.0))))
    assert fitted.steps[0] == Step(7.0, 920.0)
    assert fitted.steps[1] == Step(860 / 123, 60.0, 120.0)


def test_minutes_may_have_decimals() -> None:
    form = Format(V8, Scale(0), steps_per_min=10)
    fitted = form.fit(FurnaceProgram((Step(7.0, 920.0), Step(7.0, 60.0, 100.0))))
    assert fitted.steps[1].rate_degc_per_min == pytest.approx(860 / 122.9)
    assert fitted.steps[1].dwell_s == pytest.approx(102.0)
    assert form.encode(fitted, 1290)[-1] == Segment(60, -1210)


@pytest.mark.parametrize("there", [V7, V8])
def test_more_segments_than_there_are_are_refused(there: programs.Map) -> None:
    steps = tuple(Step(10.0, 100.0 + 100.0 * (k % 2), 600.0) for k in range(25))
    with pytest.raises(LimitError, match=f"has 52 segments, a unit with {there.name} map holds {there.most_segments}"):
        Format(there, Scale(1)).encode(FurnaceProgram(steps), 8)


def test_a_segment_that_is_too_long_is_refused() -> None:
    with pytest.raises(LimitError, match="a segment of 8640 min was requested, the longest takes 3200 min"):
        Format(V8, Scale(1)).fit(FurnaceProgram((Step(10.0, 100.0, 144 * 3600.0),)))


@pytest.mark.parametrize("meaning", list(Meaning))
def test_a_constant_temperature_is_known_again(meaning: Meaning) -> None:
    form = Format(V8, Scale(1), meaning)
    segments = form.constant(400.0)
    assert form.constant_degc(segments) == 400.0
    assert form.constant_degc(segments[:2]) == 400.0
    assert form.constant_degc(form.encode(FIRING, 90)) is None
    assert form.constant_degc(()) is None


def test_what_is_in_a_unit_is_read_back() -> None:
    form = Format(V7, Scale(1))
    assert form.decode(form.encode(FIRING, 90)) == FurnaceProgram(
        (Step(10.0, 920.0), Step(0.0, 920.0, 3600.0), Step(5.0, 60.0), Step(0.0, 60.0, 60.0))
    )


@pytest.mark.parametrize("times", [(), (-121,), (10, 20), (10, 0, -121)])
def test_what_cannot_run_to_an_end_is_no_programme(times: tuple[int, ...]) -> None:
    assert Format(V7, Scale(0)).decode([Segment(100, time) for time in times]) is None
