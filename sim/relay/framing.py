"""What the relay must know of a protocol: where frames end, who is meant, what a fault can be made of.

A framing reads frames that it did not make. It shares nothing with the receivers of `sim.wire` and nothing with the
drivers, so that a stand-alone proxy can use it in front of a real instrument.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from random import Random

Words = list[int]
Change = Callable[[Words], Words]


class Framing:
    """Frames of which nothing is known: what is said at once is one frame. Others say more."""

    checked = False
    """Whether frames carry a checksum."""
    addressed = False
    """Whether replies say who gives them."""
    has_words = False
    """Whether replies carry 16-bit values at known places."""

    # -- where frames end

    def request_end(self, data: bytes) -> int:
        """Give the length of the whole request that `data` begins with, 0 where it is not there yet."""
        return len(data)

    def reply_end(self, data: bytes) -> int:
        """Give the length of the whole reply that `data` begins with, 0 where it is not there yet."""
        return len(data)

    def whole(self, frame: bytes) -> bool:
        """Whether a request or a reply is what the methods below can read."""
        return True

    # -- what a request says

    def ear(self, request: bytes, ears: Collection[str]) -> str | None:
        """Give which of several on a line is meant."""
        return None

    def reads(self, request: bytes) -> bool:
        """Whether the request is known to change nothing."""
        return False

    def writes(self, request: bytes) -> bool:
        """Whether the request is known to change something, and `acknowledge` knows the reply."""
        return False

    def question(self, request: bytes) -> bytes:
        """Give what makes two requests the same question."""
        return request

    # -- replies made from others; None where this protocol has no such thing

    def spoil(self, frame: bytes) -> bytes | None:
        """Make the checksum wrong, of a request or a reply."""
        return None

    def by_another(self, reply: bytes) -> bytes | None:
        """Have another unit give the reply."""
        return None

    def refusal(self, request: bytes, code: int) -> bytes | None:
        """Refuse a request with a Modbus exception."""
        return None

    def acknowledgement(self, request: bytes) -> bytes | None:
        """Acknowledge what a request writes."""
        return None

    def again(self, request: bytes, reply: bytes) -> bytes | None:
        """Make a reply that was given earlier one to this request."""
        return None

    def foreign_question(self, request: bytes) -> bytes | None:
        """Give what another master might ask of the same unit."""
        return None

    def with_words(self, reply: bytes, change: Change) -> bytes | None:
        """Change the 16-bit values that a reply carries, the checksum right again."""
        return None

    def corrupt(self, reply: bytes, random: Random) -> bytes | None:
        """Make one value another one, where no checksum tells."""
        return None

    def begun(self, reply: bytes) -> bytes | None:
        """Give what the line that tells the end will begin with, where a reply says that something has begun."""
        return None


def flip(data: bytes, index: int, bits: int) -> bytes:
    """Give data with some bits of one byte changed.

    >>> flip(b"abc", -1, 0x20)
    b'abC'
    """
    changed = bytearray(data)
    changed[index] ^= bits
    return bytes(changed)
