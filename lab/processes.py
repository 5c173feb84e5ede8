"""The other processes of a laboratory whose time passes by itself: its simulator and its safety supervisor.

One that runs already is used, and left running; what is started here ends with the laboratory.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drivers.clock import Clock, RealClock
from drivers.kinds import Kind
from lab.config.lab_file import LabConfig
from lab.errors import UsageError
from lab.safety.alarms.notify_routes import Route
from lab.safety.interlocks.expressions import Value
from lab.safety.interlocks.rules import Interlocks
from lab.safety.judging.scan import BOOT
from lab.safety.supervisor.config import HttpPlace, clock_of
from lab.safety.supervisor.launch import config_of
from lab.safety.supervisor.process import running_supervisor, start_supervisor
from lab.safety.supervisor.supervised import OnStop, SupervisorLink
from lab.simulator import Serving, running_simulator, start_simulator

END_WITHIN_S = 5.0
"""Wall seconds in which a process must end after it was told to."""


@dataclass(frozen=True)
class Surroundings:
    """Where the instruments of a lab are, and the clock that all of its processes share."""

    clock: Clock
    results: Path
    """Where simulated diffractometers leave their files."""
    endpoints: Mapping[str, str] = field(default_factory=dict)
    """Simulated devices and the addresses at which they really are."""


def simulator_of(config: LabConfig, how: Serving, results: Path, resources: ExitStack) -> Surroundings:
    """Have the simulated instruments of a lab served, where it has any; their results go to `results` if begun here.

    Raises:
        UsageError: Where they cannot be served, or are served at another speed.
    """
    if not config.simulated:
        return Surroundings(RealClock(), results)
    facts = running_simulator(config.name)
    if facts is None:
        process = start_simulator(config.path, config.name, how)
        resources.callback(_end, process)
        facts = running_simulator(config.name)
    if facts is None:
        raise UsageError(f"the simulator of {config.path} ended at once: look at what `athanor sim` says")
    if facts["speed"] != how.speed:
        raise UsageError(
            f"the simulator of lab {config.name} runs {facts['speed']:g} times as fast as time and "
            f"{how.speed:g} was asked for: end it, or choose its speed"
        )
    return Surroundings(clock_of(facts["clock"]), Path(facts["results"]), facts["endpoints"])


def supervisor_of(
    config: LabConfig,
    interlocks: Interlocks,
    runtime: Path,
    resources: ExitStack,
    *,
    users: Path,
    http: HttpPlace | None = None,
    routes: Sequence[Route] = (),
) -> bool:
    """Have a supervisor watch a lab.

    Returns:
        Whether it was started here, and so ends with `resources`.

    Raises:
        UsageError: Where it does not come up, or one runs by other rules, on other modules or at another pace.
    """
    facts = running_supervisor(config.name)
    told = config_of(config, http=http or HttpPlace(), users=users, routes=routes)
    started = facts is None
    if started:
        process = start_supervisor(told, runtime)
        resources.callback(_end, process)
        facts = running_supervisor(config.name)
    if facts is None:
        raise UsageError(f"the safety supervisor of lab {config.name} ended at once: see {runtime / 'supervisor.log'}")
    if facts["rules"] != interlocks.sha256:
        raise UsageError(
            f"the safety supervisor of lab {config.name} (process {facts['pid']}) runs by other rules than "
            f"{config.interlocks_path}: end it, and start it again with athanor safety"
        )
    if facts.get("digest") != told["digest"]:
        raise UsageError(
            f"the safety supervisor of lab {config.name} (process {facts['pid']}) watches other modules, or at another "
            f"pace, than {config.path} and what serves it now say: end the old one, and start it again with athanor "
            "safety"
        )
    return started


class Supervised:
    """The safety layer of a lab service whose supervisor is a process of its own."""

    def __init__(
        self,
        config: LabConfig,
        interlocks: Interlocks,
        runtime: Path,
        on_stop: OnStop,
        *,
        values: Callable[[], Mapping[str, Value]],
        running: Callable[[], Collection[str]],
        started_here: bool,
    ) -> None:
        """Make it; nothing is connected before `start`.

        Args:
            config: The lab file.
            interlocks: The rules.
            runtime: The laboratory's runtime folder.
            on_stop: Given who stopped, what stops each device.
            values: The lab service's own signals as they can be believed now.
            running: Outputs whose controller runs a programme now.
            started_here: Whether the supervisor was started for this lab service, and ends with it.
        """
        self._config, self._started_here = config, started_here
        self._outputs = tuple(interlocks.outputs)
        self.raised: list[str] = []
        self.link = SupervisorLink(
            runtime, config.name, on_stop, devices=stoppable(config), values=values, running=running
        )
        link = self.link
        self.tripped, self.values, self.held = link.tripped, link.values, link.held
        self.bypassed, self.snapshot, self.request = link.bypassed, link.snapshot, link.request

    def start(self, modules: Mapping[str, Any], watchdogs_s: Mapping[str, float], actor: str) -> None:
        """Reset the start-up on behalf of the person who starts the lab.

        Raises:
            UsageError: Where something else has tripped: that is for a person to look at first.
        """
        latches = self.snapshot().get("tripped", ())
        causes = [latch["cause"] for latch in latches]
        others = [cause for cause in causes if cause != BOOT]
        if others:
            raise UsageError(f"{', '.join(others)} has tripped and was not reset: {self._remedy()}")
        if causes:
            # A STOP that comes between is a person's, and stays.
            seen = [[latch["cause"], latch["at_s"]] for latch in latches]
            answered = self.request({"do": "reset", "actor": actor, "seen": seen})
            if not answered["ok"]:
                raise UsageError(f"the lab cannot be started: {'; '.join(answered['reasons'])}")

    def _remedy(self) -> str:
        """How a person resets what is latched: latches outlive the supervisor, and a reset needs one that runs."""
        if not self._started_here:
            return "find out why and remove the cause, then `athanor reset`, and start again"
        lab = self._config
        first = f"`athanor sim --lab {lab.path}` where no simulator runs by itself, " if lab.simulated else ""
        return (
            "find out why and remove the cause; the supervisor that was started here ends with it and keeps what "
            f"tripped, so start one by itself ({first}`athanor safety --lab {lab.path}`), then "
            f"`athanor reset --lab {lab.name}`, and start again"
        )

    def close(self) -> None:
        """Leave every output open, and say no more."""
        for output in self._outputs:
            self.request({"do": "open", "output": output, "actor": "lab service"})
        self.link.close()


def stoppable(config: LabConfig) -> tuple[str, ...]:
    """The devices that a STOP stops through the lab service.

    The contactors are the supervisor's, and a diffractometer has no stop: it ends its scan behind its own shutter.
    """
    without = (Kind.SAFETY, Kind.DIFFRACTOMETER)
    return tuple(name for name, device in config.devices.items() if device.kind not in without)


def _end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_WITHIN_S)
        return
    process.kill()
    process.wait()
