"""The furnace doors that a laboratory moves with a controller of its own, behind lines of text."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, ClassVar

from ophyd import Component

from drivers.bus import Job
from drivers.codecs import text_machine as wire
from drivers.codecs.text_machine import DoorsStatus, DoorState, State
from drivers.errors import ActionFailedError, BusyError, CodecError, LinkError, RefusedError, about
from drivers.instrument import Leave
from drivers.kinds import Kind
from drivers.pace import CLOSE_S, STEADY_S
from drivers.parts.agreement import agreed
from drivers.parts.stopping import TRIES
from drivers.parts.text_instrument import TextInstrument
from drivers.signals import Reading
from drivers.spec import DriverSpec, Option, Parts
from drivers.status import ActionStatus

log = logging.getLogger(__name__)

ALLOWANCE_S = 120.0
"""Lab seconds that a door may take."""


class TextDoor(TextInstrument):
    """The doors of one or several furnaces, one of them moving at a time; its stop has each stand where it is."""

    KIND = "text-door"
    VERBS: ClassVar[Mapping[str, str]] = {"door": "door", "stop": "halt"}
    ASKED_AS: ClassVar[Mapping[str, tuple[str, ...]]] = {"door": ("door-open", "door-close")}
    MEASURED = ("state", "open_doors", "closed_doors", "other_doors")

    state = Component(Reading, value="unknown", kind="normal")
    """``stop``, ``running`` or ``error``."""
    open_doors = Component(Reading, value="unknown", kind="normal")
    """The furnaces whose doors are open, parted by spaces."""
    closed_doors = Component(Reading, value="unknown", kind="normal")
    other_doors = Component(Reading, value="unknown", kind="normal")
    """Those whose doors move or stand halfway."""
    fault = Component(Reading, value="", kind="normal")
    """What is wrong, empty where nothing is."""

    def __init__(self, name: str, *, names: Mapping[str, str], **base: Any) -> None:
        super().__init__(name, **base)
        self._names = dict(names)
        self._furnaces = {door: furnace for furnace, door in names.items()}
        self._moving = False

    # -- verbs

    def door(self, furnace: str, open: bool) -> ActionStatus:  # noqa: A002 - what one says of a door
        """Open or close a furnace's door."""
        name = self._names.get(furnace, furnace)
        with about(self.name):
            line = wire.door(name, open)
        leave = self._authorize_until_stopped("door-open" if open else "door-close", subject=f"{furnace}.door")
        return self._begin(line, self._move(name, open, line, leave), leave[0])

    # -- jobs

    def _move(self, name: str, opened: bool, line: str, leave: Leave) -> Job:
        goal = _goal(opened)
        status = yield from self._patiently(self._observe)
        if self._where(name, status) is goal:
            return
        if status.state is not State.STOP:
            raise BusyError(f"{self.name}: {line} is not possible: its state is {status.state}{_because(status)}")
        stops, self._moving = self._stops, True
        try:
            yield from self._set_off(name, opened, line, leave)
            yield from self._await(name, goal, line, stops)
        finally:
            self._moving = False

    def _set_off(self, name: str, opened: bool, line: str, leave: Leave) -> Job:
        grant, heed_stops = leave
        for attempt in range(TRIES):
            heed_stops()
            try:
                # The same line may be told again while it does not go there.
                with about(f"{self.name}: {line}"):
                    wire.check_door(name, opened, self.link.act(line, grant))
                return
            except RefusedError:
                if attempt == 0:
                    raise
            except (LinkError, CodecError) as error:
                log.warning("%s: %s was not answered (%s): it is asked what it does", self.name, line, error)
            status = yield from self._patiently(self._observe)
            if self._where(name, status) in (DoorState.MOVING, _goal(opened)):
                return
            if status.state is State.RUNNING:
                self._tell_stop(grant)
                raise ActionFailedError(f"{self.name}: was told {line} and moved another door: it was stopped")
        raise ActionFailedError(f"{self.name}: was told {line} {TRIES} times and does not move")

    def _await(self, name: str, goal: DoorState, line: str, stops: int) -> Job:
        give_up_s = self.clock.now() + ALLOWANCE_S
        while True:
            yield self.clock.now() + CLOSE_S
            status = yield from self._patiently(self._observe)
            where = self._where(name, status)
            if where is goal:
                return
            if self._stops != stops or where is DoorState.AJAR:
                raise ActionFailedError(f"{self.name}: {line} was stopped halfway{_because(status)}")
            if status.state is not State.RUNNING:
                raise ActionFailedError(f"{self.name}: {line} ended with the door {where.lower()}{_because(status)}")
            if self.clock.now() >= give_up_s:
                raise ActionFailedError(
                    f"{self.name}: {line} is not done after {ALLOWANCE_S:g} s: what is in the door's way?"
                )

    def _where(self, name: str, status: DoorsStatus) -> DoorState:
        if name not in status.doors:
            known = ", ".join(self._furnaces.get(door, door) for door in status.doors)
            raise RefusedError(f"{self.name}: it moves no door of {self._furnaces.get(name, name)}: there are {known}")
        return status.doors[name]

    # -- looking

    def _is_acting(self) -> bool:
        return self._moving

    def _ask(self) -> DoorsStatus:
        with about(f"{self.name}: {wire.STATUS}"):
            return wire.parse_doors(self.link.query(wire.STATUS))

    def _observe(self) -> DoorsStatus:
        status = agreed(self._ask, f"{self.name}: {wire.STATUS}")
        self._publish(
            state=status.state.lower(),
            open_doors=self._those(status, DoorState.OPEN),
            closed_doors=self._those(status, DoorState.CLOSED),
            other_doors=self._those(status, DoorState.MOVING, DoorState.AJAR),
            fault=status.error,
        )
        return status

    def _those(self, status: DoorsStatus, *states: DoorState) -> str:
        return " ".join(self._furnaces.get(door, door) for door, where in status.doors.items() if where in states)

    def _look(self) -> float:
        moves = self._observe().state is State.RUNNING
        return self.clock.now() + (CLOSE_S if moves else STEADY_S)


def _goal(opened: bool) -> DoorState:
    return DoorState.OPEN if opened else DoorState.CLOSED


def _because(status: DoorsStatus) -> str:
    return f" ({status.error})" if status.error else ""


def _build(parts: Parts) -> TextDoor:
    names = {str(furnace): str(door) for furnace, door in parts.option("doors", {}).items()}
    return TextDoor(**parts.base, link=parts.line(terminator=b"\n"), names=names)


DRIVER = DriverSpec(
    Kind.DOOR,
    TextDoor,
    _build,
    options={"doors": Option("furnace -> what the controller calls its door, where that is not the furnace's name")},
)
