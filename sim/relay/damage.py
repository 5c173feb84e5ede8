"""What becomes of the bytes of a frame."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

NOISE_BEFORE = range(1, 9)
"""How many bytes of noise may come before a frame."""
WRAPPED = 0xFFF1
"""A little below zero: -15 to whoever reads the sign, 65521 to whoever does not."""


@dataclass(frozen=True)
class Parcel:
    """Bytes that go out at once."""

    delay_s: float
    """Wall time, from now."""
    data: bytes


def at_once(data: bytes) -> list[Parcel]:
    """Send as it is."""
    return [Parcel(0.0, data)]


def dripping(data: bytes, every_s: float) -> list[Parcel]:
    """Send byte by byte."""
    return [Parcel(index * every_s, data[index : index + 1]) for index in range(len(data))]


def noisy(data: bytes, share: float, random: Random) -> bytes:
    """Replace a share of the bytes, one at least.

    >>> noisy(b"abcd", 0.0, Random(1)) != b"abcd"
    True
    """
    hit = {index for index in range(len(data)) if random.random() < share} or {random.randrange(len(data))}
    return bytes(byte ^ random.randrange(1, 256) if index in hit else byte for index, byte in enumerate(data))


def with_noise_before(data: bytes, random: Random) -> bytes:
    """Put a few random bytes in front."""
    return random.randbytes(random.choice(NOISE_BEFORE)) + data


def cut(data: bytes, variant: str) -> bytes:
    """Leave the first four bytes, or all but the last one; less than all in any case.

    >>> cut(b"abc", "first 4 bytes")
    b'ab'
    """
    return data[: min(4, len(data) - 1)] if variant.startswith("first") else data[:-1]


def first_wrapped(words: list[int]) -> list[int]:
    """Have the first value be a little below zero."""
    return [WRAPPED, *words[1:]]
