"""A powder doser: a balance with a draft shield, a dosing head above its pan, and how well both work."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

from sim.chemistry import Lot as Substance
from sim.chemistry import Truth, dispense
from sim.plant.draws import draw
from sim.plant.places import DoorState, Labware, Place
from sim.spec import Flow, Lot

SETTLING_S = 3.0
"""How long the balance is restless after something was put on it or its door moved."""
BALANCE_NOISE_MG = 0.02
RESTLESS_NOISE_MG = 2.0
CAPACITY_MG = 220_000.0
GRAIN_CLASSES_UM = ((0.2, "nano"), (2.0, "fine"), (20.0, "standard"), (math.inf, "coarse"))
"""Upper edges of the size classes that the chemistry knows."""
MISS_SD_MG = {Flow.FREE: 0.3, Flow.FAIR: 0.5, Flow.POOR: 1.0}
SLOWNESS = {Flow.FREE: 0.9, Flow.FAIR: 1.0, Flow.POOR: 1.3}
DOSAGES_OF_A_HEAD = 999


class DoserFault(IntEnum):
    """Why something cannot be done, in the codes of the Quantos manual."""

    NOT_MOUNTED = 1
    BUSY = 2
    NOT_ALLOWED = 5
    NOT_STABLE = 6
    FLOW_ERROR = 7
    STOPPED = 8
    HEAD_LIMIT = 11


@dataclass
class Head:
    """A dosing head with what is left in it."""

    number: int
    lot: Lot
    content_mg: float
    dosages: int = 0


@dataclass(frozen=True)
class Dosing:
    """One dosing, decided when it starts and finished when its time has come."""

    number: int
    start_s: float
    end_s: float
    target_mg: float
    actual_mg: float
    """What falls when nobody stops it."""

    def fallen_mg(self, now_s: float) -> float:
        """What has fallen by now: most of it at once, the last bit slowly."""
        part = min(1.0, max(0.0, (now_s - self.start_s) / (self.end_s - self.start_s)))
        return self.actual_mg * (1.0 - (1.0 - part) ** 2)


class Doser(Place):
    """One doser, with room for one vial on its pan."""

    def __init__(self, name: str, heads: dict[int, Head], truth: Truth, seed: int) -> None:
        super().__init__(name, 1, 1)
        self.heads = heads
        self.door = DoorState.OPEN
        self.pin_locked = False
        self.mounted: int | None = None
        self.dosing: Dosing | None = None
        self.zero_mg = 0.0
        self.tare_mg = 0.0
        self._truth = truth
        self._seed = seed
        self._count = 0
        self._restless_until_s = -math.inf

    def blocked(self, number: int) -> str | None:
        """Say why the position is out of reach, if it is."""
        return None if self.door is DoorState.OPEN else f"{self.name} door {self.door.lower()}"

    @property
    def vial(self) -> Labware | None:
        """What stands on the pan."""
        return self.holds.get(1)

    @property
    def head(self) -> Head | None:
        """The dosing head that is on."""
        return None if self.mounted is None else self.heads[self.mounted]

    # -- balance

    def disturb(self, now_s: float) -> None:
        """Make the balance restless for a while."""
        self._restless_until_s = now_s + SETTLING_S

    def is_stable(self, now_s: float) -> bool:
        """Whether the balance has come to rest."""
        return self.dosing is None and now_s >= self._restless_until_s

    def gross_mg(self, now_s: float) -> float:
        """What the balance feels now, before zero and tare."""
        true_mg = self.vial.gross_mg if self.vial else 0.0
        falling_mg = self.dosing.fallen_mg(now_s) if self.dosing else 0.0
        noise_mg = BALANCE_NOISE_MG if self.is_stable(now_s) else RESTLESS_NOISE_MG
        noise = draw(self._seed, self.name, "balance", round(now_s * 1000.0)).normal(0.0, noise_mg)
        return true_mg + falling_mg + float(noise)

    def net_mg(self, now_s: float) -> float:
        """What the balance shows now."""
        return self.gross_mg(now_s) - self.zero_mg - self.tare_mg

    # -- dosing

    def why_not(self) -> DoserFault | None:
        """What stands in the way of a dosing."""
        if self.dosing:
            return DoserFault.BUSY
        head = self.head
        if head is None or not self.pin_locked:
            return DoserFault.NOT_MOUNTED
        if head.dosages >= DOSAGES_OF_A_HEAD:
            return DoserFault.HEAD_LIMIT
        if self.vial is None or self.door is not DoorState.CLOSED:
            return DoserFault.NOT_ALLOWED
        return None

    def start(self, target_mg: float, now_s: float) -> Dosing:
        """Begin to dose; nothing may stand in the way."""
        head = self.head
        if head is None:
            raise ValueError(f"{self.name} has no head on: ask why_not before")
        self._count += 1
        rng = draw(self._seed, self.name, "dose", self._count)
        flow = Flow(head.lot.flow)
        actual_mg = max(0.0, target_mg + rng.normal(0.0, MISS_SD_MG[flow] * min(1.0, target_mg / 20.0)))
        seconds = (25.0 + target_mg / 25.0) * SLOWNESS[flow] * rng.lognormal(0.0, 0.1)
        end_s = now_s + min(90.0, max(30.0, seconds))
        self.dosing = Dosing(self._count, now_s, end_s, target_mg, min(actual_mg, head.content_mg))
        return self.dosing

    def finish(self, now_s: float) -> DoserFault | None:
        """End the dosing, done or not, with what has fallen by now in the vial."""
        dosing, head, vial = self.dosing, self.head, self.vial
        if dosing is None or head is None or vial is None:
            raise ValueError(f"{self.name} does not dose")
        fallen_mg = dosing.fallen_mg(now_s)
        vial.powder = dispense(vial.powder, substance(head.lot), fallen_mg, self._truth)
        ran_dry = head.content_mg <= dosing.actual_mg
        head.content_mg -= fallen_mg
        head.dosages += 1
        self.dosing = None  # its last seconds were for the balance to settle
        if now_s < dosing.end_s:
            self.disturb(now_s)
            return DoserFault.STOPPED
        return DoserFault.FLOW_ERROR if ran_dry else None


def substance(lot: Lot) -> Substance:
    """Say what a lot is in the words of the chemistry."""
    grain = next(name for edge_um, name in GRAIN_CLASSES_UM if lot.grain_um < edge_um)
    return Substance(lot.formula, lot.assay, lot.hydrate, grain)
