"""Telegrams of the Aeris family: words and assignments between ``@`` signs, closed by ``@END``.

@STATUS_REQUEST@LOCATION=0,3@END        no line end; replies have the same form
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sim.wire.receiver import Send

END = b"@END"
LONGEST = 4096


@dataclass(frozen=True)
class Telegram:
    """One telegram taken apart."""

    words: tuple[str, ...]
    """Fields without a value, in order: ``("STATUS_REQUEST", "SYSTEM")``."""
    values: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        fields = [*self.words, *(f"{key}={value}" for key, value in self.values.items())]
        return "@" + "@".join(fields) + "@END"


def parse(text: str) -> Telegram:
    """Take a telegram apart.

    >>> parse("@SAMPLE@REMOVE@SAMPLE_ID=S7@END")
    Telegram(words=('SAMPLE', 'REMOVE'), values={'SAMPLE_ID': 'S7'})
    """
    fields = [part for part in text.removesuffix("@END").split("@") if part]
    words = tuple(part for part in fields if "=" not in part)
    return Telegram(words, dict(part.split("=", 1) for part in fields if "=" in part))


class TelegramReceiver:
    """Cuts a stream into telegrams and sends what the instrument answers."""

    framing = "telegrams"
    """How frames look, for the relay."""

    def __init__(self, send: Send, query: Callable[[Telegram], Telegram]) -> None:
        self._send = send
        self._query = query
        self._buffer = bytearray()

    def receive(self, data: bytes) -> None:
        """Digest the next bytes."""
        self._buffer += data
        while (cut := self._buffer.find(END)) >= 0:
            text = bytes(self._buffer[: cut + len(END)]).decode("ascii", errors="replace")
            del self._buffer[: cut + len(END)]
            self._send(str(self._query(parse(text[text.index("@") :]))).encode("ascii", errors="replace"))
        if len(self._buffer) > LONGEST:
            self._buffer.clear()
