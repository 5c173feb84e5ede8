"""A controller of furnace doors that a laboratory has built itself: lines ended by LF over TCP.

    ID?      ID text-door 1 SN-door-1
    Status   State: STOP; Furnace furnace-1: Open; Furnace furnace-2: Closed
    Open X   Opening X | Error: X locked | Error: busy        Close X   Closing X        Stop   Stopped

One door moves at a time. A door that is stopped halfway is ajar, and so is one that meets something.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from drivers.clock import Timer
from sim.addresses import Carrier, Language, Spot
from sim.model import Model
from sim.parts.furnaces import is_door_locked
from sim.plant import DoorState, Plant
from sim.site import Site
from sim.spec import Instrument
from sim.wire.lines import LineReceiver, Reply
from sim.wire.receiver import Send

DOOR_S = 8.0


@dataclass
class Moving:
    """A door under way."""

    furnace: str
    timer: Timer


class TextDoor:
    """One controller."""

    def __init__(
        self, name: str, plant: Plant, names: Callable[[], Mapping[str, str]], is_locked: Callable[[str], bool]
    ) -> None:
        self.name = name
        self.jammed: set[str] = set()
        """Furnaces whose doors meet something halfway, for checkers to change."""
        self.busy = self.ignore_setpoint = self.other_device = False
        """Whether it refuses to move doors, says that it does and does not, or is another controller; likewise."""
        self._plant, self._names, self._is_locked = plant, names, is_locked
        self._moving: Moving | None = None

    def power_cycle(self) -> None:
        """Have its mains fail and come back: a door that moved stays halfway."""
        self._stop()

    def receiver(self, send: Send) -> LineReceiver:
        """Give what listens on one connection."""
        return LineReceiver(send, self.command, b"\n")

    def command(self, line: str, reply: Reply) -> None:
        """Carry out one line."""
        furnaces = {door: furnace for furnace, door in self._names().items()}
        match line.split():
            case ["ID?"]:
                reply(f"ID text-door 1 SN-{self.name}{'-2' if self.other_device else ''}")
            case ["Status"]:
                reply(self._status())
            case [("Open" | "Close") as verb, door] if door in furnaces:
                reply(self._move(door, furnaces[door], DoorState.OPEN if verb == "Open" else DoorState.CLOSED))
            case ["Stop"]:
                self._stop()
                reply("Stopped")
            case _:
                reply("Error: unknown command")

    def _status(self) -> str:
        state = "RUNNING" if self._moving else "STOP"
        doors = [f"Furnace {door}: {self._where(furnace)}" for furnace, door in self._names().items()]
        return "; ".join([f"State: {state}", *doors])

    def _where(self, furnace: str) -> str:
        door = self._plant.check_door(furnace).door
        if door is DoorState.MOVING:
            return "Moving" if self._moving and self._moving.furnace == furnace else "Ajar"
        return "Open" if door is DoorState.OPEN else "Closed"

    def _move(self, name: str, furnace: str, goal: DoorState) -> str:
        box = self._plant.check_door(furnace)
        if self._moving or self.busy:
            return "Error: busy"
        if goal is DoorState.OPEN and box.door is DoorState.CLOSED and self._is_locked(furnace):
            return f"Error: {name} locked"
        if box.door is not goal and not self.ignore_setpoint:
            self._plant.set_door(furnace, DoorState.MOVING)
            timer = self._plant.at(self._plant.now() + DOOR_S, f"{self.name} door", lambda: self._arrive(goal))
            self._moving = Moving(furnace, timer)
        return f"{'Opening' if goal is DoorState.OPEN else 'Closing'} {name}"

    def _arrive(self, goal: DoorState) -> None:
        moving, self._moving = self._moving, None
        if moving is not None and moving.furnace not in self.jammed:
            self._plant.set_door(moving.furnace, goal)

    def _stop(self) -> None:
        if self._moving:
            self._moving.timer.cancel()
            self._moving = None
            self._plant.note(f"{self.name} stopped")


def _put_up(site: Site, instrument: Instrument, spot: Spot) -> TextDoor:
    told = {str(furnace): str(door) for furnace, door in site.option(instrument, "doors").items()}

    def names() -> dict[str, str]:
        # Furnaces may be put up after it: it moves the doors of all of them, or of those that it is told of.
        furnaces = site.plant.furnaces
        return {furnace: told.get(furnace, furnace) for furnace in furnaces if not told or furnace in told}

    door = TextDoor(instrument.name, site.plant, names, lambda furnace: is_door_locked(site, furnace))
    site.answer(instrument, spot, door.receiver)
    return door


MODEL = Model(Carrier.TCP, Language.TEXT, _put_up, {"doors": {}})
