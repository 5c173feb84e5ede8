"""A Robotiq two-finger gripper behind the server of its URCap, TCP port 63352.

GET POS -> POS 3 LF        SET POS 255 -> ack, without an end of line        anything else -> ?

ACT 0 | 1 sleep, wake     GTO 0 | 1 stand, go to POS     POS, SPE, FOR 0..255     ATR, ADR kept
STA 0, 1, 3     PRE what POS was set to     OBJ 0 moving, 2 gripped while closing, 3 arrived     FLT
                                                                                 (instruments.md 6.3)

No variable tells one gripper from another, and no reply says that it is busy.
"""

from __future__ import annotations

from sim.addresses import Carrier, Language, Spot
from sim.model import Model
from sim.plant import Plant
from sim.plant.hand import Hand, Hold
from sim.site import Site
from sim.spec import Instrument
from sim.wire.lines import LineReceiver, Reply
from sim.wire.receiver import Send

CLOSED = 255
SETTABLE = ("ACT", "GTO", "POS", "SPE", "FOR", "ATR", "ADR")
TOLD = ("POS", "STA", "OBJ", "FLT")
"""What it measures."""
NOT_ACTIVATED = 7


class RobotiqGripper:
    """One gripper."""

    def __init__(self, name: str, plant: Plant) -> None:
        self.name = name
        self.hand = Hand(name)
        self.fault = 0
        """FLT, for checkers to set."""
        self.ignore_setpoint = False
        """Whether it confirms what is set and drops it, likewise."""
        self._plant = plant
        self._stuck: dict[str, int] | None = None
        self._set = dict.fromkeys(SETTABLE, 0)

    @property
    def stuck(self) -> bool:
        """Whether it goes on telling what it told, whatever its fingers do."""
        return self._stuck is not None

    @stuck.setter
    def stuck(self, stuck: bool) -> None:
        with self._plant.heat:
            self._stuck = {name: self._told(name) for name in TOLD} if stuck else None

    def power_cycle(self) -> None:
        """Have its power fail and come back: it is asleep, and its fingers stand where they were."""
        with self._plant.heat:
            self.hand.halt(self._plant.now())
            self.hand.sleep()
            self._set = dict.fromkeys(SETTABLE, 0)

    def receiver(self, send: Send) -> LineReceiver:
        """Give what listens on one connection."""

        def command(line: str, reply: Reply) -> None:
            with self._plant.heat:
                words = line.split()
                match words:
                    case ["GET", name] if (value := self._get(name)) is not None:
                        reply(f"{name} {value}")
                    case ["SET", *pairs] if self._put(pairs):
                        send(b"ack")
                    case _:
                        reply("?")

        return LineReceiver(send, command, b"\n")

    def _get(self, name: str) -> int | None:
        if name in TOLD:
            return self._told(name) if self._stuck is None else self._stuck[name]
        return self._set["POS"] if name == "PRE" else self._set.get(name)

    def _told(self, name: str) -> int:
        now_s = self._plant.now()
        if name == "POS":
            return round(CLOSED * (1.0 - self.hand.opening(now_s)))
        if name == "STA":
            return 3 if self.hand.is_awake(now_s) else int(self.hand.is_waking(now_s))
        if name == "OBJ":
            return self._contact(now_s)
        return self.fault or (0 if self._set["ACT"] else NOT_ACTIVATED)

    def _contact(self, now_s: float) -> int:
        if not self.hand.is_awake(now_s):
            return 0
        return {Hold.MOVING: 0, Hold.GRASPED: 2, Hold.ARRIVED: 3, Hold.DROPPED: 3}[self.hand.hold(now_s)]

    def _put(self, pairs: list[str]) -> bool:
        names, values = pairs[::2], pairs[1::2]
        if not pairs or len(names) != len(values) or not all(value.isdecimal() for value in values):
            return False
        if not all(name in self._set and int(value) <= 255 for name, value in zip(names, values, strict=True)):
            return False
        for name, value in zip(names, values, strict=True):
            if not self.ignore_setpoint:
                self._change(name, int(value))
        return True

    def _change(self, name: str, value: int) -> None:
        before, now_s = self._set[name], self._plant.now()
        self._set[name] = value
        if name == "ACT" and value != before:
            if value:
                self.fault = 0
                self.hand.wake(now_s)
                self._set["POS"] = 0
                self._plant.note(f"{self.name} wakes")
            else:
                self.hand.sleep()
        elif name == "GTO" and not value:
            self.hand.halt(now_s)
        elif name in ("GTO", "POS") and self._set["GTO"]:
            self._go(now_s)

    def _go(self, now_s: float) -> None:
        opening = 1.0 - self._set["POS"] / CLOSED
        self.hand.go(opening, now_s)
        self._plant.note(f"{self.name} goes to {opening:.0%} open")


def _put_up(site: Site, instrument: Instrument, spot: Spot) -> RobotiqGripper:
    gripper = RobotiqGripper(instrument.name, site.plant)
    site.answer(instrument, spot, gripper.receiver)
    return gripper


MODEL = Model(Carrier.TCP, Language.TEXT, _put_up, first=True)
