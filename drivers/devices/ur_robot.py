"""A Universal Robot: runs the programs on its controller, through the dashboard server.

The motion is in the programs; this driver chooses one, starts it, watches it and says how it ended. A reply says that
a command was taken, never that it is done. Nothing is played twice, and no protective stop is ever unlocked from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ophyd import Component

from drivers.bus import Job
from drivers.codecs import ur_dashboard as wire
from drivers.codecs.ur_dashboard import Naming, Running, Series
from drivers.errors import (
    ActionFailedError,
    BusyError,
    DriverError,
    LimitError,
    RefusedError,
    UnknownDriverError,
    about,
)
from drivers.instrument import Leave
from drivers.kinds import Kind
from drivers.pace import CLOSE_S, STEADY_S
from drivers.parts.reach import UNKNOWN, joined
from drivers.parts.ur_arm import URArm
from drivers.parts.ur_dashboard import Dashboard, Seen
from drivers.parts.ur_run import Run
from drivers.signals import Reading
from drivers.spec import DriverSpec, Option, Parts
from drivers.status import ActionStatus

ALLOWANCE_S, LEAST_S = 600.0, 3.0
"""Lab seconds that a program may take at most, and a move at least, where the lab file does not say."""
LOAD_S = 60.0
"""Lab seconds that loading may take."""


class URRobot(URArm):
    """An arm that runs one program at a time; its stop has it stand still and keep its grip."""

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

    inside = Component(Reading, value="", kind="normal")
    """The places that the program under way reaches into, parted by spaces; empty while none is. ``unknown`` after a
    program that failed or whose places nobody named, until a move is done: the arm stands wherever it was."""
    carrying = Component(Reading, value="", kind="normal")
    """The position from which it took what it carries, empty where it carries nothing."""

    def __init__(
        self, name: str, *, naming: Naming, allowance_s: float = ALLOWANCE_S, least_s: float = LEAST_S, **base: Any
    ) -> None:
        super().__init__(name, **base)
        self.naming = naming
        self._allowance_s, self._least_s = allowance_s, least_s
        self._mine: str | None = None
        """The program that a job of ours loads or plays."""
        self._foreign = False
        """Whether a move of somebody else is under way, and nothing else keeps its end from being the end."""

    # -- verbs

    def move(self, from_position: str, to_position: str) -> ActionStatus:
        """Carry labware from one position to another, with the program that is made for that.

        ``NAME/1``, where NAME is the robot's own, is its hand: to it is a pick, from it a place.

        Raises:
            LimitError: Where there is no such position.
        """
        with about(self.name):
            program = self.naming.program(from_position, to_position)
        leave = self._authorize_until_stopped("move", to_position, subject=from_position)
        return self._begin(f"move {program}", self._run(program, (from_position, to_position), leave), leave[0])

    def play(self, program: str) -> ActionStatus:
        """Run a program that carries nothing.

        Raises:
            LimitError: For one that carries labware: the gate must know from where and to where.
        """
        with about(self.name):
            wire.load(program)
        route = self.naming.route(program)
        if route:
            raise LimitError(f"{self.name}: {program} carries labware from {route[0]} to {route[1]}: use move")
        leave = self._authorize_until_stopped("play", program)
        return self._begin(f"play {program}", self._run(program, route, leave), leave[0])

    def resume(self) -> ActionStatus:
        """Have a paused program go on; asked for again as the move that it is."""
        program = str(self.program.get())
        route = self.naming.route(program)
        if route:
            leave = self._authorize_until_stopped("move", route[1], subject=route[0])
        else:
            leave = self._authorize_until_stopped("resume", program)
        return self._begin("resume", self._resume(program, leave), leave[0])

    def _is_acting(self) -> bool:
        return self._mine is not None or super()._is_acting()

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
            # The first look comes at once: a short program may be over before the next.
            seen = yield from self._patiently(self._observe)
            if self._stops != stops:
                raise ActionFailedError(f"{self.name}: {program} was stopped under way: look where the labware is")
            if run.has_ended(seen, self.clock.now(), pausing=self._pausing):
                again = yield from self._patiently(self._observe)
                if run.is_confirmed(again, self.clock.now()):
                    return
            yield self.clock.now() + CLOSE_S

    def _check_free(self, program: str, seen: Seen) -> None:
        if seen.hindrance:
            raise BusyError(f"{self.name}: {program} cannot start: {seen.hindrance}")
        if seen.running.state is not Running.STOPPED:
            raise BusyError(
                f"{self.name}: {program} cannot start: {seen.running.program} is {seen.running.state.lower()}"
            )

    # -- looking

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
        parts.line(terminator=b"\n", unasked=wire.is_greeting),
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
