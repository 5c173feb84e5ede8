"""The furnace doors that a laboratory moves with a controller of its own, behind lines of text."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from ophyd import Component

from drivers.bus import Job
from drivers.codecs import text_machine as wire
from drivers.codecs.text_machine import DoorsStatus, DoorState, State
from drivers.errors import (
    ActionFailedError,
    BusyError,
    CodecError,
    DriverError,
    LimitError,
    LinkError,
    RefusedError,
    WrongInstrumentError,
)
from drivers.gate import Granted
from drivers.instrument import Instrument, Leave
from drivers.kinds import Kind
from drivers.links import LineLink
from drivers.pace import CLOSE_S, STEADY_S
from drivers.parts.agreement import agreed
from drivers.signals import Reading
from drivers.spec import DriverSpec, Option, Parts
from drivers.status import ActionStatus

log = logging.getLogger(__name__)

T = TypeVar("T")

ALLOWANCE_S = 120.0
"""Lab seconds that a door may take."""
TRIES = 3
"""How often a door is told where to go: the same each time, and only while it does not go there."""


class TextDoor(Instrument):
    """The doors of one or several furnaces, one of them moving at a time."""

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

    def __init__(self, name: str, *, link: LineLink, names: Mapping[str, str], **base: Any) -> None:
        super().__init__(name, **base)
        self.link = link
        self._names = dict(names)
        self._furnaces = {door: furnace for furnace, door in names.items()}
        self._serial: str | None = None
        self._moving = False

    # -- verbs

    def door(self, furnace: str, open: bool) -> ActionStatus:  # noqa: A002 - what one says of a door
        """Open or close a furnace's door."""
        name = self._names.get(furnace, furnace)
        try:
            line = wire.door(name, open)
        except LimitError as error:
            raise LimitError(f"{self.name}: {error}") from error
        leave = self._authorize_until_stopped("door-open" if open else "door-close", subject=f"{furnace}.door")
        return self._begin(line, self._move(name, open, line, leave), leave[0])

    def halt(self) -> ActionStatus:
        """Have every door stand where it is; a gate grants this always."""
        self._note_stop()
        grant = self._authorize("stop")
        return self._begin("stop", self._halt(grant), grant)

    def stop(self, *, success: bool = False) -> None:
        """Do the same where `success` is False and a door moves; raises nothing."""
        if success:
            return
        self._note_stop()
        if not self._moving:
            return
        try:
            self.halt()
        except DriverError as error:
            log.error("%s: could not be stopped: %s", self.name, error)

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
                self._parsed(line, lambda: wire.check_door(name, opened, self.link.act(line, grant)))
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
                self._parsed(wire.STOP, lambda: wire.check_stopped(self.link.act(wire.STOP, grant)))
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

    def _halt(self, grant: Granted) -> Job:
        for attempt in range(TRIES):
            try:
                self._parsed(wire.STOP, lambda: wire.check_stopped(self.link.act(wire.STOP, grant)))
                break
            except (LinkError, CodecError):
                if attempt == TRIES - 1:
                    raise
        self.bus.hasten(self.name)
        yield from ()

    def _where(self, name: str, status: DoorsStatus) -> DoorState:
        if name not in status.doors:
            known = ", ".join(self._furnaces.get(door, door) for door in status.doors)
            raise RefusedError(f"{self.name}: it moves no door of {self._furnaces.get(name, name)}: there are {known}")
        return status.doors[name]

    # -- looking

    def _parsed(self, line: str, parse: Callable[[], T]) -> T:
        try:
            return parse()
        except (RefusedError, CodecError) as error:
            raise type(error)(f"{self.name}: {line}: {error}") from error

    def _ask(self) -> DoorsStatus:
        return self._parsed(wire.STATUS, lambda: wire.parse_doors(self.link.query(wire.STATUS)))

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

    def _check_identity(self) -> str:
        try:
            serial = agreed(lambda: wire.parse_identity(self.KIND, self.link.query("ID?")), f"{self.name}: ID?")
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
