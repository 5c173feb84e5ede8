"""What stands in for the hot plate: the same lines, and a plate that follows its target with one time constant.

The temperature at a time depends on that time alone, never on when anybody asked. Nothing here is shared with the
driver: what one of them got wrong about the wire, the other one finds out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sim.addresses import Carrier, Language, Spot
from sim.model import Model
from sim.plant import Plant
from sim.site import Site
from sim.spec import Instrument
from sim.wire.lines import LineReceiver, Reply
from sim.wire.receiver import Send

TIME_CONSTANT_S = 120.0
HOTTEST_DEGC = 400.0


@dataclass
class Plate:
    """The plate itself."""

    room_degc: float
    since_s: float
    degc: float
    """At `since_s`."""
    target_degc: float = 0.0
    heats: bool = False

    def at(self, t_s: float) -> float:
        """Give its temperature at a time."""
        goal_degc = self.target_degc if self.heats else self.room_degc
        return goal_degc + (self.degc - goal_degc) * math.exp((self.since_s - t_s) / TIME_CONSTANT_S)

    def tell(self, t_s: float, target_degc: float, *, heats: bool) -> None:
        """Change what it is to do."""
        self.degc, self.since_s = self.at(t_s), t_s
        self.target_degc, self.heats = target_degc, heats


class HotPlate:
    """The electronics."""

    def __init__(self, name: str, plant: Plant, room_degc: float) -> None:
        self.name = name
        self.plate = Plate(room_degc, plant.now(), room_degc)
        # What the relay may do to it; see `sim.relay.hooks`.
        self.ignore_setpoint = False
        self.other_device = False
        self._plant = plant

    def receiver(self, send: Send) -> LineReceiver:
        """Give what listens on one connection."""
        return LineReceiver(send, self.command, b"\n")

    def command(self, line: str, reply: Reply) -> None:
        """Carry out one line."""
        now_s = self._plant.now()
        match line.split(" "):
            case ["ID?"]:
                reply(f"ID hot-plate {'SN-OTHER' if self.other_device else f'SN-{self.name}'}")
            case ["STATE?"]:
                heater = "ON" if self.plate.heats else "OFF"
                reply(f"STATE {self.plate.at(now_s):.1f} {self.plate.target_degc:.1f} {heater}")
            case ["SET", text]:
                reply(self._set(text, now_s))
            case ["OFF"]:
                self.plate.tell(now_s, 0.0, heats=False)
                self._plant.note(f"{self.name} off")
                reply("OK")
            case _:
                reply("ERR unknown command")

    def power_cycle(self) -> None:
        """Come back without heating."""
        self.plate.tell(self._plant.now(), 0.0, heats=False)

    def panel_setpoint(self, degc: float) -> None:
        """Have somebody set it by hand."""
        self.plate.tell(self._plant.now(), degc, heats=True)

    def _set(self, text: str, now_s: float) -> str:
        try:
            degc = float(text)
        except ValueError:
            return "ERR not a number"
        if not 0.0 < degc <= HOTTEST_DEGC:
            return "ERR out of range"
        if not self.ignore_setpoint:
            self.plate.tell(now_s, degc, heats=True)
            self._plant.note(f"{self.name} heats to {degc:g} degC")
        return "OK"


def _put_up(site: Site, instrument: Instrument, spot: Spot) -> HotPlate:
    plate = HotPlate(instrument.name, site.plant, float(site.option(instrument, "room_degc")))
    site.answer(instrument, spot, plate.receiver)
    return plate


MODEL = Model(Carrier.TCP, Language.TEXT, _put_up, {"room_degc": 22.0})
