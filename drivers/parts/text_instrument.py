"""Instruments that a laboratory builds around a small controller, behind lines of text of our own (docs/wires.md).

The wire has no checksum, so what is asked is asked twice. Those that do jobs count them: a job whose reply was lost is
settled by its number, and told again only where it was not begun.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, ClassVar

from drivers.bus import Waits
from drivers.codecs import text_machine as wire
from drivers.errors import ActionFailedError, CodecError, LinkError, RefusedError, WrongInstrumentError, about
from drivers.gate import Granted
from drivers.instrument import Leave
from drivers.links import LineLink
from drivers.pace import CLOSE_S
from drivers.parts.agreement import agreed
from drivers.parts.stopping import TRIES, Stoppable

log = logging.getLogger(__name__)

LATE_S = 2.0
"""Wall seconds after which a command whose reply was lost has arrived or never will."""


class NotBegunError(ActionFailedError):
    """A job that the instrument says that it has not begun: nothing moved."""


class TextInstrument(Stoppable):
    """One that says what it is and which: the one that it was first must be there each time."""

    KIND: ClassVar[str]
    """What it calls itself."""

    def __init__(self, name: str, *, link: LineLink, **base: Any) -> None:
        super().__init__(name, **base)
        self.link = link
        self._serial: str | None = None

    def _start_job(
        self,
        line: str,
        before: int,
        leave: Leave,
        *,
        parse: Callable[[str], int],
        has_begun: Callable[[int], bool],
    ) -> Waits[int]:
        """Start a job, and give its number.

        Args:
            line: What is told.
            before: Number of the last job that it was given by whomever.
            leave: The gate's.
            parse: Reads the number out of the reply.
            has_begun: Asks whether there is a job of a number; raises where it counts anew, as it does after it was
                switched off.

        Raises:
            NotBegunError: When it was told again and again, or was stopped, and there is none.
            RefusedError: When the instrument refuses.
            DriverError: When that is unknown.
        """
        given: int | None = None
        grant, heed_stops = leave
        for attempt in range(TRIES):
            try:
                heed_stops()
            except ActionFailedError as error:
                raise NotBegunError(str(error)) from error
            told_s = time.monotonic()
            try:
                with about(f"{self.name}: {line}"):
                    given = parse(self.link.act(line, grant))
            except RefusedError:
                # Refused because it is at what it was told before, or because it cannot.
                if attempt == 0:
                    raise
            except (LinkError, CodecError) as error:
                log.warning("%s: %s was not answered (%s): it is asked for its jobs", self.name, line, error)
                # What went out over a connection that broke may be carried out later than a question over the next one.
                time.sleep(max(0.0, told_s + min(LATE_S, self.link.act_timeout_s) - time.monotonic()))
            else:
                if given == before + 1:
                    return given
            for _ in range(2):
                yield self.clock.now() + CLOSE_S
                if (yield from self._patiently(lambda: has_begun(before + 1))):
                    return before + 1
            if given is not None or before == 0:
                # It has begun something, or may have and was switched off then: a first job leaves no trace of that.
                said = "its reply was lost" if given is None else f"it gave it the number {given}"
                raise ActionFailedError(
                    f"{self.name}: was told {line} as job {before + 1}, {said}, and it knows of no such job: whether "
                    "it was begun is unknown (was it switched off, or does somebody else command it?): look before it "
                    "is told again"
                )
        raise NotBegunError(f"{self.name}: was told {line} {TRIES} times and has begun nothing")

    def _tell_stop(self, grant: Granted) -> None:
        with about(f"{self.name}: {wire.STOP}"):
            wire.check_stopped(self.link.act(wire.STOP, grant))

    def _check_identity(self) -> str:
        try:
            serial = agreed(self._ask_identity, f"{self.name}: {wire.ASK_IDENTITY}")
        except CodecError as error:
            raise WrongInstrumentError(
                f"{self.name}: {self.link.url} is no {self.KIND} ({error}): is the address right in the lab file?"
            ) from error
        if self._serial not in (None, serial):
            raise WrongInstrumentError(
                f"{self.name}: {serial} answers at {self.link.url}, and {self._serial} did before: was it exchanged?"
            )
        self._serial = serial
        return f"{self.KIND} {serial}"

    def _ask_identity(self) -> str:
        return wire.parse_identity(self.KIND, self.link.query(wire.ASK_IDENTITY))
