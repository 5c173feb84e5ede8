"""A Universal Robot: runs the programs on its controller, through the dashboard server.

The motion is in the programs; this driver chooses one, starts it, watches it and says how it ended. A reply says that
a command was taken, never that it is done. Nothing is played twice, and no protective stop is ever unlocked from here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import ClassVar, TypeVar

from ophyd import Component

from drivers.bus import Bus, Job
from drivers.clock import Clock
from drivers.codecs import ur_dashboard as wire
from drivers.codecs.ur_dashboard import Naming, ProgramState, RobotMode, Running, Series
from drivers.errors import (
    ActionFailedError,
    BusyError,
    CodecError,
    DriverError,
    LimitError,
    LinkError,
    RefusedError,
    UnknownDriverError,
)
from drivers.gate import Gate, Granted
from drivers.instrument import Instrument, Leave
from drivers.kinds import Kind
from drivers.pace import CLOSE_S, STEADY_S
from drivers.parts.reach import UNKNOWN, joined
from drivers.parts.ur_dashboard import Dashboard, Seen
from drivers.parts.ur_run import START_S, Run
from drivers.signals import Reading
from drivers.spec import DriverSpec, Option, Parts
from drivers.status import ActionStatus

log = logging.getLogger(__name__)

T = TypeVar("T")

ALLOWANCE_S, LEAST_S = 600.0, 3.0
LOAD_S, SWITCH_S, PAUSE_S = 60.0, 120.0, 10.0
"""Lab seconds that loading, switching and pausing may take."""
TRIES = 3
"""How often what may be repeated is sent."""


class URRobot(Instrument):
    """An arm that runs one program at a time."""

    VERBS: ClassVar[Mapping[str, str]] = {
        "move": "move",
        "play": "play",
        "pause": "pause",
        "resume": "resume",
        "stop": "halt",
        "power-on": "power_on",
        "power-off": "power_off",
        "brake-release": "release_brakes",
        "close-popup": "close_popup",
    }
    ASKED_AS: ClassVar[Mapping[str, tuple[str, ...]]] = {"resume": ("resume", "move")}
    MEASURED = ("robot_mode", "safety_status", "program_state", "program", "remote")

    robot_mode = Component(Reading, value=UNKNOWN, kind="normal")
    safety_status = Component(Reading, value=UNKNOWN, kind="normal")
    program_state = Component(Reading, value=UNKNOWN, kind="normal")
    """``STOPPED``, ``PLAYING`` or ``PAUSED``."""
    program = Component(Reading, value=UNKNOWN, kind="normal")
    """The program that is loaded, empty where none is."""
    remote = Component(Reading, value=UNKNOWN, kind="normal")
    """``yes`` or ``no``: whether anything but the pendant may command it."""
    inside = Component(Reading, value="", kind="normal")
    """The places that the program under way reaches into, parted by spaces; empty while none is. ``unknown`` after a
    program that failed or whose places nobody named, until a move is done: the arm stands wherever it was."""
    carrying = Component(Reading, value="", kind="normal")
    """The position from which it took what it carries, empty where it carries nothing."""
    fault = Component(Reading, value="", kind="normal")
    """What keeps it from moving, in a sentence; empty where nothing does."""

    def __init__(
        self,
        name: str,
        *,
        gate: Gate,
        clock: Clock,
        bus: Bus,
        dashboard: Dashboard,
        naming: Naming,
        allowance_s: float = ALLOWANCE_S,
        least_s: float = LEAST_S,
    ) -> None:
        super().__init__(name, gate=gate, clock=clock, bus=bus)
        self.dashboard, self.naming = dashboard, naming
        self._allowance_s, self._least_s = allowance_s, least_s
        self._mine: str | None = None
        """The program that a job of ours loads or plays."""
        self._pausing = False
        self._foreign = False
        """Whether a move of somebody else is under way, and nothing else keeps its end from being the end."""

    # -- verbs

    def move(self, from_position: str, to_position: str) -> ActionStatus:
        """Carry labware from one position to another, with the program that is made for that.

        ``NAME/1``, where NAME is the robot's own, is its hand: to it is a pick, from it a place.

        Raises:
            LimitError: Where there is no such position.
        """
        program = self._encoded(lambda: self.naming.program(from_position, to_position))
        leave = self._authorize_until_stopped("move", to_position, subject=from_position)
        return self._begin(f"move {program}", self._run(program, (from_position, to_position), leave), leave[0])

    def play(self, program: str) -> ActionStatus:
        """Run a program that carries nothing.

        Raises:
            LimitError: For one that carries labware: the gate must know from where and to where.
        """
        self._encoded(lambda: wire.load(program))
        route = self.naming.route(program)
        if route:
            raise LimitError(f"{self.name}: {program} carries labware from {route[0]} to {route[1]}: use move")
        leave = self._authorize_until_stopped("play", program)
        return self._begin(f"play {program}", self._run(program, route, leave), leave[0])

    def pause(self) -> ActionStatus:
        """Have the program under way wait where it is."""
        grant = self._authorize("pause")
        return self._begin("pause", self._pause(grant), grant)

    def resume(self) -> ActionStatus:
        """Have a paused program go on; asked for again as the move that it is."""
        program = str(self.program.get())
        route = self.naming.route(program)
        if route:
            leave = self._authorize_until_stopped("move", route[1], subject=route[0])
        else:
            leave = self._authorize_until_stopped("resume", program)
        return self._begin("resume", self._resume(program, leave), leave[0])

    def halt(self) -> ActionStatus:
        """Stand still, keep the grip and begin nothing that was asked for before; a gate grants this always."""
        self._note_stop()
        grant = self._authorize("stop")
        return self._begin("stop", self._halt(grant), grant)

    def power_on(self) -> ActionStatus:
        """Give the arm power; its brakes stay on."""
        return self._switch("power-on", wire.POWER_ON, RobotMode.IDLE, RobotMode.RUNNING)

    def power_off(self) -> ActionStatus:
        """Take the arm's power away; its brakes hold it."""
        return self._switch("power-off", wire.POWER_OFF, RobotMode.POWER_OFF)

    def release_brakes(self) -> ActionStatus:
        """Make the arm ready to move."""
        return self._switch("brake-release", wire.RELEASE_BRAKES, RobotMode.RUNNING)

    def close_popup(self) -> ActionStatus:
        """Close a message on the pendant, which may let a program go on; safety messages stay."""
        leave = self._authorize_until_stopped("close-popup")
        return self._begin("close-popup", self._close_popup(leave), leave[0])

    def stop(self, *, success: bool = False) -> None:
        """Do the same as the verb where `success` is False and anything is under way; raises nothing."""
        if success:
            return
        self._note_stop()
        if self._mine is None and self.program_state.get() == Running.STOPPED:
            return
        try:
            self.halt()
        except DriverError as error:
            log.error("%s: could not be stopped: %s", self.name, error)

    def _encoded(self, encode: Callable[[], T]) -> T:
        try:
            return encode()
        except LimitError as error:
            raise LimitError(f"{self.name}: {error}") from error

    # -- running a program

    def _run(self, program: str, route: tuple[str, ...] | None, leave: Leave) -> Job:
        if self._mine is not None:
            raise BusyError(f"{self.name}: is at {self._mine}: wait for its end")
        self._mine = program
        try:
            yield from self._load(program, leave)
            yield from self._play(program, route, leave)
        finally:
            self._mine = None

    def _load(self, program: str, leave: Leave) -> Job:
        grant, heed_stops = leave
        self._check_free(program, (yield from self._patiently(self._observe)))
        heed_stops()
        give_up_s = self.clock.now() + LOAD_S
        self.dashboard.is_told(wire.load(program), grant)
        while (yield from self._patiently(self.dashboard.loaded)) != program:
            if self.clock.now() >= give_up_s:
                raise ActionFailedError(f"{self.name}: {program} is not loaded after {LOAD_S:g} s")
            yield self.clock.now() + CLOSE_S

    def _play(self, program: str, route: tuple[str, ...] | None, leave: Leave) -> Job:
        seen = yield from self._patiently(self._observe)
        self._check_free(program, seen)
        if seen.running.program != program:
            raise ActionFailedError(
                f"{self.name}: {program} was loaded and {seen.running.program or 'nothing'} is there"
            )
        grant, heed_stops = leave
        heed_stops()
        before, carried, stops = self.inside.get(), self.carrying.get(), self._stops
        self._publish(inside=joined(before, route), carrying=route[0] if route and not carried else carried)
        try:
            sure = self.dashboard.is_told(wire.PLAY, grant)
            yield from self._await_end(program, self._least_s if route else 0.0, stops, sure)
        except RefusedError:
            self._publish(inside=before, carrying=carried)
            raise
        except DriverError:
            self._publish(inside=UNKNOWN, carrying=UNKNOWN if route or route is None else carried)
            raise
        if route is None:
            self._publish(inside=UNKNOWN, carrying=UNKNOWN)
        elif route:
            self._publish(inside="", carrying=route[0] if route[1] == f"{self.name}/1" else "")

    def _await_end(self, program: str, least_s: float, stops: int, sure: bool) -> Job:
        run = Run(self.name, program, self.clock.now(), least_s=least_s, allowance_s=self._allowance_s, sure=sure)
        while True:
            yield self.clock.now() + CLOSE_S
            seen = yield from self._patiently(self._observe)
            if self._stops != stops:
                raise ActionFailedError(f"{self.name}: {program} was stopped under way: look where the labware is")
            if run.has_ended(seen, self.clock.now(), pausing=self._pausing):
                again = yield from self._patiently(self._observe)
                if run.is_confirmed(again, self.clock.now()):
                    return

    def _check_free(self, program: str, seen: Seen) -> None:
        if seen.hindrance:
            raise BusyError(f"{self.name}: {program} cannot start: {seen.hindrance}")
        if seen.running.state is not Running.STOPPED:
            raise BusyError(
                f"{self.name}: {program} cannot start: {seen.running.program} is {seen.running.state.lower()}"
            )

    # -- other jobs

    def _pause(self, grant: Granted) -> Job:
        self._pausing = True
        give_up_s = self.clock.now() + PAUSE_S
        for attempt in range(TRIES):
            try:
                self.dashboard.tell(wire.PAUSE, grant)
                break
            except (LinkError, CodecError):
                if attempt == TRIES - 1:
                    raise
        while True:
            seen = yield from self._patiently(self._observe)
            if seen.running.state is Running.PAUSED:
                return
            if seen.running.state is Running.STOPPED or self.clock.now() >= give_up_s:
                self._pausing = False
                raise ActionFailedError(f"{self.name}: nothing was paused, it is {seen.running.state.lower()}")
            yield self.clock.now() + CLOSE_S

    def _resume(self, program: str, leave: Leave) -> Job:
        seen = yield from self._patiently(self._observe)
        if seen.hindrance:
            raise BusyError(f"{self.name}: cannot go on: {seen.hindrance}")
        if seen.running != ProgramState(Running.PAUSED, program):
            raise ActionFailedError(
                f"{self.name}: {program or 'nothing'} is not paused, "
                f"{seen.running.program or 'no program'} is {seen.running.state.lower()}"
            )
        grant, heed_stops = leave
        heed_stops()
        sure = self.dashboard.is_told(wire.PLAY, grant)
        give_up_s = self.clock.now() + START_S
        while (seen := (yield from self._patiently(self._observe))).running.state is Running.PAUSED:
            if self.clock.now() >= give_up_s:
                raise ActionFailedError(f"{self.name}: {program} is still paused {START_S:g} s after it was to go on")
            yield self.clock.now() + CLOSE_S
        self._pausing = False
        if seen.running.state is Running.STOPPED and not sure:
            raise ActionFailedError(
                f"{self.name}: play was not answered and {program} is stopped: look where it stands"
            )

    def _halt(self, grant: Granted) -> Job:
        self._pausing = False
        for attempt in range(TRIES):
            try:
                self.dashboard.tell(wire.STOP, grant)
                break
            except RefusedError:
                # Some versions refuse where nothing runs.
                if self.dashboard.running().state is not Running.STOPPED:
                    raise
                break
            except (LinkError, CodecError):
                if attempt == TRIES - 1:
                    raise
        self.bus.hasten(self.name)
        yield from ()

    def _switch(self, verb: str, command: str, *goals: RobotMode) -> ActionStatus:
        leave = self._authorize_until_stopped(verb)
        return self._begin(verb, self._bring(verb, command, goals, leave), leave[0])

    def _bring(self, verb: str, command: str, goals: tuple[RobotMode, ...], leave: Leave) -> Job:
        seen = yield from self._patiently(self._observe)
        if seen.mode in goals:
            return
        if not seen.remote:
            raise BusyError(f"{self.name}: {verb} is not possible: it is under local control")
        grant, heed_stops = leave
        heed_stops()
        self.dashboard.is_told(command, grant)
        give_up_s = self.clock.now() + SWITCH_S
        while (seen := (yield from self._patiently(self._observe))).mode not in goals:
            if self.clock.now() >= give_up_s:
                raise ActionFailedError(f"{self.name}: {verb} left it in mode {seen.mode} after {SWITCH_S:g} s")
            yield self.clock.now() + CLOSE_S

    def _close_popup(self, leave: Leave) -> Job:
        grant, heed_stops = leave
        heed_stops()
        self.dashboard.tell(wire.CLOSE_POPUP, grant)
        self.bus.poll_now(self.name)
        yield from ()

    # -- looking

    def _observe(self) -> Seen:
        seen = self.dashboard.look()
        self._publish(
            robot_mode=str(seen.mode),
            safety_status=str(seen.safety),
            program_state=str(seen.running.state),
            program=seen.running.program,
            remote="yes" if seen.remote else "no",
            fault=seen.hindrance and f"{self.name} does not move: {seen.hindrance}",
        )
        return seen

    def _check_identity(self) -> str:
        return self.dashboard.identify()

    def _look(self) -> float:
        seen = self._observe()
        if self._mine is not None:
            return self.clock.now() + STEADY_S
        if seen.running.state is not Running.STOPPED:
            # Begun by an earlier life of the lab, or at the pendant: nobody but this look watches it.
            route = self.naming.route(seen.running.program)
            self._foreign = bool(route) and UNKNOWN not in str(self.inside.get()).split()
            self._publish(inside=joined(self.inside.get(), route))
            return self.clock.now() + CLOSE_S
        if self._foreign and not seen.hindrance:
            self._publish(inside="")
        self._foreign = False
        return self.clock.now() + STEADY_S


