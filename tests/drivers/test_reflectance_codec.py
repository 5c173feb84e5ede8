"""Lines of the reflectance spectrometer, against what docs/wires.md prints."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from drivers.codecs import reflectance_spectrometer as wire
from drivers.codecs.reflectance_spectrometer import Identity, Lamp, Limits, References, Spectrum, State
from drivers.errors import CodecError, LimitError

PRINTED = "#246S1,17,2;350.00,0.08123;351.00,0.08167*F50018A3"
LIMITS = Limits(350.0, 1100.0, 1.0, 5000.0, 1000)


def block(text: str) -> str:
    """A block as the page describes it, made by hand."""
    whole = f"{text}*{zlib.crc32(text.encode()):08X}"
    return f"#{len(str(len(whole)))}{len(whole)}{whole}"


def test_the_page_prints_what_the_codec_reads() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "wires.md").read_text(encoding="utf-8")
    assert f"`{PRINTED}`" in page
    assert wire.parse_spectrum(PRINTED) == Spectrum("S1", 17, (350.0, 351.0), (0.08123, 0.08167))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "begins no block"),
        ("#", "begins no block"),
        ("#0", "begins no block"),
        ("S1,17", "begins no block"),
        (PRINTED[:-1], "a block of '46' bytes came with 45"),
        (PRINTED.replace("#246", "#3046"), None),
        (PRINTED.replace("0.08123", "0.98123"), "the checksum F50018A3 of a spectrum is wrong"),
        (PRINTED.replace("S1,", "S2,"), "checksum"),
        ("#245S1,17,2;350.00,0.08123;351.00,0.08167*f50018a", "without its checksum"),
        (block("S1,17,3;350.00,0.1;351.00,0.1"), "a spectrum of 3 points came with 2"),
        (block("S1,17;350.00,0.1"), "does not begin a spectrum"),
        (block("S1,x,1;350.00,0.1"), "does not begin a spectrum"),
        (block("S1,1,1;350.00"), "are not 2 numbers"),
        (block("S1,1,1;350.00,much"), "are no numbers"),
        (block("S1,1,1;350.00,nan"), "are not 2 numbers"),
        (block("S1,1,2;350.00,0.1;350.00,0.1"), "do not rise"),
        (block("S1,1,1;350.00,7.5"), "which nothing reflects"),
        (block("S1,1,0"), "a spectrum of 0 points came with 0"),
    ],
)
def test_what_is_no_spectrum_gives_none(line: str, said: str | None) -> None:
    if said is None:
        assert wire.parse_spectrum(line).sample == "S1"
        return
    with pytest.raises(CodecError, match=said):
        wire.parse_spectrum(line)


def test_every_changed_byte_is_noticed() -> None:
    for place in range(len(PRINTED)):
        for bit in (0x01, 0x10):
            spoiled = PRINTED[:place] + chr(ord(PRINTED[place]) ^ bit) + PRINTED[place + 1 :]
            with pytest.raises(CodecError):
                wire.parse_spectrum(spoiled)


def test_settings_are_written_short() -> None:
    assert wire.encode_range(350.0, 1100.0, LIMITS) == "350,1100"
    assert wire.encode_range(400.25, 700.5, None) == "400.25,700.5"
    assert wire.encode_integration(20.0, LIMITS) == "20"
    assert wire.encode_averages(16, LIMITS) == "16"
    assert wire.encode_sample("BaTiO3_S-1.a") == "BaTiO3_S-1.a"


@pytest.mark.parametrize(
    ("from_nm", "to_nm", "said"),
    [
        (300.0, 800.0, "300 to 800 nm requested, it has 350 to 1100 nm"),
        (400.0, 1200.0, "it has 350 to 1100 nm"),
        (800.0, 400.0, "which is no range"),
        (400.0, 400.0, "which is no range"),
        (float("nan"), 500.0, "which is no range"),
    ],
)
def test_a_range_that_cannot_be_is_told(from_nm: float, to_nm: float, said: str) -> None:
    with pytest.raises(LimitError, match=said):
        wire.encode_range(from_nm, to_nm, LIMITS)


def test_times_averages_and_names_that_cannot_be_are_told() -> None:
    for ms in (0.5, 5001.0, float("nan"), -1.0):
        with pytest.raises(LimitError, match="ms requested, it integrates for 1 to 5000 ms"):
            wire.encode_integration(ms, LIMITS)
    with pytest.raises(LimitError):
        wire.encode_integration(0.0, None)
    for averages in (0, 1001, 2.5, True):
        with pytest.raises(LimitError, match="averages requested, it takes 1 to 1000"):
            wire.encode_averages(averages, LIMITS)  # type: ignore[arg-type]
    for name in ("", "two words", "S" * 33, "a,b", "täst", "a\nb"):
        with pytest.raises(LimitError, match="write one word"):
            wire.encode_sample(name)


@pytest.mark.parametrize(
    ("value", "seen", "same"),
    [
        ("20", "20", True),
        ("20", "20.0", True),
        ("350,1100", "350,1100", True),
        ("350,1100", "350", False),
        ("20", "2", False),
        ("S1", "S1", True),
        ("S1", "S2", False),
        ("20", "", False),
    ],
)
def test_what_is_read_back_is_compared(value: str, seen: str, same: bool) -> None:
    assert wire.is_set(value, seen) is same


def test_answers_are_read() -> None:
    assert wire.parse_identity("ATHANOR,DR-1,SN-spec-1,1") == Identity("DR-1", "SN-spec-1", "1")
    assert wire.parse_limits("350,1100,1,5000,1000") == LIMITS
    assert wire.parse_references("-,-") == References(None, None)
    assert wire.parse_references("20,20") == References(20.0, 20.0)
    assert [wire.parse_state(word) for word in ("IDLE", "BUSY", "DONE", "ERR")] == list(State)
    assert [wire.parse_lamp(word) for word in ("OFF", "WARMING", "ON")] == list(Lamp)
    assert wire.parse_count("17") == 17
    assert wire.parse_error('-221,"Settings conflict"') == "Settings conflict (-221)"
    assert wire.parse_error('0,"No error"') is None


@pytest.mark.parametrize(
    ("parse", "line"),
    [
        (wire.parse_identity, "ATHANOR,DR-1,SN"),
        (wire.parse_identity, "KEITHLEY,2400,1,2"),
        (wire.parse_identity, "ATHANOR,DR-1,,1"),
        (wire.parse_limits, "350,1100"),
        (wire.parse_limits, "1100,350,1,5000,1000"),
        (wire.parse_limits, "a,b,c,d,e"),
        (wire.parse_references, "20"),
        (wire.parse_references, "x,20"),
        (wire.parse_state, "BUSYY"),
        (wire.parse_lamp, "on"),
        (wire.parse_count, "-1"),
        (wire.parse_error, "no error"),
    ],
)
def test_what_is_no_answer_is_told(parse: object, line: str) -> None:
    assert callable(parse)
    with pytest.raises(CodecError):
        parse(line)
