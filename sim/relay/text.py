"""Text on a wire: lines, and the telegrams of the Aeris family.

| text ... | CR LF |    | text ... | LF |    | text ... | CR |        lines
| @ word @ key = value ... @END |                                     telegrams
"""

from __future__ import annotations

from collections.abc import Collection
from random import Random

from sim.relay.framing import Framing

DIGITS = b"0123456789"
LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
BEGUN = b" B"


class Lines(Framing):
    """Lines, of which either side may say several."""

    def __init__(self, end: bytes) -> None:
        """Read lines that the instrument ends with `end`; a client ends them with its last byte at least."""
        self.end = end

    def request_end(self, data: bytes) -> int:
        """Find the end of the first line."""
        return data.find(self.end[-1:]) + 1

    def reply_end(self, data: bytes) -> int:
        """Find the end of the first line."""
        return data.find(self.end[-1:]) + 1

    def ear(self, request: bytes, ears: Collection[str]) -> str | None:
        """Those who share a line are called by what the line begins with."""
        text = request.decode("latin-1").lstrip()
        return next((ear for ear in sorted(ears, key=len, reverse=True) if text.startswith(ear)), None)

    def corrupt(self, reply: bytes, random: Random) -> bytes | None:
        """Make one digit another, or one letter where there is no digit."""
        return another_character(reply, random)

    def begun(self, reply: bytes) -> bytes | None:
        """``QRA 61 1 B`` is followed by ``QRA 61 1 A`` or ``QRA 61 1 I 3`` one day."""
        text = reply.rstrip(b"\r\n")
        return text[:-1] if text.endswith(BEGUN) else None


class LettersAndLines(Lines):
    """Lines of several instruments, each with its letter in front of what it says."""

    addressed = True

    def by_another(self, reply: bytes) -> bytes | None:
        """Put another letter in front."""
        first = reply[:1]
        return (b"B" if first != b"B" else b"C") + reply[1:] if first.isalpha() else None


class Telegrams(Framing):
    """One telegram after another, without line ends."""

    END = b"@END"

    def request_end(self, data: bytes) -> int:
        """Find the end of the first telegram."""
        found = data.find(self.END)
        return found + len(self.END) if found >= 0 else 0

    def reply_end(self, data: bytes) -> int:
        """Find the end of the first telegram."""
        return self.request_end(data)

    def corrupt(self, reply: bytes, random: Random) -> bytes | None:
        """Change a character of the last value, which is what the telegram is about."""
        start = reply.rfind(b"=")
        if start < 0:
            return None
        changed = another_character(reply[start : -len(self.END)], random)
        return None if changed is None else reply[:start] + changed + self.END


def another_character(text: bytes, random: Random) -> bytes | None:
    """Make one digit another digit or, where there is none, one letter another letter."""
    for kind in (DIGITS, LETTERS):
        places = [index for index, byte in enumerate(text) if byte in kind]
        if places:
            index = random.choice(places)
            other = random.choice([byte for byte in kind if byte != text[index]])
            return text[:index] + bytes([other]) + text[index + 1 :]
    return None
