"""A powder doser: a balance with a draught shield, a dosing head above its pan, and how well both work."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

from sim.chemistry import Lot as Substance
from sim.chemistry import Truth, dispense
from sim.plant.balance import WeighingCell
from sim.plant.draws import draw
from sim.plant.places import DoorState, Labware, Place
from sim.spec import Flow, Lot

CAPACITY_MG = 220_000.0
GRAIN_CLASSES_UM = ((0.2, "nano"), (2.0, "fine"), (20.0, "standard"), (math.inf, "coarse"))
"""Upper edges of the size classes that the chemistry knows."""
MISS_SD_MG = {Flow.FREE: 0.3, Flow.FAIR: 0.5, Flow.POOR: 1.0}
SLOWNESS = {Flow.FREE: 0.9, Flow.FAIR: 1.0, Flow.POOR: 1.3}
DOSAGES_OF_A_HEAD = 999
SAMPLER_POSITIONS = 30
ADVANCED_SD = 0.7
"""Misses of the advanced algorithm over those of the standard one."""
TAPPED_SLOWNESS = 0.9
"""Tapping keeps a powder flowing that would bridge."""


class DoserFault(IntEnum):
    """Why something cannot be done, in the codes of the Quantos manual."""

    NOT_MOUNTED = 1
    BUSY = 2
    NOT_SELECTED = 4
    NOT_ALLOWED = 5
    NOT_STABLE = 6
    FLOW_ERROR = 7
    STOPPED = 8
    NOT_ALLOWED_HEAD = 10
    HEAD_LIMIT = 11
    HEAD_EXPIRED = 12
    SAMPLER_BLOCKED = 13


@dataclass
class Head:
    """A dosing head with what is left in it."""

    number: int
    lot: Lot
    content_mg: float
    dosages: int = 0
    expired: bool = False
    allowed: bool = True
    """Whether its chip can be read and is meant for this instrument."""


@dataclass(frozen=True)
class Care:
    """How a dosing is to be done, beside how much."""

    advanced: bool = False
    tap_before_s: float = 0.0
    tap_while: bool = False


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
    """One doser, with room for one vial on its pan, or for those on its autosampler."""

    def __init__(self, name: str, heads: dict[int, Head], truth: Truth, seed: int, has_sampler: bool = False) -> None:
        super().__init__(name, 1, SAMPLER_POSITIONS if has_sampler else 1)
        self.heads = heads
        self.has_sampler = has_sampler
        self.position = 0
        """Of the autosampler: which of its places is under the head; 0 none."""
        self.sampler_blocked = False
        """Whether something keeps the autosampler from turning."""
        self.cell = WeighingCell(name, seed)
        self.door = DoorState.OPEN
        self.pin_locked = False
        self.mounted: int | None = None
        self.dosing: Dosing | None = None
        self._truth = truth
        self._seed = seed
        self._count = 0

    def blocked(self, number: int) -> str | None:
        """Say why the position is out of reach, if it is."""
        return None if self.door is DoorState.OPEN else f"{self.name} door {self.door.lower()}"

    @property
    def vial(self) -> Labware | None:
        """What stands on the pan."""
        return self.holds.get(self.position if self.has_sampler else 1)

    @property
    def head(self) -> Head | None:
        """The dosing head that is on."""
        return None if self.mounted is None else self.heads[self.mounted]

    # -- balance

    def disturb(self, now_s: float) -> None:
        """Make the balance restless for a while."""
        self.cell.disturb(now_s)

    def is_stable(self, now_s: float) -> bool:
        """Whether the balance has come to rest."""
        return self.dosing is None and now_s >= self.cell.rest_s

    def gross_mg(self, now_s: float) -> float:
        """What the balance feels now, before zero and tare."""
        true_mg = self.vial.gross_mg if self.vial else 0.0
        falling_mg = self.dosing.fallen_mg(now_s) if self.dosing else 0.0
        return self.cell.gross_mg(true_mg + falling_mg, now_s, restless=self.dosing is not None)

    # -- dosing

    def why_not(self) -> DoserFault | None:
        """What stands in the way of a dosing."""
        if self.dosing:
            return DoserFault.BUSY
        head = self.head
        if head is None or not self.pin_locked:
            return DoserFault.NOT_MOUNTED
        if not head.allowed:
            return DoserFault.NOT_ALLOWED_HEAD
        if head.expired:
            return DoserFault.HEAD_EXPIRED
        if head.dosages >= DOSAGES_OF_A_HEAD:
            return DoserFault.HEAD_LIMIT
        if self.vial is None or self.door is not DoorState.CLOSED:
            return DoserFault.NOT_ALLOWED
        return None

    def start(self, target_mg: float, now_s: float, care: Care | None = None) -> Dosing:
        """Begin to dose; nothing may stand in the way."""
        head = self.head
        if head is None:
            raise ValueError(f"{self.name} has no head on: ask why_not before")
        care = care or Care()
        self._count += 1
        rng = draw(self._seed, self.name, "dose", self._count)
        flow = Flow(head.lot.flow)
        sd_mg = MISS_SD_MG[flow] * min(1.0, target_mg / 20.0) * (ADVANCED_SD if care.advanced else 1.0)
        actual_mg = max(0.0, target_mg + rng.normal(0.0, sd_mg))
        seconds = (25.0 + target_mg / 25.0) * SLOWNESS[flow] * rng.lognormal(0.0, 0.1)
        seconds *= TAPPED_SLOWNESS if care.tap_while and flow is Flow.POOR else 1.0
        end_s = now_s + care.tap_before_s + min(90.0, max(30.0, seconds))
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
