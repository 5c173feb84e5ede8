"""Lines and data of the dosing system."""

from __future__ import annotations

import pytest

from drivers.codecs import quantos as wire
from drivers.codecs.quantos import Answer, DosingResult, Head, Reply
from drivers.errors import CodecError, LimitError, RefusedError

HEAD = """<?xml version="1.0" encoding="ISO-8859-1"?>
<Info_head><Substance>BaCO3 &amp; more</Substance><Lot_ID>BaCO3-lot7</Lot_ID><User_ID>me</User_ID>
<Content Unit="mg">12000.00</Content><Rem._dosages>231</Rem._dosages>
<Rem._quantity Unit="g">8.5</Rem._quantity><Head_ID>1007</Head_ID></Info_head>"""

RESULT = """<Dosing><Sample_ID>S001</Sample_ID><Substance>BaCO3</Substance>
<Target_quantity Unit="mg">592.00</Target_quantity><Content Unit="mg">592.31</Content>
<Validity>valid</Validity></Dosing>"""


@pytest.mark.parametrize(
    ("command", "line", "reply"),
    [
        (wire.START_DOSING, "QRA 61 1 B", Reply(Answer.STARTED)),
        (wire.START_DOSING, "QRA 61 1 A", Reply(Answer.DONE)),
        (wire.START_DOSING, "QRA 61 1 I 7", Reply(Answer.NOT_DONE, code=7)),
        (wire.START_DOSING, "QRA 61 L", Reply(Answer.WRONG_PARAMETER)),
        (wire.START_DOSING, "QRA 61 4 A", None),
        (wire.START_DOSING, "S S 1.0 g", None),
        (wire.START_DOSING, "", None),
        (wire.MOVE_DOOR, "QRA 60 7 B", Reply(Answer.STARTED)),
        (wire.MOVE_DOOR, "QRA 60 7 3 A", Reply(Answer.DONE, value="3")),
        (wire.MOVE_DOOR, "QRA 60 L", Reply(Answer.WRONG_PARAMETER)),
        (wire.SET_TARGET, "QRD 1 1 5 A", Reply(Answer.DONE)),
        (wire.SET_TARGET, "QRD 1 1 A", Reply(Answer.DONE)),
        (wire.SET_TARGET, "QRD 1 1 L", Reply(Answer.WRONG_PARAMETER)),
        (wire.ASK_DOOR, "QRD 2 3 7 3 A", Reply(Answer.DONE, value="3")),
        (wire.ASK_RESULT, "QRD 2 4 12 B", Reply(Answer.STARTED)),
        (wire.ASK_RESULT, "QRD 2 4 L", Reply(Answer.WRONG_PARAMETER)),
        (wire.ASK_RESULT, "QRD 2 4 11 A", None),
        (wire.ASK_SAMPLER_ON, "QRD 2 2 8 1 A", Reply(Answer.DONE, value="1")),
        (wire.ASK_PAN, "QRD 2 2 9 0 A", Reply(Answer.DONE, value="0")),
        (wire.ASK_SAMPLER, "QRD 2 3 8 30 A", Reply(Answer.DONE, value="30")),
        (wire.MOVE_SAMPLER, "QRA 60 8 I 13", Reply(Answer.NOT_DONE, code=13)),
        (wire.STOP_DOSING, "QRA 61 4 B", Reply(Answer.STARTED)),
        (wire.STOP_DOSING, "QRA 61 1 I 8", None),
        (wire.DECLARE_EMPTY, "QRD 1 1 9 I 6", Reply(Answer.NOT_DONE, code=6)),
        (wire.ASK_HEAD, "QRD 2 4 11 A", Reply(Answer.DONE)),
    ],
)
def test_a_line_answers_its_command(command: str, line: str, reply: Reply | None) -> None:
    assert wire.parse_reply(command, line) == reply


def test_a_general_error_is_a_refusal() -> None:
    with pytest.raises(RefusedError, match="syntax error"):
        wire.parse_reply(wire.START_DOSING, "ES")


@pytest.mark.parametrize(
    ("code", "said"),
    [(1, "not mounted"), (3, "timeout"), (7, "powder flow error"), (8, "stopped from outside"), (99, "in no manual")],
)
def test_a_code_is_said_in_words(code: int, said: str) -> None:
    assert said in Reply(Answer.NOT_DONE, code=code).describe()


def test_targets_have_two_decimals_within_what_quantos_doses() -> None:
    assert wire.encode_mass(592.0) == "592.00"
    for mass_mg in (0.05, 250_001.0, float("nan")):
        with pytest.raises(LimitError, match=r"Quantos takes 0\.1 to 250000 mg"):
            wire.encode_mass(mass_mg)


