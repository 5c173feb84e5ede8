"""Lines of text over a serial port, a pseudo-terminal or a TCP stream.

    request   text TERMINATOR
    reply     text LF, with or without CR before it; empty lines mean nothing

Every read has a deadline by the wall clock. Before a request whatever came unasked is read off and noted in
the transcript. After an error the port is closed, and opened again by its path or address at the next use.
One thread at a time uses a link: the one of its bus.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import serial

from drivers.errors import LinkError
from drivers.gate import Granted
from drivers.links.grant import check_grant
from drivers.transcript import Transcript

POLL_S = 0.02
"""Wall seconds that a single read of the port may take; a deadline is overrun by that much at most."""
ACT_S = 10.0
"""Wall seconds for the reply to a command: it is sent once, and giving up early leaves its outcome unknown."""
LATE_S = 0.002
"""Wall seconds given to bytes that have been sent to come through the operating system."""
LONGEST = 1_000_000
"""Bytes without a line end after which this is no line protocol."""

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
    ) -> None:
        """Make the link; nothing is opened before its first use.

        Args:
            device: Who errors are about.
            url: A path, or ``socket://HOST:PORT``.
            transcript: Where the bytes are noted.
            terminator: What ends a line that is sent.
            timeout_s: Wall seconds until the answer to a question is given up.
            act_timeout_s: Wall seconds until the reply to a command is given up.
            tries: How often a question is asked before nobody is there; commands are sent once.
            baudrate: Bits per second, for serial ports.
            software_flow: XON/XOFF, for serial ports.
        """
        self.device, self.url, self.timeout_s, self.tries = device, url, timeout_s, tries
        self.act_timeout_s = act_timeout_s
        self._terminator = terminator
        self._baudrate, self._software_flow = baudrate, software_flow
        self._transcript = transcript
        self._port: serial.Serial | None = None
        self._pending = bytearray()

    def query(self, line: str, *, accepts: Accepts | None = None, timeout_s: float | None = None) -> str:
        """Ask something that changes nothing; asked again when no answer comes.

        Args:
            line: What to send, without its end.
            accepts: Tells a line that answers from one that came by itself; all answer where it is missing.
            timeout_s: Wall seconds for each try.

        Raises:
            LinkError: When no try was answered.
        """
        cause: LinkError | None = None
        for _ in range(self.tries):
            try:
                self._send(line)
                reply = self.read_line(timeout_s, accepts=accepts)
            except LinkError as error:
                cause = error
                continue
            if reply is not None:
                return reply
            self.close()
        raise cause or self.silence(self.tries, timeout_s)

    def act(self, line: str, grant: Granted, *, accepts: Accepts | None = None, timeout_s: float | None = None) -> str:
        """Command something, once, and give the reply.

        Raises:
            LinkError: When no reply came; whether the command was carried out is unknown then.
            GrantError: When the leave is for another device.
        """
        wait_s = self.act_timeout_s if timeout_s is None else timeout_s
        self.send(line, grant)
        reply = self.read_line(wait_s, accepts=accepts)
        if reply is None:
            self.close()
            raise self.silence(1, wait_s)
        return reply

    def send(self, line: str, grant: Granted) -> None:
        """Command something without waiting for a reply.

        Raises:
            LinkError: When the port cannot be opened or written to.
            GrantError: When the leave is for another device.
        """
        check_grant(self.device, grant)
        self._send(line)

    def read_line(self, timeout_s: float | None = None, *, accepts: Accepts | None = None) -> str | None:
        """Give the next line that comes within `timeout_s` wall seconds, or None.

        Raises:
            LinkError: When the port cannot be opened or read.
        """
        deadline_s = time.monotonic() + (self.timeout_s if timeout_s is None else timeout_s)
        while True:
            line = self._next_line(deadline_s)
            if line is None or accepts is None or accepts(line):
                return line

    def read_line_if_any(self, *, accepts: Accepts | None = None) -> str | None:
        """Give a line that has come already, or None.

        Raises:
            LinkError: When the port cannot be opened or read.
        """
        if not self._pending and not self._wait_for_bytes(LATE_S):
            return None
        return self.read_line(accepts=accepts)

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
        if self._pending:
            self._transcript.frame(self.device, "rx", bytes(self._pending))
            self._pending.clear()
        if self._port is not None:
            self._port.close()
            self._port = None

    # -- the port

    def _open(self) -> serial.Serial:
        if self._port is None:
            try:
                self._port = serial.serial_for_url(
                    self.url,
                    timeout=POLL_S,
                    exclusive=True,
                    baudrate=self._baudrate,
                    xonxoff=self._software_flow,
                )
            except OSError as error:
                raise self._broken("cannot be opened", error) from error
        return self._port

    def _broken(self, what: str, error: OSError) -> LinkError:
        self.close()
        return LinkError(
            f"{self.device}: {self.url} {what} ({error}): is the instrument on, the cable in, "
            "the address right in the lab file, and no other program using it?"
        )

    def _send(self, line: str) -> None:
        data = line.encode("latin-1") + self._terminator
        port = self._open()
        self._drain(port)
        try:
            port.write(data)
        except OSError as error:
            raise self._broken("broke while writing", error) from error
        self._transcript.frame(self.device, "tx", data)

    def _drain(self, port: serial.Serial) -> None:
        try:
            while waiting := port.in_waiting:
                self._pending += port.read(waiting)
        except OSError as error:
            raise self._broken("broke", error) from error
        if self._pending:
            self._transcript.frame(self.device, "rx", bytes(self._pending))
            self._pending.clear()

    def _next_line(self, deadline_s: float) -> str | None:
        while True:
            line = self._take_line()
            if line is not None:
                return line
            if time.monotonic() >= deadline_s:
                return None
            self._read_some()

    def _take_line(self) -> str | None:
        while (end := self._pending.find(b"\n")) >= 0:
            raw = bytes(self._pending[: end + 1])
            del self._pending[: end + 1]
            self._transcript.frame(self.device, "rx", raw)
            line = raw.decode("latin-1").strip("\r\n\0")
            if line:
                return line
        return None

    def _read_some(self) -> None:
        port = self._open()
        try:
            self._pending += port.read(max(1, port.in_waiting))
        except OSError as error:
            raise self._broken("broke while reading", error) from error
        if len(self._pending) > LONGEST:
            self.close()
            raise LinkError(
                f"{self.device}: {LONGEST} bytes without a line end came from {self.url}: wrong instrument?"
            )

    def _wait_for_bytes(self, wait_s: float) -> bool:
        deadline_s = time.monotonic() + wait_s
        port = self._open()
        try:
            while not port.in_waiting:
                if time.monotonic() >= deadline_s:
                    return False
                time.sleep(wait_s / 8)
        except OSError as error:
            raise self._broken("broke", error) from error
        return True
