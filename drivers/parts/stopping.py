"""Instruments that are stopped by a verb, and by a plan that fails."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ClassVar, TypeVar

from drivers.bus import Job
from drivers.errors import CodecError, DriverError, LinkError
from drivers.gate import Granted
from drivers.instrument import Instrument
from drivers.status import ActionStatus

log = logging.getLogger(__name__)

T = TypeVar("T")

TRIES = 3
"""How often what may be repeated is told."""


class Stoppable(Instrument):
    """An instrument whose verb ``stop`` is the method `halt`; what that does is said in `_halt` or `_tell_stop`."""

    STOP_VERB: ClassVar[str] = "stop"
    """What the gate is asked for."""

    def halt(self) -> ActionStatus:
        """Stop, and begin nothing that was asked for before; a gate grants this always."""
        self._note_stop()
        grant = self._authorize(self.STOP_VERB)
        return self._begin(self.STOP_VERB, self._halt(grant), grant)

    def stop(self, *, success: bool = False) -> None:
        """Do the same where `success` is False and something is to be stopped; raises nothing.

        Bluesky calls this with True at every pause and after every good plan.
        """
        if success:
            return
        self._note_stop()
        if not self._is_acting():
            return
        try:
            self.halt()
        except DriverError as error:
            log.error("%s: could not be %s: %s", self.name, self.STOPPED, error)

    # -- what subclasses know

    def _is_acting(self) -> bool:
        """Whether a failed plan leaves anything to be stopped; what cannot know it is stopped each time."""
        return True

    def _halt(self, grant: Granted) -> Job:
        """Stop the instrument: by `_tell_stop`, unless there is more to it."""
        self._insist(lambda: self._tell_stop(grant))
        # Whatever waits for an end learns of it at once.
        self.bus.hasten(self.name)
        yield from ()

    def _tell_stop(self, grant: Granted) -> None:
        """Tell the instrument to stop, and make sure that it was heard; the same again does no harm."""
        raise NotImplementedError

    # -- for subclasses

    def _insist(self, tell: Callable[[], T]) -> T:
        """Tell what may be told again, at once where nothing that means anything comes back."""
        for _ in range(TRIES - 1):
            try:
                return tell()
            except (LinkError, CodecError):
                continue
        return tell()
