"""A serial line or TCP stream with Modbus units on it.

RTU has no transaction number: a late reply would answer the next question. So nothing is sent twice here, and after a
failure an RTU line is read off until it was quiet for as long as a reply may be late (instruments.md 0, 7.1). On TCP
each reply says which question it answers, and late ones are passed over; a stream that failed is closed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from drivers.address import ModbusAddress, SerialAddress
from drivers.errors import CodecError, LinkError
from drivers.links import modbus_frames as frames
from drivers.links.port import Now
from drivers.links.settings import LineSettings
from drivers.links.stream import StreamPort
from drivers.recognition import Recognition
from drivers.transcript import Transcript

LAST_TRANSACTION = 0xFFFF


class NoReplyError(LinkError):
    """No sound reply came."""


class PartlyAnsweredError(NoReplyError):
    """Of several questions some were answered: whoever is there takes them one by one."""


class ModbusPort(StreamPort):
    """A serial line or TCP stream with one or several units."""

    def __init__(
        self,
        address: ModbusAddress,
        transcript: Transcript,
        *,
        timeout_s: float = 1.0,
        tries: int = 3,
        quiet_s: float = 0.5,
        baudrate: int = 9600,
        settings: LineSettings | None = None,
        now: Now | None = None,
    ) -> None:
        """Make the port; nothing is opened before its first use.

        Args:
            address: The wire; its unit is not used.
            transcript: Where the bytes are noted.
            timeout_s: Wall seconds until a reply is given up.
            tries: How often a question is asked.
            quiet_s: Wall seconds that an RTU line must be silent after a failure: how late a reply may be.
            baudrate: Bits per second, for serial ports, where `settings` is missing.
            settings: Of a serial line.
            now: Lab time, as for `SharedPort`.
        """
        where, is_serial = address.wire, isinstance(address.wire, SerialAddress)
        settings = settings or LineSettings(baudrate)
        super().__init__(where, transcript, settings=settings, quiet_s=quiet_s, mistakable=is_serial, now=now)
        self.timeout_s, self.tries = timeout_s, tries
        self.connect_s = timeout_s
        self._transaction = 0
        self._is_late = False
        """Whether the time for a reply was over when bytes were read last: no more are waited for then."""

    @property
    def takes_several(self) -> bool:
        """Whether several questions may be asked at once: their replies say which one they answer."""
        return not self.mistakable and len(self.users) == 1

    def exchange(
        self, link: str, unit: int, requests: Sequence[bytes], *, address: str, recognition: Recognition | None = None
    ) -> list[bytes]:
        """Send requests on behalf of `link`, each once, and give the replies in their order.

        Args:
            link: Whose they are.
            unit: Whom they are for.
            requests: One; several where the port `takes_several`.
            address: As errors show it.
            recognition: Knows who is at the other end.

        Raises:
            NotOpenError: When the wire cannot be opened.
            WrongInstrumentError: When somebody else is there.
            PartlyAnsweredError: When only some of several were answered in time.
            NoReplyError: When none was; the line is drained or closed then.
            CodecError: When something else came in place of a reply; the same is done.
        """
        self.prepare(link, address, recognition)
        self._is_late = False
        try:
            replies = self._over_rtu(link, unit, *requests) if self.mistakable else self._over_tcp(link, unit, requests)
        except PartlyAnsweredError:
            raise
        except NoReplyError:
            self.take(link, len(self.pending))
            self.settle(link)
            raise
        except CodecError as error:
            self.settle(link)
            raise CodecError(f"{link}: {error} ({address}): is the line disturbed, or set otherwise?") from error
        self.answered()
        return replies

    def quieten(self, device: str, quiet_s: float) -> None:
        """Read off what comes until nothing did for `quiet_s` wall seconds; closes a wire that is never quiet.

        TCP needs none of that: each reply says which question it answers.
        """
        if self.mistakable:
            super().quieten(device, quiet_s)

    def _over_rtu(self, link: str, unit: int, request: bytes) -> list[bytes]:
        deadline_s = time.monotonic() + self.timeout_s
        self._send(link, frames.rtu_frame(unit, request))
        while True:
            self._await(link, deadline_s)
            reply = frames.rtu_reply(bytes(self.pending), unit)
            if reply is not None:
                self.take(link, len(self.pending))
                return [reply]

    def _over_tcp(self, link: str, unit: int, requests: Sequence[bytes]) -> list[bytes]:
        deadline_s = time.monotonic() + self.timeout_s
        asked = {self._next_transaction(): request for request in requests}
        self._send(link, b"".join(frames.tcp_frame(number, unit, request) for number, request in asked.items()))
        replies: dict[int, bytes] = {}
        while len(replies) < len(asked):
            try:
                self._await(link, deadline_s)
            except NoReplyError as error:
                if replies and self.is_open:
                    raise PartlyAnsweredError(f"{error}: {len(replies)} of {len(asked)} questions") from error
                raise
            while (found := frames.tcp_reply(bytes(self.pending))) is not None:
                self.take(link, found.used)
                if found.transaction in asked and found.unit == unit:
                    replies[found.transaction] = found.reply
        return [replies[number] for number in asked]

    def _next_transaction(self) -> int:
        self._transaction = self._transaction % LAST_TRANSACTION + 1
        return self._transaction

    def _send(self, link: str, data: bytes) -> None:
        try:
            self.send(link, data)
        except LinkError as error:
            raise NoReplyError(str(error)) from error

    def _await(self, link: str, deadline_s: float) -> None:
        """Have more bytes come; what has come when the time is over still counts, once."""
        left_s = deadline_s - time.monotonic()
        try:
            if not self._is_late and self.receive(link, max(0.0, left_s)):
                self._is_late = left_s <= 0.0
                return
        except LinkError as error:
            raise NoReplyError(str(error)) from error
        raise NoReplyError(f"{link}: {self.where.url} did not answer within {self.timeout_s:g} s")
