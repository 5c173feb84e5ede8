"""Lines of Alicats against those that were captured from real ones (instruments.md 3)."""

from __future__ import annotations

import math

import pytest

from drivers.codecs import alicat as wire
from drivers.codecs import alicat_frame as frames
from drivers.codecs.alicat_frame import Layout, Quantity
from drivers.errors import CodecError, RefusedError

HEAD = "A D00 ID_ NAME______________________ TYPE_______ WIDTH NOTES___________________"
YOUNG = [
    HEAD,
    "A D01 700 Unit ID                    string          1",
    "A D02 002 Abs Press                  s decimal     7/2 010 02 PSIA",
    "A D03 003 Flow Temp                  s decimal     7/2 002 02 `C",
    "A D04 004 Volu Flow                  s decimal     7/2 012 02 CCM",
    "A D05 005 Mass Flow                  s decimal     7/2 012 02 SCCM",
    "A D06 037 Mass Flow Setpt            s decimal     7/2 012 02 SCCM",
    "A D07 703 Gas                        string          6",
    "A D08 701 *Error                     string          3 ADC",
    "A D09 702 *Status                    string          3 OPL",
    "A D10 702 *Status                    string          3 P2O",
]
OLD = [
    "A  D00 NAME_______ TYPE_____ MinVal_  MaxVal_  UNITS__",
    "A  D01 Unit ID     char         A         Z         na",
    "A  D02 Pressure    signed    +000.00  +160.00     PSIA",
    "A  D03 Temperature signed    -010.00  +050.00        C",
    "A  D04 Volumetric  signed    +0000.0  +0500.0      CCM",
    "A  D05 Mass        signed    +0000.0  +0500.0     SCCM",
    "A  D06 SetPoint    signed    +0000.0  +0500.0     SCCM",
    "A  D07 Gas         string        Air       D2       na",
    "A  D08 Error       string         na      ADC       na",
    "A  D09 Status      string         na      LCK       na",
]
SEVEN = [*YOUNG[:6], "A D06 037 Mass Flow Setpt            decimal       6/2 007 02 SLPM"]
POLL = "A +014.62 +021.89 +000.00 +000.00 +078.95     N2"


@pytest.fixture
def layout() -> Layout:
    return frames.parse_layout(YOUNG)


def test_a_frame_is_read_by_its_layout(layout: Layout) -> None:
    frame = frames.parse_frame(POLL, "A", layout)
    assert frame.values == {
        Quantity.PRESSURE: 14.62,
        Quantity.TEMPERATURE: 21.89,
        Quantity.VOLUMETRIC: 0.0,
        Quantity.MASS: 0.0,
        Quantity.SETPOINT: 78.95,
    }
    assert (frame.gas, frame.words) == ("N2", ())
    setpoint = layout.find(Quantity.SETPOINT)
    assert setpoint is not None
    assert (setpoint.units, setpoint.width, setpoint.decimals) == ("SCCM", 7, 2)


def test_the_oldest_firmware_has_another_layout_and_no_sign_before_the_setpoint() -> None:
    layout = frames.parse_layout(OLD)
    frame = frames.parse_frame("A +014.52 +021.50 +0000.1 +0000.2 0116.3      N2", "A", layout)
    assert (frame.values[Quantity.SETPOINT], frame.values[Quantity.MASS], frame.gas) == (116.3, 0.2, "N2")
    mass = layout.find(Quantity.MASS)
    assert mass is not None
    assert (mass.units, mass.high) == ("SCCM", 500.0)


def test_a_setpoint_without_a_sign_in_its_layout_is_read() -> None:
    setpoint = frames.parse_layout(SEVEN).find(Quantity.SETPOINT)
    assert setpoint is not None
    assert (setpoint.units, setpoint.width, setpoint.decimals) == ("SLPM", 6, 2)


def test_fields_are_found_wherever_they_are() -> None:
    order = (0, 1, 6, 5, 7, 2, 3)
    rows = [f"A D{number:02d}{YOUNG[row][5:]}" for number, row in enumerate(order)]
    frame = frames.parse_frame("A +078.95 +001.00     N2 +014.62 +021.89", "A", frames.parse_layout(rows))
    assert (frame.values[Quantity.SETPOINT], frame.values[Quantity.MASS], frame.gas) == (78.95, 1.0, "N2")


@pytest.mark.parametrize("words", [("HLD",), ("LCK", "HLD"), ("P2O", "ADC", "MOV")])
def test_status_words_come_in_any_number_and_order(layout: Layout, words: tuple[str, ...]) -> None:
    assert frames.parse_frame(" ".join([POLL, *words]), "A", layout).words == tuple(sorted(words))


def test_a_statistic_that_is_not_there_is_no_number(layout: Layout) -> None:
    frame = frames.parse_frame("A +014.62 ------- +000.00 +000.00 +078.95     N2", "A", layout)
    assert math.isnan(frame.values[Quantity.TEMPERATURE])
    assert math.isnan(
        frames.parse_frame("A +014.62 -- +000.00 +000.00 +078.95     N2", "A", layout).values[Quantity.TEMPERATURE]
    )


@pytest.mark.parametrize(
    "line",
    [
        "A +014.62 +021.89 +000.00 +000.00     N2",
        "B +014.62 +021.89 +000.00 +000.00 +078.95     N2",
        "@ +014.62 +021.89 +000.00 +000.00 +078.95     N2",
        "A +014.62 +021.89 +000.00 +000.00 +078.95     N2 XYZ",
        "A +014.62 +021.89 +000.00 +00.00 +078.95     N2",
        "A +014.62 +021.89 +000.00 +0000.0 +078.95     N2",
        "A +014.62 +021.89 +000.00 +00O.00 +078.95     N2",
        "A +014.62",
        "",
    ],
)
def test_what_is_not_as_the_layout_says_is_no_frame(layout: Layout, line: str) -> None:
    with pytest.raises(CodecError):
        frames.parse_frame(line, "A", layout)


