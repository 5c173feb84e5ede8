"""A serial line or TCP stream with Modbus units on it.

RTU has no transaction number: a late reply would answer the next question. So nothing is sent twice here, and after a
failure an RTU line is read off until it was quiet for as long as a reply may be late (instruments.md 0, 7.1). On TCP
each reply says which question it answers, and late ones are passed over; a stream that failed is closed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from drivers.address import ModbusAddress, SerialAddress
from drivers.errors import CodecError, DriverError, LinkError
from drivers.links import modbus_frames as frames
from drivers.links.port import Now
from drivers.links.settings import LineSettings
from drivers.links.stream import StreamPort
from drivers.recognition import Recognition
from drivers.transcript import Transcript

LAST_TRANSACTION = 0xFFFF
TOGETHER_S = 0.02
"""Wall seconds for which all replies to several questions are waited for at once."""


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

    @property
    def takes_several(self) -> bool:
        """Whether several questions may be asked at once: their replies say which one they answer."""
        return not self.mistakable and len(self.users) == 1

    def at_once(
        self, link: str, unit: int, requests: Sequence[bytes], *, address: str, recognition: Recognition | None = None
    ) -> list[bytes]:
        """Send requests on behalf of `link`, each once and all in one write, and give the replies in their order.

        Args:
            link: Whose they are.
            unit: Whom they are for.
            requests: Several, for a port that `takes_several`.
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
        try:
            replies = self._over_tcp(link, unit, requests)
        except PartlyAnsweredError:
            raise
        except (LinkError, CodecError) as error:
            raise self._failed(link, address, error) from error
        self.answered()
        return replies

    def in_turn(
        self, link: str, unit: int, requests: Sequence[bytes], *, address: str, recognition: Recognition | None = None
    ) -> Iterator[bytes]:
        """Send requests on behalf of `link`, each once, the next one when the reply to the one before was taken.

        A serial line that is not suspect is prepared for the first only: what comes unasked between a reply and the
        next request is seen in place of the next reply, before it or after it.

        Args and errors are those of `at_once`.
        """
        for i, request in enumerate(requests):
            if not self.mistakable:
                yield from self.at_once(link, unit, (request,), address=address, recognition=recognition)
                continue
            if i == 0 or self._suspect:
                self.prepare(link, address, recognition)
            try:
                reply = self._over_rtu(link, unit, request)
            except (LinkError, CodecError) as error:
                raise self._failed(link, address, error) from error
            self.answered()
            yield reply

    def quieten(self, device: str, quiet_s: float) -> None:
        """Read off what comes until nothing did for `quiet_s` wall seconds; closes a wire that is never quiet.

        TCP needs none of that: each reply says which question it answers.
        """
        if self.mistakable:
            super().quieten(device, quiet_s)

    def _over_rtu(self, link: str, unit: int, request: bytes) -> bytes:
        self.send(link, frames.rtu_frame(unit, request))
        deadline_s, left_s = time.monotonic() + self.timeout_s, self.timeout_s
        while self.receive(link, left_s):
            reply = frames.rtu_reply(self.pending, unit)
            if reply is not None:
                self.take(link, len(self.pending))
                return reply
            if left_s <= 0.0:
                break  # what had come when the time was over counted, once
            left_s = deadline_s - time.monotonic()
        raise LinkError(self._said_nothing(link))

    def _over_tcp(self, link: str, unit: int, requests: Sequence[bytes]) -> list[bytes]:
        asked = {self._next_transaction(): request for request in requests}
        self.send(link, b"".join(frames.tcp_frame(number, unit, request) for number, request in asked.items()))
        deadline_s, left_s = time.monotonic() + self.timeout_s, self.timeout_s
        replies: dict[int, bytes] = {}
        # Replies that come one by one wake nobody for each, unless they are others than those expected, or late.
        self.expect(link, sum(map(frames.tcp_reply_length, requests)) if len(requests) > 1 else 1)
        heard = len(requests) > 1 and self.receive(link, min(TOGETHER_S, left_s))
        if not heard:
            self.expect(link, 1)
        while heard or self.receive(link, left_s):
            heard = False
            while self.pending and (found := frames.tcp_reply(self.pending)) is not None:
                self.take(link, found.used)
                if found.transaction in asked and found.unit == unit:
                    replies[found.transaction] = found.reply
            if len(replies) == len(asked):
                return [replies[number] for number in asked]
            if left_s <= 0.0:
                break
            self.expect(link, 1)
            left_s = deadline_s - time.monotonic()
        if replies:
            raise PartlyAnsweredError(f"{self._said_nothing(link)}: {len(replies)} of {len(asked)} questions")
        raise LinkError(self._said_nothing(link))

    def _next_transaction(self) -> int:
        self._transaction = self._transaction % LAST_TRANSACTION + 1
        return self._transaction

    def _failed(self, link: str, address: str, error: DriverError) -> DriverError:
        """Drain or close the wire after a failure; gives what is to be raised."""
        if isinstance(error, CodecError):
            self.settle(link)
            return CodecError(f"{link}: {error} ({address}): is the line disturbed, or set otherwise?")
        self.take(link, len(self.pending))
        self.settle(link)
        return NoReplyError(str(error))

    def _said_nothing(self, link: str) -> str:
        return f"{link}: {self.where.url} did not answer within {self.timeout_s:g} s"
