"""Instruments that are at one command at a time: nothing else may be sent while one is under way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drivers.bus import Job
from drivers.errors import BusyError
from drivers.instrument import Leave
from drivers.links import LineLink
from drivers.pace import CLOSE_S
from drivers.parts.stopping import Stoppable
from drivers.status import ActionStatus


class OneAtATime(Stoppable):
    """An instrument that is not even looked at while a command is under way: the command does the looking."""

    def __init__(self, name: str, *, link: LineLink, **base: Any) -> None:
        super().__init__(name, **base)
        self.link = link
        self._busy = False

    def poll(self) -> float:
        """Look at the instrument, unless a command is under way."""
        return self.clock.now() + CLOSE_S if self._busy else super().poll()

    def _is_acting(self) -> bool:
        return self._busy

    def _do(
        self,
        verb: str,
        job: Callable[[Leave], Job],
        value: float | None = None,
        unit: str | None = None,
        subject: str | None = None,
    ) -> ActionStatus:
        """Ask the gate, and have the bus do what must not begin after a stop, once the instrument is free."""
        leave = self._authorize_until_stopped(verb, value, unit, subject)
        return self._begin(verb, self._alone(job(leave)), leave[0])

    def _alone(self, job: Job) -> Job:
        if self._busy:
            raise BusyError(f"{self.name}: is at another command: wait for its end")
        self._busy = True
        try:
            yield from job
        finally:
            self._busy = False
