"""Lines of text over a serial port, a pseudo-terminal or a TCP stream.

    request   text TERMINATOR
    reply     text LF, with or without CR before it; or text CR where requests end so; empty lines mean nothing

Every read has a deadline by the wall clock. Before a request whatever came unasked is read off and noted in
the transcript; after one that was not answered the wire is read off until it is quiet. A wire that breaks, or over
which nobody answers, is closed, and opened again by its path or address at the next use. Several instruments may
share one wire, where each knows what is meant for it. One thread at a time uses a link: the one of its bus.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from drivers.address import FolderAddress, ModbusAddress, parse_address
from drivers.errors import BadAddressError, LinkError
from drivers.gate import Granted
from drivers.links.grant import check_grant
from drivers.links.settings import LineSettings
from drivers.links.strangers import repeated, stranger
from drivers.links.stream import StreamPort
from drivers.recognition import Recognition
from drivers.transcript import Transcript

ACT_S = 10.0
"""Wall seconds for the reply to a command: it is sent once, and giving up early leaves its outcome unknown."""
LATE_S = 0.002
"""Wall seconds given to bytes that have been sent to come through the operating system."""
LONGEST = 1_000_000
"""Bytes without a line end after which this is no line protocol."""
PADDING = "\r\n\0\b"
"""What instruments put around a line beside its end."""

Accepts = Callable[[str], bool]


class LineLink:
    """Asks in lines and is answered in lines."""

    def __init__(
        self,
        device: str,
        url: str,
        transcript: Transcript,
        *,
        terminator: bytes = b"\r\n",
        timeout_s: float = 1.0,
        act_timeout_s: float = ACT_S,
        tries: int = 3,
        baudrate: int = 9600,
        software_flow: bool = False,
        port: StreamPort | None = None,
        recognition: Recognition | None = None,
        unasked: Accepts | None = None,
    ) -> None:
        """Join a port; nothing is opened before its first use.

        Args:
            device: Who errors are about.
            url: A path, or ``socket://HOST:PORT``.
            transcript: Where the bytes are noted.
            terminator: What ends a line that is sent; its last byte ends a line that comes.
            timeout_s: Wall seconds until the answer to a question is given up.
            act_timeout_s: Wall seconds until the reply to a command is given up.
            tries: How often a question is asked before nobody is there; commands are sent once.
            baudrate: Bits per second, for a serial port of its own.
            software_flow: XON/XOFF, for a serial port of its own.
            port: The wire, shared with other devices; one of its own where it is missing.
            recognition: Knows who is at the other end.
            unasked: Tells a line that the instrument may say by itself, such as a greeting.
        """
        where = parse_address(url)
        if isinstance(where, ModbusAddress | FolderAddress):
            raise BadAddressError(f"{device}: {url!r} is no serial port and no socket:// address")
        self.device, self.url, self.timeout_s, self.tries = device, url, timeout_s, tries
        self.act_timeout_s = act_timeout_s
        self._terminator, self._line_end = terminator, terminator[-1:]
        settings = LineSettings(baudrate=baudrate, software_flow=software_flow)
        self._port = port or StreamPort(where, transcript, settings=settings)
        self._port.users.add(device)
        self._recognition = recognition
        self._unasked = unasked

    def query(self, line: str, *, accepts: Accepts | None = None, timeout_s: float | None = None) -> str:
        """Ask something that changes nothing; asked again when no answer comes.

        Args:
            line: What to send, without its end.
            accepts: Tells a line that answers from one that came by itself; all answer where it is missing.
            timeout_s: Wall seconds for each try.

        Raises:
            LinkError: When no try was answered.
            WrongInstrumentError: When somebody else answers whoever is asked who it is.
        """
        if self._recognition is not None and self._recognition.is_meeting:
            return self._meet(line, accepts, timeout_s)
        return self._query(line, accepts, timeout_s, lambda: None)

    def act(self, line: str, grant: Granted, *, accepts: Accepts | None = None, timeout_s: float | None = None) -> str:
        """Command something, once, and give the reply.

        Raises:
            LinkError: When no reply came; whether the command was carried out is unknown then.
            GrantError: When the leave is for another device.
        """
        wait_s = self.act_timeout_s if timeout_s is None else timeout_s
        self.send(line, grant)
        reply = self._read_line(wait_s, accepts)
        if reply is None:
            self._port.settle(self.device)
            raise self.silence(1, wait_s)
        return reply

    def send(self, line: str, grant: Granted) -> None:
        """Command something without waiting for a reply.

        Raises:
            LinkError: When the port cannot be opened or written to.
            GrantError: When the leave is for another device.
        """
        check_grant(self.device, grant)
        self._prepare()
        self._port.send(self.device, self._encode(line))

    def read_line(self, timeout_s: float | None = None, *, accepts: Accepts | None = None) -> str | None:
        """Give the next line that comes within `timeout_s` wall seconds, or None.

        Raises:
            LinkError: When the port cannot be opened or read.
        """
        self._ready()
        return self._read_line(timeout_s, accepts)

    def read_line_if_any(self, *, accepts: Accepts | None = None) -> str | None:
        """Give a line that has come already, or None.

        Raises:
            LinkError: When the port cannot be opened or read.
        """
        self._ready()
        if not self._port.pending and not self._port.receive(self.device, LATE_S):
            return None
        return self._read_line(None, accepts)

    def silence(self, tries: int, timeout_s: float | None = None) -> LinkError:
        """Make the error for a question that nobody answered."""
        each_s = self.timeout_s if timeout_s is None else timeout_s
        count = "1 try" if tries == 1 else f"{tries} tries"
        return LinkError(
            f"{self.device}: nobody answers at {self.url} ({count} of {each_s:g} s): "
            "is the instrument on and the address right in the lab file?"
        )

    def close(self) -> None:
        """Let go of the port; the next use opens it again."""
        self._port.close()

    # -- the port

    def _query(self, line: str, accepts: Accepts | None, timeout_s: float | None, after_try: Callable[[], None]) -> str:
        cause: LinkError | None = None
        for _ in range(self.tries):
            self._prepare()
            try:
                self._port.send(self.device, self._encode(line))
                reply = self._read_line(timeout_s, accepts)
            except LinkError as error:
                cause = error
            else:
                if reply is not None:
                    return reply
                self._port.settle(self.device)
            after_try()
        self._port.gave_up(self.device, self._recognition)
        raise cause or self.silence(self.tries, timeout_s)

    def _meet(self, line: str, accepts: Accepts | None, timeout_s: float | None) -> str:
        """Ask somebody who is not known yet, and listen to all that is said."""
        tries: list[list[bytes]] = []
        heard = self._port.overheard = bytearray()

        def note() -> None:
            *whole, rest = bytes(heard).split(self._line_end)
            heard.clear()
            tries.append([*whole, rest])

        try:
            return self._query(line, accepts, timeout_s, note)
        except LinkError as error:
            said = repeated([self._foreign(pieces, line, accepts) for pieces in tries])
            if said is None:
                raise
            raise stranger(self.device, self.url, said, serial=not self.url.startswith("socket:")) from error
        finally:
            self._port.overheard = None

    def _foreign(self, pieces: Sequence[bytes], line: str, accepts: Accepts | None) -> list[bytes]:
        """Give what was said and answers nothing, nor is our own line that came back; none where an answer was late."""
        said = [(piece, piece.decode("latin-1").strip(PADDING)) for piece in pieces]
        whole = [text for _, text in said[:-1] if text]
        if any(accepts is None or accepts(text) for text in whole):
            return []
        own = self._unasked or (lambda _: False)
        return [piece for piece, text in said if text not in ("", line) and not own(text)]

    def _prepare(self) -> None:
        self._port.prepare(self.device, self.url, self._recognition)

    def _ready(self) -> None:
        opening = self._port.ready(self.device, self.url)
        if self._recognition is not None:
            self._recognition.before_exchange(opening)

    def _encode(self, line: str) -> bytes:
        return line.encode("latin-1") + self._terminator

    def _read_line(self, timeout_s: float | None, accepts: Accepts | None) -> str | None:
        deadline_s = time.monotonic() + (self.timeout_s if timeout_s is None else timeout_s)
        is_over = False
        while True:
            while (line := self._take_line()) is not None:
                if accepts is None or accepts(line):
                    return line
            if is_over:
                return None
            left_s = deadline_s - time.monotonic()
            # What has come by the deadline counts, whoever was slow to look; nothing later does.
            is_over = left_s <= 0
            self._port.receive(self.device, max(0.0, left_s))
            self._check_length()

    def _take_line(self) -> str | None:
        while (end := self._port.pending.find(self._line_end)) >= 0:
            line = self._port.take(self.device, end + 1).decode("latin-1").strip(PADDING)
            if line:
                self._port.answered()
                return line
        return None

    def _check_length(self) -> None:
        if len(self._port.pending) > LONGEST:
            self.close()
            raise LinkError(
                f"{self.device}: {LONGEST} bytes without a line end came from {self.url}: wrong instrument?"
            )
