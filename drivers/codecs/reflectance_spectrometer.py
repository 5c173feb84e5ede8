r"""Lines of the diffuse-reflectance spectrometer, in the manner of SCPI (docs/wires.md).

command    CONF:INT 20 LF                    not answered; what is wrong with it is in the error queue
question   CONF:INT? LF                      20 LF
error      SYST:ERR? LF                      -222,"Data out of range" LF     0,"No error" where there is none
spectrum   FETC? LF                          #<digits><length><text>*<crc32> LF

text       sample,acquisition,points;nm,reflectance;nm,reflectance;..
length     of everything after it, up to LF; crc32 of the text, eight hexadecimal digits
"""

from __future__ import annotations

import binascii
import math
import re
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from drivers.errors import CodecError, LimitError

ASK_IDENTITY = "*IDN?"
ASK_LIMITS = "SYST:LIM?"
ASK_ERROR = "SYST:ERR?"
ASK_STATE = "STAT?"
ASK_COUNT = "COUN?"
ASK_LAMP = "LAMP?"
ASK_REFERENCES = "REF?"
ASK_SPECTRUM = "FETC?"
LAMP_ON, LAMP_OFF = "LAMP ON", "LAMP OFF"
REFERENCE_DARK, REFERENCE_WHITE, MEASURE = "REF:DARK", "REF:WHITE", "INIT"
ABORT = "ABOR"
RANGE, INTEGRATION, AVERAGES, SAMPLE = "CONF:RANG", "CONF:INT", "CONF:AVER", "CONF:SAMP"

MODEL = "DR-"
"""What the model of every such instrument begins with."""
LONGEST_SAMPLE = 32
LEAST_REFLECTANCE, MOST_REFLECTANCE = -0.2, 2.0
"""Outside this nothing reflects, however noisy the instrument."""


class State(StrEnum):
    """What STAT? says."""

    IDLE = "IDLE"
    """Nothing was acquired, or it was aborted."""
    BUSY = "BUSY"
    DONE = "DONE"
    ERROR = "ERR"


class Lamp(StrEnum):
    """What LAMP? says."""

    OFF = "OFF"
    WARMING = "WARMING"
    ON = "ON"


@dataclass(frozen=True)
class Identity:
    """Who answers *IDN?."""

    model: str
    serial: str
    version: str


@dataclass(frozen=True)
class Limits:
    """What the instrument can be set to."""

    from_nm: float
    to_nm: float
    least_ms: float
    most_ms: float
    most_averages: int


@dataclass(frozen=True)
class References:
    """For which integration times references were taken, in ms; None where there is none."""

    dark_ms: float | None
    white_ms: float | None


@dataclass(frozen=True)
class Spectrum:
    """One measured spectrum."""

    sample: str
    acquisition: int
    wavelengths_nm: tuple[float, ...]
    reflectance: tuple[float, ...]


def encode_range(from_nm: float, to_nm: float, limits: Limits | None) -> str:
    """Give a range of wavelengths as CONF:RANG takes it.

    Raises:
        LimitError: Where it is none, or outside what the instrument has.
    """
    if not 0 < from_nm < to_nm:
        raise LimitError(f"{from_nm:g} to {to_nm:g} nm requested, which is no range: begin with the shorter wavelength")
    if limits is not None and not (limits.from_nm <= from_nm and to_nm <= limits.to_nm):
        raise LimitError(f"{from_nm:g} to {to_nm:g} nm requested, it has {limits.from_nm:g} to {limits.to_nm:g} nm")
    return f"{_number(from_nm)},{_number(to_nm)}"


def encode_integration(integration_ms: float, limits: Limits | None) -> str:
    """Give an integration time as CONF:INT takes it; raises `LimitError`."""
    least_ms, most_ms = (limits.least_ms, limits.most_ms) if limits is not None else (0.0, math.inf)
    if not least_ms <= integration_ms <= most_ms or integration_ms <= 0:
        raise LimitError(f"{integration_ms:g} ms requested, it integrates for {least_ms:g} to {most_ms:g} ms")
    return _number(integration_ms)


def encode_averages(averages: int, limits: Limits | None) -> str:
    """Give a number of averages as CONF:AVER takes it; raises `LimitError`."""
    most = limits.most_averages if limits is not None else averages
    if isinstance(averages, bool) or not isinstance(averages, int) or not 1 <= averages <= most:
        raise LimitError(f"{averages} averages requested, it takes 1 to {most}")
    return str(averages)


def encode_sample(sample_id: str) -> str:
    """Give a sample's name as CONF:SAMP takes it.

    Raises:
        LimitError: Where it is anything but one word of letters, digits, ``-``, ``_`` and ``.``.
    """
    if not re.fullmatch(rf"[\w.-]{{1,{LONGEST_SAMPLE}}}", sample_id, re.ASCII):
        raise LimitError(
            f"sample id {sample_id!r}: write one word of 1 to {LONGEST_SAMPLE} letters, digits, - _ and . alone"
        )
    return sample_id


def is_set(value: str, seen: str) -> bool:
    """Whether what was read back is what was set.

    >>> is_set("350,1100", "350.00,1100.00"), is_set("20", "2")
    (True, False)
    """
    wanted, found = value.split(","), seen.split(",")
    return len(wanted) == len(found) and all(_same(a, b) for a, b in zip(wanted, found, strict=True))


