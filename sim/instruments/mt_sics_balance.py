"""A balance that speaks MT-SICS: lines with CR LF, on a serial line or a socket; `sim.parts.sics` says which.

A line that it does not know is answered with ES.
"""

from __future__ import annotations

from sim.addresses import Carrier, Language, Spot
from sim.errors import BadOptionError
from sim.model import Model
from sim.parts.scales import Plate
from sim.parts.sics import Sics
from sim.parts.sics_faults import SicsFaults
from sim.plant import Balance, CellKind, Plant
from sim.site import Site
from sim.spec import Instrument
from sim.wire.lines import LineReceiver, Reply
from sim.wire.receiver import Send


class MtSicsBalance(SicsFaults):
    """One balance."""

    def __init__(self, plant: Plant, balance: Balance, plate: Plate) -> None:
        self.name = balance.name
        self._plant, self._balance = plant, balance
        self.sics = Sics(plant, balance, plate, shield=balance if balance.has_doors else None)
        self._say: Send | None = None

    def receiver(self, send: Send) -> LineReceiver:
        """Give what listens on one connection."""
        self._say = send
        return LineReceiver(send, self.command, b"\r\n", "latin-1")

    def command(self, line: str, reply: Reply) -> None:
        """Carry out one line."""
        if not self.sics.hear(line, reply):
            reply("ES")

    def power_cycle(self) -> None:
        """Be switched off and on; it says so by itself."""
        self.sics.power_cycle(self._tell)
        self._balance.disturb(self._plant.now())
        self._plant.note(f"{self.name} switched off and on")

    def _tell(self, line: str) -> None:
        if self._say is not None:
            self._say(line.encode("latin-1") + b"\r\n")


def _put_up(site: Site, instrument: Instrument, spot: Spot) -> MtSicsBalance:
    def number(name: str) -> float:
        value = site.option(instrument, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise BadOptionError(f"{instrument.name}: {name} {value!r} is no number from 0")
        return float(value)

    readability_mg = number("readability_mg")
    plate = Plate(
        model=str(site.option(instrument, "model")),
        serial=str(site.option(instrument, "serial") or f"SIM-{instrument.name}"),
        capacity_mg=number("capacity_mg"),
        readability_mg=readability_mg,
        min_weigh_mg=number("min_weigh_mg"),
        cancel_word=str(site.option(instrument, "cancel_word")),
    )
    kind = CellKind(
        settling_s=number("settling_s"),
        noise_mg=0.2 * readability_mg,
        repeatability_mg=0.7 * readability_mg,
        drift_mg=0.5 * readability_mg,
        restless_noise_mg=max(2.0, 10.0 * readability_mg),
    )
    balance = Balance(instrument.name, site.plant.seed, kind, has_doors=bool(site.option(instrument, "doors")))
    site.plant.add(balance)
    found = MtSicsBalance(site.plant, balance, plate)
    site.answer(instrument, spot, found.receiver)
    return found


MODEL = Model(
    Carrier.PTY,
    Language.TEXT,
    _put_up,
    {
        "model": "XS204",
        "serial": None,
        "capacity_mg": 220_000.0,
        "readability_mg": 0.1,
        "min_weigh_mg": 0.0,
        "settling_s": 3.0,
        "doors": True,
        "cancel_word": "I4",
    },
)
