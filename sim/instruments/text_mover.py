"""The text mover: a robot with a mill, one job at a time, ASCII lines ended by LF over TCP.

    MOVE from to | POUR from to mg-or-ALL | MIX position s rpm method | CLEAN position
    HEAD doser n | DOOR furnace OPEN-or-CLOSE                          -> JOB n, or ERR reason
    JOB? n -> JOB n BUSY, DONE or FAILED reason     AT? position    DOOR? furnace    ID?    STOP

A job takes effect when it ends; it is checked when it is given, and once more then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from drivers.clock import Timer
from sim.addresses import Carrier, Language, Spot
from sim.model import Model
from sim.parts.furnaces import is_door_locked
from sim.plant import DoorState, Impossible, Plant
from sim.site import Site
from sim.spec import Instrument
from sim.wire.lines import LineReceiver, Reply
from sim.wire.receiver import Send

MOVE_S, POUR_S, CLEAN_S, HEAD_S, DOOR_S = 30.0, 45.0, 60.0, 40.0, 8.0
HANDLING_S = 20.0
"""To close and open a mill jar around the mixing itself."""
METHODS = ("ball-mill", "mortar", "shake")


@dataclass
class Job:
    """One job, kept for whoever asks later."""

    number: int
    state: str = "BUSY"
    timer: Timer | None = None


class TextMover:
    """One robot."""

    def __init__(self, name: str, plant: Plant, door_locked: Callable[[str], bool]) -> None:
        self.name = name
        self._plant = plant
        self._door_locked = door_locked
        self._jobs: list[Job] = []
        self.busy = self.ignore_setpoint = self.other_device = False
        """Whether it refuses jobs, acknowledges and forgets them, or is another mover; for checkers to set."""

    def power_cycle(self) -> None:
        """Have its mains fail and come back: it stands still, and counts its jobs from the start."""
        self._stop()
        self._jobs = []

    def receiver(self, send: Send) -> LineReceiver:
        """Give what listens on one connection."""
        return LineReceiver(send, self.command, b"\n")

    def command(self, line: str, reply: Reply) -> None:
        """Carry out one line."""
        try:
            reply(self._command(line.split(" ")))
        except Impossible as reason:
            reply(f"ERR {reason}")

    def _command(self, words: list[str]) -> str:
        match words:
            case ["ID?"]:
                return f"ID text-mover 1 SN-{self.name}{'-2' if self.other_device else ''}"
            case ["JOB?", number]:
                return self._tell_job(number)
            case ["AT?", position]:
                labware = self._plant.standing_at(position)
                return f"AT {position} {labware.barcode if labware else '-'}"
            case ["DOOR?", furnace]:
                return f"DOOR {furnace} {self._plant.check_door(furnace).door}"
            case ["STOP"]:
                return self._stop()
            case [("MOVE" | "POUR" | "MIX" | "CLEAN" | "HEAD" | "DOOR") as verb, *rest]:
                if self._busy or self.busy:
                    raise Impossible("busy")
                if self.ignore_setpoint:
                    return f"JOB {len(self._jobs) + 1}"
                said = self._start(verb, rest)
                self._plant.note(f"{self.name} begins {' '.join(words)}")
                return said
        raise Impossible("unknown command")

    def _start(self, verb: str, rest: list[str]) -> str:
        match verb, rest:
            case "MOVE", [source, destination]:
                self._plant.check_move(source, destination)
                return self._begin(MOVE_S, lambda: self._plant.move(source, destination))
            case "POUR", [source, destination, amount]:
                mass_mg = None if amount == "ALL" else _number(amount)
                self._plant.check_pour(source, destination)
                return self._begin(POUR_S, lambda: self._plant.pour(source, destination, mass_mg))
            case "MIX", [position, time_s, speed_rpm, method]:
                return self._mix(position, _number(time_s), _number(speed_rpm), method)
            case "CLEAN", [position]:
                self._plant.check_clean(position)
                return self._begin(CLEAN_S, lambda: self._plant.clean(position))
            case "HEAD", [doser, number] if number.isdecimal():
                self._plant.check_head(doser, int(number))
                return self._begin(HEAD_S, lambda: self._plant.change_head(doser, int(number)))
            case "DOOR", [furnace, ("OPEN" | "CLOSE") as way]:
                return self._move_door(furnace, DoorState.OPEN if way == "OPEN" else DoorState.CLOSED)
        raise Impossible(f"bad arguments of {verb}")

    def _mix(self, position: str, time_s: float, speed_rpm: float, method: str) -> str:
        if method not in METHODS:
            raise Impossible(f"unknown method {method}")
        self._plant.check_mix(position)
        return self._begin(HANDLING_S + time_s, lambda: self._plant.mix(position, time_s, speed_rpm, method))

    def _move_door(self, furnace: str, goal: DoorState) -> str:
        box = self._plant.check_door(furnace)
        if goal is DoorState.OPEN and box.door is DoorState.CLOSED and self._door_locked(furnace):
            raise Impossible(f"{furnace} door locked")
        if box.door is not goal:
            self._plant.set_door(furnace, DoorState.MOVING)
        return self._begin(DOOR_S, lambda: self._plant.set_door(furnace, goal))

    # -- jobs

    @property
    def _busy(self) -> bool:
        return bool(self._jobs) and self._jobs[-1].state == "BUSY"

    def _begin(self, duration_s: float, act: Callable[[], object]) -> str:
        job = Job(len(self._jobs) + 1)

        def end() -> None:
            try:
                act()
            except Impossible as reason:
                job.state = f"FAILED {reason}"
            else:
                job.state = "DONE"

        job.timer = self._plant.at(self._plant.now() + duration_s, f"{self.name} job", end)
        self._jobs.append(job)
        return f"JOB {job.number}"

    def _tell_job(self, number: str) -> str:
        if not number.isdecimal() or not 1 <= int(number) <= len(self._jobs):
            raise Impossible("no such job")
        return f"JOB {int(number)} {self._jobs[int(number) - 1].state}"

    def _stop(self) -> str:
        """Finish nothing: what was under way stays where it was, a door stays halfway."""
        if self._busy:
            job = self._jobs[-1]
            job.state = "FAILED stopped"
            if job.timer:
                job.timer.cancel()
            self._plant.note(f"{self.name} stopped")
        return "STOPPED"


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise Impossible(f"{text} is no number") from None
    if not 0.0 <= value < 1e9:
        raise Impossible(f"{text} is out of range")
    return value


def _put_up(site: Site, instrument: Instrument, spot: Spot) -> TextMover:
    mover = TextMover(instrument.name, site.plant, lambda furnace: is_door_locked(site, furnace))
    site.answer(instrument, spot, mover.receiver)
    return mover


MODEL = Model(Carrier.TCP, Language.TEXT, _put_up)
