r"""Text instruments: one command to a line, one or more lines back.

    | text ... | CR LF |      or      | text ... | LF |

A command ends at LF, with or without CR before it; replies end as the instrument ends them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sim.wire.receiver import Send

LONGEST = 4096
"""Bytes without an end of line after which the line is taken for noise and dropped."""

FRAMINGS: Mapping[bytes, str] = {b"\r\n": "lines-crlf", b"\n": "lines-lf", b"\r": "lines-cr"}
"""What ends a line -> what the relay calls that."""

Reply = Callable[[str], None]
"""Sends one line back, now or later."""

Command = Callable[[str, Reply], None]
"""What an instrument does with one line."""


class LineReceiver:
    """Cuts a stream into lines and hands each to the instrument."""

    def __init__(self, send: Send, command: Command, end: bytes, encoding: str = "ascii") -> None:
        self._send = send
        self._command = command
        self._end = end
        self._encoding = encoding
        self._buffer = bytearray()
        self.framing = FRAMINGS.get(end, "unknown")
        """How frames look, for the relay."""

    def receive(self, data: bytes) -> None:
        """Digest the next bytes."""
        self._buffer += data
        while (cut := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:cut]).rstrip(b"\r")
            del self._buffer[: cut + 1]
            self._command(line.decode(self._encoding, errors="replace"), self._reply)
        if len(self._buffer) > LONGEST:
            self._buffer.clear()

    def _reply(self, text: str) -> None:
        self._send(text.encode(self._encoding, errors="replace") + self._end)