@pytest.mark.parametrize(
    ("tolerance_mg", "mass_mg", "sent"), [(1.0, 592.0, "0.1"), (1.0, 240.0, "0.4"), (5.0, 12.5, "40.0")]
)
def test_a_tolerance_never_becomes_wider_than_asked(tolerance_mg: float, mass_mg: float, sent: str) -> None:
    assert wire.encode_tolerance(tolerance_mg, mass_mg) == sent


@pytest.mark.parametrize(("tolerance_mg", "mass_mg"), [(0.5, 592.0), (6.0, 12.5)])
def test_a_tolerance_that_quantos_cannot_hold_is_told_with_what_it_can(tolerance_mg: float, mass_mg: float) -> None:
    with pytest.raises(LimitError, match=r"Quantos holds .* mg \(0.1 to 40 %\)"):
        wire.encode_tolerance(tolerance_mg, mass_mg)


def test_a_sample_id_is_one_short_word() -> None:
    assert wire.encode_sample_id("S" * 20) == "S" * 20
    for bad in ("", "S" * 21, "two words", "täst", "a\nb"):
        with pytest.raises(LimitError, match="one plain word of 1 to 20"):
            wire.encode_sample_id(bad)


def test_the_door_is_where_it_is_said_to_be() -> None:
    assert wire.Door(wire.parse_number(Reply(Answer.DONE, value="9"), wire.DOORS)) is wire.Door.MOVING
    for value in (None, "1", "x"):
        with pytest.raises(CodecError):
            wire.parse_number(Reply(Answer.DONE, value=value), wire.DOORS)


def test_a_head_tells_its_lot_and_what_is_left() -> None:
    assert wire.parse_head(HEAD) == Head("BaCO3 & more", "BaCO3-lot7", 8500.0, 231, "1007")


def test_a_head_without_a_lot_is_told_apart() -> None:
    with pytest.raises(CodecError, match="no Lot_ID"):
        wire.parse_head("<Info_head><Substance>BaCO3</Substance></Info_head>")


def test_a_result_tells_what_was_dosed() -> None:
    assert wire.parse_result(RESULT) == DosingResult(592.31, "valid", "BaCO3", "S001", target_mg=592.0)


def test_a_result_around_which_the_xml_is_broken_is_read_all_the_same() -> None:
    assert wire.parse_result("noise <Dosing><Content>3.5</Content><Validity>").content_mg == 3.5


@pytest.mark.parametrize("xml", ["", "<Dosing/>", "<Content>much</Content>", '<Content Unit="lb">1</Content>'])
def test_a_result_without_a_mass_is_no_result(xml: str) -> None:
    with pytest.raises(CodecError):
        wire.parse_result(xml)


@pytest.mark.parametrize(
    ("name", "value", "sent"),
    [
        ("tap_before", True, ("QRD 1 1 1", "1")),
        ("tap_while", 0, ("QRD 1 1 2", "0")),
        ("tap_intensity", 40.0, ("QRD 1 1 3", "40")),
        ("tap_time", "10", ("QRD 1 1 4", "10")),
        ("tolerance_mode", 1, ("QRD 1 1 7", "1")),
        ("user_id", "me", ("QRD 1 1 13", "me")),
        ("algorithm", 1, ("QRD 1 1 14", "1")),
        ("antistatic", False, ("QRD 1 1 15", "0")),
    ],
)
def test_a_setting_of_the_lab_file_becomes_a_line(name: str, value: object, sent: tuple[str, str]) -> None:
    assert wire.encode_setting(name, value) == sent


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("tap_before", 2, "tap_before is 2, Quantos takes 0 to 1"),
        ("tap_intensity", 5, "tap_intensity is 5, Quantos takes 10 to 100"),
        ("tap_time", 1.5, r"tap_time is 1\.5, Quantos takes 1 to 10"),
        ("user_id", "two words", "user id 'two words': Quantos takes one plain word"),
    ],
)
def test_a_setting_that_quantos_does_not_take_is_told(name: str, value: object, said: str) -> None:
    with pytest.raises(LimitError, match=said):
        wire.encode_setting(name, value)


def test_positions_and_numbers_are_those_that_there_are() -> None:
    assert [wire.encode_position(n) for n in (0, 30)] == ["0", "30"]
    with pytest.raises(LimitError, match=r"position 31 of the autosampler requested, it has 0 .home. to 30"):
        wire.encode_position(31)
    for value in (None, "x", "2", "-1"):
        with pytest.raises(CodecError):
            wire.parse_number(Reply(Answer.DONE, value=value), range(2))
