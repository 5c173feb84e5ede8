"""What all wires have in common: opened by path or address when needed, never hammered, shared by devices."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from drivers.address import SerialAddress, SocketAddress
from drivers.errors import CodecError, LinkError
from drivers.links.opening import OPEN_ERRORS, not_open
from drivers.links.settings import LineSettings
from drivers.recognition import Recognition

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 4.0
"""Lab seconds between attempts to open a port, from the third on: they double."""
SUSPECT_FOR = 60
"""Exchanges for which a wire stays suspect after a failure, or bytes that answered no question."""
SUSPECT_QUIET_S = 0.04
"""Wall seconds that must have passed without a byte on a suspect wire before a request goes out, or its `quiet_s`."""

SERIES_S = 2.0
"""Wall seconds after which a series of questions that was mixed up is not begun again: the next look will be."""

Now = Callable[[], float]
T = TypeVar("T")


class BackOff:
    """Says when a port that could not be opened may be tried again: at once, then ever more slowly."""

    def __init__(self, now: Now | None) -> None:
        """Begin; without a clock every attempt is made."""
        self._now = now
        self._failures = 0
        self._not_before_s = 0.0

    @property
    def is_over(self) -> bool:
        """Whether an attempt may be made."""
        return self._now is None or self._now() >= self._not_before_s

    def failed(self) -> None:
        """Note an attempt that failed."""
        self._failures += 1
        if self._now is not None and self._failures > 1:
            wait_s = FIRST_WAIT_S * 2.0 ** min(self._failures - 2, 10)
            self._not_before_s = self._now() + min(wait_s, LONGEST_WAIT_S)

    def succeeded(self) -> None:
        """Note that the port is open."""
        self._failures, self._not_before_s = 0, 0.0


class SharedPort(ABC):
    """One wire with one or several devices, used by one thread at a time: that of its bus."""

    def __init__(
        self,
        where: SerialAddress | SocketAddress,
        settings: LineSettings,
        *,
        quiet_s: float,
        mistakable: bool,
        now: Now | None = None,
    ) -> None:
        """Make the port; nothing is opened before its first use.

        Args:
            where: The wire.
            settings: Of a serial line.
            quiet_s: Wall seconds without a byte after which no late reply is to be expected any more.
            mistakable: Whether a reply does not say what it answers.
            now: Lab time, for attempts to open that are ever further apart; all are made where it is missing.
        """
        self.where, self.settings = where, settings
        self.quiet_s, self.mistakable = quiet_s, mistakable
        self.openings = 0
        """How often it was opened: after each time somebody else may be at the other end."""
        self.users: set[str] = set()
        self.strays = 0
        """How many times bytes were found that answered no question."""
        self._suspect = 0
        self._heard_s = 0.0
        self._silent: set[str] = set()
        self._back_off = BackOff(now)
        self._refusal: Exception | None = None

    # -- for links

    def ready(self, device: str, address: str) -> int:
        """Have the wire open, and give which opening this is.

        Raises:
            NotOpenError: When that does not work.
        """
        if self.is_open:
            return self.openings
        if self._refusal is not None and not self._back_off.is_over:
            raise not_open(device, address, self.where, self.settings, self._refusal)
        try:
            self._open()
        except OPEN_ERRORS as error:
            self._refusal = error
            self._back_off.failed()
            raise not_open(device, address, self.where, self.settings, error) from error
        self.openings += 1
        self._refusal = None
        self._back_off.succeeded()
        return self.openings

    def prepare(self, device: str, address: str, recognition: Recognition | None) -> None:
        """Have the wire open, the right instrument at its end, and nothing old lying in it.

        One that the other end has closed since its last use is opened again: nothing was sent over it yet.

        Raises:
            NotOpenError: When it cannot be opened.
            WrongInstrumentError: When somebody else is there.
            LinkError: When it breaks.
        """
        for is_last in (False, True):
            opening = self.ready(device, address)
            if recognition is not None:
                recognition.before_exchange(opening)
            try:
                self.clear(device)
                break
            except OSError as error:
                self.close()
                if is_last:
                    raise LinkError(f"{device}: {address} broke ({error})") from error
        if self._suspect and self.mistakable:
            self._suspect -= 1
            self._calm(device)

    def settle(self, device: str) -> None:
        """After a failure, read off what comes late; a stream that nobody else uses is closed then, too."""
        self._suspect = SUSPECT_FOR
        self.quieten(device, self.quiet_s)
        if isinstance(self.where, SocketAddress) and len(self.users) <= 1:
            self.close()

    def doubt(self, device: str) -> None:
        """Take the last reply for none: what else lies on the wire may be the one that was meant."""
        self.stray()
        self.settle(device)

    def stray(self) -> None:
        """Note bytes that answered no question."""
        self.strays += 1
        self._suspect = SUSPECT_FOR
        self._heard_s = time.monotonic()

    def answered(self) -> None:
        """Note that somebody did."""
        self._silent.clear()
        self._heard_s = time.monotonic()

    def gave_up(self, device: str, recognition: Recognition | None) -> None:
        """Note that a device did not answer whatever was tried: who does later may be somebody else.

        The wire is closed once none of its devices answers.
        """
        if recognition is not None:
            recognition.forget()
        self._silent.add(device)
        if self._silent >= self.users:
            self._silent.clear()
            self.close()

    def guarded(self, device: str, tries: int, read: Callable[[], T], canary: Callable[[T], None]) -> T:
        """Give what `read` gives where the wire shows that its replies answered their questions.

        `canary` is called last, with what was read, and looks at or reads what is known: a reply too many, whenever it
        came, has been taken for the answer to a question or is left over by then.

        Raises:
            LinkError: When that does not succeed in a few tries.
        """
        cause: CodecError | None = None
        begun_s = time.monotonic()
        rounds = 0
        while rounds < tries and time.monotonic() - begun_s <= SERIES_S:
            rounds += 1
            strays = self.strays
            result = read()
            try:
                canary(result)
            except CodecError as error:
                cause = error
            else:
                if self.strays == strays:
                    return result
            self.settle(device)
        why = f" ({cause})" if cause else ""
        raise LinkError(
            f"{device}: what came did not answer what was asked, {rounds} times in a row{why}: "
            "is another program on the line, or does the line repeat replies?"
        ) from cause

    # -- for subclasses

    @property
    @abstractmethod
    def is_open(self) -> bool:
        """Whether the wire is open, as far as is known."""

    @abstractmethod
    def clear(self, device: str) -> None:
        """Read off what came unasked, without waiting; raises OSError where the wire is broken."""

    @abstractmethod
    def quieten(self, device: str, quiet_s: float) -> None:
        """Read off what comes until nothing did for `quiet_s` wall seconds; closes a wire that is never quiet."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the wire; the next use opens it again."""

    @abstractmethod
    def _open(self) -> None:
        """Open the wire; raises one of `OPEN_ERRORS`."""

    def _calm(self, device: str) -> None:
        """Have a wire that repeats replies, or on which others talk, be quiet before a request."""
        left_s = self._heard_s + min(SUSPECT_QUIET_S, self.quiet_s) - time.monotonic()
        if left_s > 0:
            self.quieten(device, left_s)
