"""A Universal Robot beside the programs that it runs: what it is seen at, its power, its brakes, pauses and stops."""

from __future__ import annotations

from typing import Any

from ophyd import Component

from drivers.bus import Job
from drivers.codecs import ur_dashboard as wire
from drivers.codecs.ur_dashboard import ProgramState, RobotMode, Running
from drivers.errors import ActionFailedError, BusyError, RefusedError
from drivers.gate import Granted
from drivers.instrument import Leave
from drivers.pace import CLOSE_S
from drivers.parts.reach import UNKNOWN
from drivers.parts.stopping import Stoppable
from drivers.parts.ur_dashboard import Dashboard, Seen
from drivers.parts.ur_run import START_S
from drivers.signals import Reading
from drivers.status import ActionStatus

SWITCH_S, PAUSE_S = 120.0, 10.0
"""Lab seconds that switching and pausing may take."""


class URArm(Stoppable):
    """An arm and its controller."""

    MEASURED = ("robot_mode", "safety_status", "program_state", "program", "remote")

    robot_mode = Component(Reading, value=UNKNOWN, kind="normal")
    safety_status = Component(Reading, value=UNKNOWN, kind="normal")
    program_state = Component(Reading, value=UNKNOWN, kind="normal")
    """``STOPPED``, ``PLAYING`` or ``PAUSED``."""
    program = Component(Reading, value=UNKNOWN, kind="normal")
    """The program that is loaded, empty where none is."""
    remote = Component(Reading, value=UNKNOWN, kind="normal")
    """``yes`` or ``no``: whether anything but the pendant may command it."""
    fault = Component(Reading, value="", kind="normal")
    """What keeps it from moving, in a sentence; empty where nothing does."""

    def __init__(self, name: str, *, dashboard: Dashboard, **base: Any) -> None:
        super().__init__(name, **base)
        self.dashboard = dashboard
        self._pausing = False
        """Whether the program under way waits because we said so."""

    # -- verbs

    def pause(self) -> ActionStatus:
        """Have the program under way wait where it is."""
        grant = self._authorize("pause")
        return self._begin("pause", self._pause(grant), grant)

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

    # -- jobs

    def _pause(self, grant: Granted) -> Job:
        self._pausing = True
        give_up_s = self.clock.now() + PAUSE_S
        self._insist(lambda: self.dashboard.tell(wire.PAUSE, grant))
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

    # -- stopping

    def _is_acting(self) -> bool:
        return bool(self.program_state.get() != Running.STOPPED)

    def _tell_stop(self, grant: Granted) -> None:
        self._pausing = False
        try:
            self.dashboard.tell(wire.STOP, grant)
        except RefusedError:
            # Some versions refuse where nothing runs.
            if self.dashboard.running().state is not Running.STOPPED:
                raise

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
