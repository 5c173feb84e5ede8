"""One TCP connection for each question: connect, send, read to the end mark, close.

Messages that nobody asked for may come before the reply (instruments.md 5.1), so a reply is what `accepts`
says it is. Who answers is asked anew after every failure, as over other wires after each opening.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from drivers.address import SocketAddress
from drivers.errors import LinkError
from drivers.gate import Granted
from drivers.links.grant import check_grant
from drivers.links.opening import connect, not_open
from drivers.links.settings import LineSettings
from drivers.links.strangers import repeated, stranger
from drivers.recognition import Recognition
from drivers.transcript import Transcript

LONGEST = 1_000_000
"""Bytes without an end mark after which this is no such protocol."""


class QueryLink:
    """Asks and commands in messages that end with a mark."""

    def __init__(
        self,
        device: str,
        host: str,
        tcp_port: int,
        transcript: Transcript,
        *,
        end: bytes = b"@END",
        timeout_s: float = 5.0,
        tries: int = 3,
        recognition: Recognition | None = None,
    ) -> None:
        """Make the link; a connection lives as long as one question.

        Args:
            device: Who errors are about.
            host: Name or number.
            tcp_port: Port.
            transcript: Where the bytes are noted.
            end: What ends a message, both ways.
            timeout_s: Wall seconds until a reply is given up.
            tries: How often a question is asked; commands are sent once.
            recognition: Knows who is at the other end.
        """
        self.device, self.timeout_s, self.tries = device, timeout_s, tries
        self._where = SocketAddress(host, tcp_port)
        self.address = self._where.url
        self._end = end
        self._transcript = transcript
        self._recognition = recognition
        self._silences = 0
        self._heard: list[bytes] = []
        """What came over the connection and answered nothing, message by message; the last may be incomplete."""

    def query(self, message: str, *, accepts: Callable[[str], bool] | None = None) -> str:
        """Ask something that changes nothing; asked again when no answer comes.

        Raises:
            LinkError: When no try was answered.
            WrongInstrumentError: When somebody else answers whoever is asked who it is.
        """
        self._recognize()
        cause: OSError | None = None
        tries: list[list[bytes]] = []
        for _ in range(self.tries):
            with self._connect() as stream:
                self._heard = []
                try:
                    return self._exchange(stream, message, accepts)
                except OSError as error:
                    cause = error
                tries.append(self._heard)
        self._silences += 1
        said = repeated(tries)
        if said is not None and self._recognition is not None and self._recognition.is_meeting:
            raise stranger(self.device, self.address, said, serial=False) from cause
        raise self._silence(self.tries, cause) from cause

    def act(
        self,
        message: str,
        grant: Granted,
        *,
        accepts: Callable[[str], bool] | None = None,
    ) -> str:
        """Command something, once, and give the reply.

        Raises:
            LinkError: When no reply came; whether the command was carried out is unknown then, unless no
                connection could be made.
            GrantError: When the leave is for another device.
        """
        check_grant(self.device, grant)
        self._recognize()
        with self._connect() as stream:
            try:
                return self._exchange(stream, message, accepts)
            except OSError as error:
                self._silences += 1
                raise self._silence(1, error) from error

    def _recognize(self) -> None:
        if self._recognition is not None:
            self._recognition.before_exchange(self._silences)

    def _connect(self) -> socket.socket:
        try:
            return connect(self._where, timeout_s=self.timeout_s)
        except OSError as error:
            self._silences += 1
            raise not_open(self.device, self.address, self._where, LineSettings(), error) from error

    def _exchange(self, stream: socket.socket, message: str, accepts: Callable[[str], bool] | None) -> str:
        data = message.encode("ascii")
        deadline_s = time.monotonic() + self.timeout_s
        stream.sendall(data)
        self._transcript.frame(self.device, "tx", data)
        pending = b""
        while True:
            raw, pending = self._read_message(stream, pending, deadline_s)
            text = raw.decode("latin-1").strip()
            if accepts is None or accepts(text):
                return text
            self._heard.append(raw)

    def _read_message(self, stream: socket.socket, pending: bytes, deadline_s: float) -> tuple[bytes, bytes]:
        while self._end not in pending:
            try:
                pending += self._read_some(stream, deadline_s, len(pending))
            except OSError:
                if pending.strip():
                    self._heard.append(pending)
                    self._transcript.frame(self.device, "rx", pending)
                raise
        end = pending.index(self._end) + len(self._end)
        self._transcript.frame(self.device, "rx", pending[:end])
        return pending[:end], pending[end:]

    def _read_some(self, stream: socket.socket, deadline_s: float, before: int) -> bytes:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError(f"no complete reply in {self.timeout_s:g} s")
        if before > LONGEST:
            raise ConnectionError(f"{LONGEST} bytes without an end mark came: wrong instrument?")
        stream.settimeout(left_s)
        chunk = stream.recv(65536)
        if not chunk:
            raise ConnectionError(f"closed after {before} bytes of a reply")
        return chunk

    def _silence(self, tries: int, cause: OSError | None) -> LinkError:
        count = "1 try" if tries == 1 else f"{tries} tries"
        return LinkError(
            f"{self.device}: nobody answers at {self.address} ({count} of {self.timeout_s:g} s; {cause}): "
            "is the instrument on and the address right in the lab file?"
        )