def _build(parts: Parts) -> URRobot:
    try:
        return _robot(parts)
    except (LimitError, ValueError) as error:
        raise UnknownDriverError(f"{parts.name}: {error} (options in the lab file)") from error


def _robot(parts: Parts) -> URRobot:
    special = {str(name): tuple(route) for name, route in parts.option("programs", {}).items()}
    serial, model = parts.option("serial"), parts.option("model")
    dashboard = Dashboard(
        parts.name,
        parts.line(terminator=b"\n"),
        Series(parts.option("series", Series.E)),
        serial=None if serial is None else str(serial),
        model=model,
    )
    return URRobot(
        **parts.base,
        dashboard=dashboard,
        naming=Naming(wire.check_pattern(parts.option("program", Naming.pattern)), special),
        allowance_s=float(parts.option("allowance", ALLOWANCE_S)),
        least_s=float(parts.option("least", LEAST_S)),
    )


DRIVER = DriverSpec(
    Kind.ROBOT,
    URRobot,
    _build,
    options={
        "program": Option("how the program of a move is called, positions with - for / ({from}_to_{to}.urp)"),
        "programs": Option("programs with names of their own: name -> [from, to], or [] for one that carries nothing"),
        "series": Option("e, or CB3, which knows no remote control (e)"),
        "serial": Option("its serial number (that of the first one to answer)"),
        "model": Option("its model, as UR5 (that of the first one to answer)"),
        "allowance": Option("the most that a program may take (10 min)", "s"),
        "least": Option("the least that a move takes (3 s)", "s"),
    },
)
