"""Who answers and is another instrument than the one that is meant: known by what it says, the same each time.

What noise makes of a reply differs from try to try, and a reply that is only late is one. So somebody else is there
where bytes that answer nothing came in every try to have the instrument say who it is, and the same in the last two:
the first may have met half a request that somebody left behind.
"""

from __future__ import annotations

from collections.abc import Sequence

from drivers.errors import WrongInstrumentError

SHOWN_CHARACTERS, SHOWN_BYTES = 60, 20
"""How much of what came is quoted, as text and as bytes."""

Said = Sequence[bytes]
"""What came in one try and answers nothing, piece by piece."""


def repeated(tries: Sequence[Said]) -> bytes | None:
    """Give what came in both of the last two tries, where something came in all of them; None elsewhere.

    >>> repeated([[b"??"], [b"Hello", b"ES"], [b"Hello", b"ES"]])
    b'ES'
    >>> repeated([[], [b"ES"], [b"ES"]]), repeated([[b"ES"], [b"ET"]]), repeated([[b"ES"]])
    (None, None, None)
    """
    if len(tries) < 2 or not all(tries):
        return None
    return next((piece for piece in reversed(tries[-1]) if piece in tries[-2]), None)


def quoted(said: bytes) -> str:
    r"""Show what came to a person: as text where it is, else byte by byte.

    >>> quoted(b"ES\r\n"), quoted(bytes([1, 131, 2]))
    ("'ES'", '01 83 02')
    """
    text = said.decode("latin-1").strip()
    if text.isascii() and text.isprintable():
        return repr(text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}...")
    return said[:SHOWN_BYTES].hex(" ") + (" ..." if len(said) > SHOWN_BYTES else "")


def stranger(device: str, address: str, said: bytes, *, serial: bool) -> WrongInstrumentError:
    """Make the error for an instrument of another kind; a serial line may be set otherwise as well."""
    hint = ", and are baud, parity and stop_bits?" if serial else "?"
    return WrongInstrumentError(
        f"{device}: what answers at {address} is another instrument, it says {quoted(said)} each time that it is "
        f"asked who it is: is the address right in the lab file{hint}"
    )