@pytest.mark.parametrize("line", ["?", "A ?", "\x00?\r"])
def test_a_refusal_is_no_frame(layout: Layout, line: str) -> None:
    with pytest.raises(RefusedError):
        frames.parse_frame(line, "A", layout)


def test_padding_of_old_units_is_taken_out() -> None:
    assert wire.clean("\b\b\bA  M04 MC\b\x00\r") == "A  M04 MC"


@pytest.mark.parametrize("missing", [3, 5, 6])
def test_a_layout_with_a_row_missing_is_none(missing: int) -> None:
    with pytest.raises(CodecError):
        frames.parse_layout([row for number, row in enumerate(YOUNG) if number != missing])


def test_a_meter_is_no_controller() -> None:
    rows = [row for row in YOUNG if "Setpt" not in row]
    renumbered = [f"A D{number:02d}{row[5:]}" for number, row in enumerate(rows)]
    with pytest.raises(CodecError, match="no setpoint of a mass flow: is it a meter"):
        frames.parse_layout(renumbered)


def test_a_controller_of_pressure_is_none_of_mass_flow() -> None:
    rows = [row.replace("037 Mass Flow Setpt", "034 Press Setpt    ") for row in YOUNG]
    with pytest.raises(CodecError, match="does it control something else"):
        frames.parse_layout(rows)


def test_a_layout_can_be_configured() -> None:
    layout = frames.parse_configured("pressure:psia temperature:C volumetric:CCM mass:SCCM setpoint:SCCM gas")
    frame = frames.parse_frame("A +14.70 +25.0 +45.0 +45.0 +75.0 N2", "A", layout)
    assert frame.values[Quantity.SETPOINT] == 75.0
    with pytest.raises(CodecError, match="layout has the field 'flow', there are pressure"):
        frames.parse_configured("flow:SCCM")


@pytest.mark.parametrize(
    ("line", "version", "text"),
    [
        ("A   10v20.0-R24 Jan  9 2025,15:04:07", (10, 20), "10v20.0-R24"),
        ("B   8v17.0-R23 Nov 27 2019,15:28:45", (8, 17), "8v17.0-R23"),
        ("5v12.0-R22", (5, 12), "5v12.0-R22"),
    ],
)
def test_firmware_is_read(line: str, version: tuple[int, int], text: str) -> None:
    firmware = wire.parse_firmware(line)
    assert (firmware.version, firmware.text) == (version, text)


@pytest.mark.parametrize("line", ["A GP", "A   GP07R100", "A hello"])
def test_firmware_without_numbers_is_not_guessed(line: str) -> None:
    with pytest.raises(CodecError, match="names no firmware"):
        wire.parse_firmware(line)


@pytest.mark.parametrize(
    ("text", "setpoint", "gas", "units", "scale"),
    [
        ("10v20", True, True, True, True),
        ("9v00", True, False, False, True),
        ("8v17", False, False, False, True),
        ("5v12", False, False, False, False),
    ],
)
def test_what_firmware_knows(text: str, setpoint: bool, gas: bool, units: bool, scale: bool) -> None:
    firmware = wire.parse_firmware(text)
    assert (firmware.has_setpoint_command, firmware.has_gas_command) == (setpoint, gas)
    assert (firmware.tells_units, firmware.tells_full_scale) == (units, scale)


def test_the_maker_is_read() -> None:
    lines = [
        "A  M00 ALICAT SCIENTIFIC",
        "A  M04 Model Number  MC-500SCCM-D",
        "A  M05 Serial Number 122161",
        "A  M09 Software Revision 5v12.0-R22",
    ]
    assert wire.parse_maker(lines) == ("MC-500SCCM-D", "122161", "5v12.0-R22")
    with pytest.raises(CodecError, match="row M05 of"):
        wire.parse_maker(lines[:2])


def test_short_replies_are_read() -> None:
    assert wire.parse_setpoint("A +078.95 +078.88 12 SCCM", "A").requested == 78.88
    assert wire.parse_source("A S", "A") == wire.SERIAL
    assert wire.parse_gas("A 8 N2 Nitrogen", "A") == (8, "N2")
    assert wire.parse_gas_row("A G140   C-25", "A") == ("C-25", 140)
    assert wire.parse_units("A 12 SCCM", "A") == "SCCM"
    assert wire.parse_full_scale("A +500.00 12 SCCM", "A") == (500.0, "SCCM")


@pytest.mark.parametrize("line", ["B S", "A X", "A 12 SCCM 3", "A   1 ---", POLL])
def test_short_replies_to_something_else_are_none(line: str) -> None:
    for parse in (wire.parse_setpoint, wire.parse_source, wire.parse_units, wire.parse_full_scale, wire.parse_gas_row):
        with pytest.raises(CodecError):
            parse(line, "A")


@pytest.mark.parametrize(
    ("gas", "code"),
    [("Air", 0), ("Ar", 1), ("N2", 8), ("O2", 11), ("C3H8", 12), ("Kr", 17), ("SF6", 19), ("Star29", 28)],
)
def test_gas_codes_are_as_printed(gas: str, code: int) -> None:
    assert wire.GASES[gas] == code


def test_a_line_is_told_from_those_of_others() -> None:
    assert [wire.is_about("A", line) for line in ("A +1", "A", "?", "B +1", "AB", "@ +1")] == [
        *(True, True, True),
        *(False, False, False),
    ]
