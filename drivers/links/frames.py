"""Binary frames over a serial port or a TCP stream: each request is answered by a frame of a length known before.

    request   as the instrument's manual says
    reply     so many bytes; a check of the driver's own tells a sound one

Such replies seldom say what they answer, and several instruments may share one line. So nothing old lies on the
wire when a request goes out, after any failure it is read off until it was quiet for as long as a reply may be late,
and a line that was once found with bytes that nobody had asked for is given time before each request for a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from drivers.address import FolderAddress, ModbusAddress, parse_address
from drivers.errors import BadAddressError, CodecError, LinkError
from drivers.gate import Granted
from drivers.links.grant import check_grant
from drivers.links.strangers import repeated, stranger
from drivers.links.stream import StreamPort
from drivers.recognition import Recognition
from drivers.transcript import Transcript

FAILURES = (LinkError, CodecError, TimeoutError)
"""How an exchange ends that did not give a sound reply."""

T = TypeVar("T")
Check = Callable[[bytes], object]
"""Raises `CodecError` for bytes that are no sound reply; what it gives is not used."""
Length = int | Callable[[bytes], int]
"""Bytes in a reply, or a function that tells them from its beginning."""


class FramesLink:
    """One device on a line; others may share the port."""

    def __init__(
        self,
        device: str,
        address: str,
        transcript: Transcript,
        *,
        port: StreamPort | None = None,
        recognition: Recognition | None = None,
        timeout_s: float = 1.0,
        tries: int = 3,
        pause_s: float = 0.0,
    ) -> None:
        """Join a port; nothing is opened before its first use.

        Args:
            device: Who errors are about.
            address: A path, or ``socket://HOST:PORT``.
            transcript: Where the bytes are noted.
            port: The wire, shared with other devices; one of its own where it is missing.
            recognition: Knows who is at the other end.
            timeout_s: Wall seconds until the reply to a request is given up.
            tries: How often a question is asked before nobody is there; commands are sent once.
            pause_s: Wall seconds that the instrument needs between a reply and the next request.
        """
        where = parse_address(address)
        if isinstance(where, ModbusAddress | FolderAddress):
            raise BadAddressError(f"{device}: {address!r} is no serial port and no socket:// address")
        self.device, self.url, self.timeout_s, self.tries = device, where.url, timeout_s, tries
        self._port = port or StreamPort(where, transcript, mistakable=True)
        self._port.users.add(device)
        self._recognition = recognition
        self._pause_s = pause_s
        self._over_s = 0.0

    def query(self, request: bytes, reply_length: Length, *, check: Check) -> bytes:
        """Ask something that changes nothing; asked again when no sound reply comes.

        Args:
            request: The whole frame.
            reply_length: Bytes in the reply.
            check: Raises `CodecError` for a reply that is not sound.

        Raises:
            LinkError: When no try was answered soundly.
            WrongInstrumentError: When somebody else answers whoever is asked who it is.
        """
        if self._recognition is not None and self._recognition.is_meeting:
            return self._meet(request, reply_length, check)
        return self._query(request, reply_length, check, lambda: None)

    def act(self, request: bytes, grant: Granted, reply_length: Length, *, check: Check) -> bytes:
        """Command something, once, and give the reply.

        Raises:
            LinkError: When no sound reply came; whether the command was carried out is unknown then.
            GrantError: When the leave is for another device.
        """
        check_grant(self.device, grant)
        self._prepare()
        try:
            return self._exchange(request, reply_length, check)
        except FAILURES as error:
            raise self._failed(1, error) from error

    def guarded(self, read: Callable[[], T], canary: Callable[[], None]) -> T:
        """Give what several questions in `read` give, where the wire shows that nothing was mistaken for an answer.

        Args:
            read: Asks over this link.
            canary: Called last: asks for something known, and raises `CodecError` where that comes out otherwise.

        Raises:
            LinkError: When that does not succeed in a few tries.
        """
        return self._port.guarded(self.device, self.tries, read, lambda _: canary())

    def close(self) -> None:
        """Let go of the port; the next use opens it again."""
        self._port.close()

    # -- one exchange

    def _query(self, request: bytes, length: Length, check: Check, after_try: Callable[[], None]) -> bytes:
        cause: Exception | None = None
        for _ in range(self.tries):
            self._prepare()
            try:
                return self._exchange(request, length, check)
            except FAILURES as error:
                cause = error
            after_try()
        self._port.gave_up(self.device, self._recognition)
        raise self._failed(self.tries, cause) from cause

    def _meet(self, request: bytes, length: Length, check: Check) -> bytes:
        """Ask somebody who is not known yet, and listen to all that is said."""
        tries: list[bytes] = []
        heard = self._port.overheard = bytearray()

        def note() -> None:
            tries.append(bytes(heard))
            heard.clear()

        try:
            return self._query(request, length, check, note)
        except LinkError as error:
            foreign = [[said] if said not in (b"", request) else [] for said in tries]
            said = repeated(foreign)
            if said is None or _holds_reply(said, length, check):
                raise
            raise stranger(self.device, self.url, said, serial=not self.url.startswith("socket:")) from error
        finally:
            self._port.overheard = None

    def _prepare(self) -> None:
        self._port.prepare(self.device, self.url, self._recognition)
        if self._pause_s:
            time.sleep(max(0.0, self._over_s + self._pause_s - time.monotonic()))

    def _exchange(self, request: bytes, length: Length, check: Check) -> bytes:
        try:
            self._port.send(self.device, request)
            reply = self._receive(length)
            check(reply)
        except TimeoutError:
            self._port.settle(self.device)
            raise
        except CodecError:
            self._port.doubt(self.device)
            raise
        finally:
            self._over_s = time.monotonic()
        self._port.answered()
        return reply

    def _receive(self, length: Length) -> bytes:
        deadline_s = time.monotonic() + self.timeout_s
        port = self._port
        while len(port.pending) < (needed := length if isinstance(length, int) else length(port.pending)):
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(f"; {len(port.pending)} of {needed} bytes came" if port.pending else "")
            port.receive(self.device, left_s)
        if len(port.pending) > needed:
            # Two replies to one request: which of them is meant is not known.
            raise CodecError(f"{len(port.pending)} bytes came instead of {needed}")
        return self._port.take(self.device, needed)

    def _failed(self, tries: int, cause: Exception | None) -> LinkError:
        count = "1 try" if tries == 1 else f"{tries} tries"
        if isinstance(cause, LinkError):
            return cause
        if isinstance(cause, CodecError):
            return LinkError(
                f"{self.device}: what answers at {self.url} makes no sense ({count}; {cause}): are baud, parity and "
                "stop_bits right in the lab file, and is no other program on the line?"
            )
        return LinkError(
            f"{self.device}: nobody answers at {self.url} ({count} of {self.timeout_s:g} s{cause or ''}): "
            "is the instrument on and the address right in the lab file?"
        )


def _holds_reply(said: bytes, length: Length, check: Check) -> bool:
    """Whether a sound reply is in what was said, which was late then."""
    for at in range(len(said)):
        needed = length if isinstance(length, int) else length(said[at:])
        try:
            check(said[at : at + needed])
        except CodecError:
            continue
        return True
    return False