def parse_identity(line: str) -> Identity:
    """Read the reply to *IDN?.

    >>> parse_identity("ATHANOR,DR-1,SN-7,1")
    Identity(model='DR-1', serial='SN-7', version='1')

    Raises:
        CodecError: Where it is that of another kind of instrument.
    """
    match [part.strip() for part in line.split(",")]:
        case [_, model, serial, version] if model.startswith(MODEL) and serial:
            return Identity(model, serial, version)
    raise CodecError(f"{line!r} is not the identity of a reflectance spectrometer")


def parse_limits(line: str) -> Limits:
    """Read the reply to SYST:LIM?.

    >>> parse_limits("350,1100,1,5000,1000")
    Limits(from_nm=350.0, to_nm=1100.0, least_ms=1.0, most_ms=5000.0, most_averages=1000)

    Raises:
        CodecError: Where it is no such reply.
    """
    numbers = _numbers(line, 5)
    from_nm, to_nm, least_ms, most_ms, averages = numbers
    if not (0 < from_nm < to_nm and 0 < least_ms <= most_ms and averages >= 1):
        raise CodecError(f"{line!r} are no limits of a spectrometer")
    return Limits(from_nm, to_nm, least_ms, most_ms, int(averages))


def parse_references(line: str) -> References:
    """Read the reply to REF?.

    >>> parse_references("20,-")
    References(dark_ms=20.0, white_ms=None)

    Raises:
        CodecError: Where it is no such reply.
    """
    parts = line.split(",")
    if len(parts) != 2:
        raise CodecError(f"{line!r} does not say which references there are")
    dark_ms, white_ms = (None if part == "-" else _numbers(part, 1)[0] for part in parts)
    return References(dark_ms, white_ms)


def parse_state(line: str) -> State:
    """Read the reply to STAT?; raises `CodecError`."""
    try:
        return State(line)
    except ValueError:
        raise CodecError(f"state {line!r} is none of {', '.join(State)}") from None


def parse_lamp(line: str) -> Lamp:
    """Read the reply to LAMP?; raises `CodecError`."""
    try:
        return Lamp(line)
    except ValueError:
        raise CodecError(f"lamp {line!r} is none of {', '.join(Lamp)}") from None


def parse_count(line: str) -> int:
    """Read the reply to COUN?; raises `CodecError`."""
    if not line.isdecimal():
        raise CodecError(f"{line!r} is no count of acquisitions")
    return int(line)


def parse_error(line: str) -> str | None:
    """Read the reply to SYST:ERR?; None where there is no error.

    >>> parse_error('-222,"Data out of range"'), parse_error('0,"No error"')
    ('Data out of range (-222)', None)

    Raises:
        CodecError: Where it is no such reply.
    """
    found = re.fullmatch(r'([+-]?\d+),"([^"]*)"', line)
    if found is None:
        raise CodecError(f"{line!r} is no entry of an error queue")
    return None if int(found[1]) == 0 else f"{found[2]} ({found[1]})"


def parse_spectrum(line: str) -> Spectrum:
    """Read the reply to FETC?.

    Raises:
        CodecError: Where length or checksum are wrong, or it is no spectrum.
    """
    text = _checked(_block(line))
    head, *pairs = text.split(";")
    parts = head.split(",")
    if len(parts) != 3 or not parts[1].isdecimal() or not parts[2].isdecimal():
        raise CodecError(f"{head!r} does not begin a spectrum")
    points = [_numbers(pair, 2) for pair in pairs]
    if len(points) != int(parts[2]) or not points:
        raise CodecError(f"a spectrum of {parts[2]} points came with {len(points)}")
    wavelengths, reflectance = (tuple(column) for column in zip(*points, strict=True))
    if any(after <= before for before, after in pairwise(wavelengths)):
        raise CodecError("the wavelengths of a spectrum do not rise")
    if not all(LEAST_REFLECTANCE <= value <= MOST_REFLECTANCE for value in reflectance):
        raise CodecError(
            f"a spectrum reaches from {min(reflectance):g} to {max(reflectance):g}, which nothing reflects"
        )
    return Spectrum(parts[0], int(parts[1]), wavelengths, reflectance)


def _block(line: str) -> str:
    """Take off what IEEE 488.2 puts before a definite-length block."""
    digits = line[1:2]
    if line[:1] != "#" or not digits.isdecimal() or digits == "0":
        raise CodecError(f"{line[:20]!r} begins no block of data")
    begin = 2 + int(digits)
    length, block = line[2:begin], line[begin:]
    if not length.isdecimal() or int(length) != len(block):
        raise CodecError(f"a block of {length!r} bytes came with {len(block)}")
    return block


def _checked(block: str) -> str:
    text, star, crc = block.rpartition("*")
    if not star or not re.fullmatch(r"[0-9A-F]{8}", crc):
        raise CodecError("a spectrum came without its checksum")
    if int(crc, 16) != binascii.crc32(text.encode("latin-1")):
        raise CodecError(f"the checksum {crc} of a spectrum is wrong: what came was changed on its way")
    return text


def _numbers(text: str, count: int) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise CodecError(f"{text!r} are no numbers") from None
    if len(numbers) != count or not all(math.isfinite(number) for number in numbers):
        raise CodecError(f"{text!r} are not {count} numbers")
    return numbers


def _number(value: float) -> str:
    """Write a number as short as it can be.

    >>> _number(350.0), _number(0.125)
    ('350', '0.125')
    """
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _same(a: str, b: str) -> bool:
    try:
        return math.isclose(float(a), float(b), abs_tol=1e-6)
    except ValueError:
        return a == b
