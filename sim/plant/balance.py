"""A balance: what its weighing cell makes of the load, and the draught shield around its pan.

    reading = load + offset of this loading + drift + what is left of the last disturbance + noise

Everything is a function of lab time and of how often the pan was disturbed, so no reading depends on who looked before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sim.plant.draws import draw
from sim.plant.places import DoorState, Labware, Place

DRIFT_PERIODS_S = (5400.0, 1234.0)
"""The room's temperature, and the air conditioning's."""
KICK_MG = 20.0
"""How far off the reading is right after a disturbance."""
DECAYS = 8.0
"""By how many times e the disturbance has died away when the cell calls itself at rest."""


@dataclass(frozen=True)
class CellKind:
    """How good a weighing cell is; masses in mg."""

    settling_s: float = 3.0
    noise_mg: float = 0.02
    repeatability_mg: float = 0.04
    """Standard deviation of the offset that each new load gets."""
    drift_mg: float = 0.05
    """Of each of the waves that the drift is made of."""
    restless_noise_mg: float = 2.0


class WeighingCell:
    """One weighing cell with what it takes off its readings."""

    def __init__(self, name: str, seed: int, kind: CellKind | None = None) -> None:
        self.zero_mg = 0.0
        self.tare_mg = 0.0
        self._name, self._seed = name, seed
        self._kind = kind or CellKind()
        self._loadings = 0
        self._since_s = -math.inf
        self._settling_s = self._kind.settling_s
        self._phases = draw(seed, name, "drift").uniform(0.0, 2.0 * math.pi, len(DRIFT_PERIODS_S))
        self._offset_mg, self._kick_mg = 0.0, 0.0

    def disturb(self, now_s: float, slower: float = 1.0) -> None:
        """Make it restless for a while, `slower` times as long as usual; what is on it may have changed."""
        self._loadings += 1
        self._since_s, self._settling_s = now_s, slower * self._kind.settling_s
        rng = draw(self._seed, self._name, "loading", self._loadings)
        self._offset_mg = float(rng.normal(0.0, self._kind.repeatability_mg))
        self._kick_mg = KICK_MG * (1.0 if rng.random() < 0.5 else -1.0)

    @property
    def rest_s(self) -> float:
        """When it is at rest, where nothing disturbs it any more."""
        return self._since_s + self._settling_s

    def gross_mg(self, load_mg: float, now_s: float, restless: bool = False) -> float:
        """What it feels of a load, before zero and tare; noisier while something goes on above it."""
        moving = restless or now_s < self.rest_s
        noise_mg = self._kind.restless_noise_mg if moving else self._kind.noise_mg
        noise = float(draw(self._seed, self._name, "balance", round(now_s * 1000.0)).normal(0.0, noise_mg))
        return load_mg + self._offset_mg + self._drift_mg(now_s) + self._left_mg(now_s) + noise

    def net(self, gross_mg: float) -> float:
        """What it shows of a gross reading."""
        return gross_mg - self.zero_mg - self.tare_mg

    def _drift_mg(self, now_s: float) -> float:
        waves = zip(DRIFT_PERIODS_S, self._phases, strict=True)
        return self._kind.drift_mg * sum(math.sin(2.0 * math.pi * now_s / period + phase) for period, phase in waves)

    def _left_mg(self, now_s: float) -> float:
        if now_s >= self._since_s + 2.0 * self._settling_s:
            return 0.0
        return self._kick_mg * math.exp(-DECAYS * max(0.0, now_s - self._since_s) / self._settling_s)


class Balance(Place):
    """A balance with room for one vessel on its pan."""

    DRAUGHT = 4.0
    """How many times longer everything takes to come to rest while the shield is open."""

    def __init__(self, name: str, seed: int, kind: CellKind | None = None, has_doors: bool = True) -> None:
        """Put one up, its shield open: somebody has just unpacked it.

        Args:
            name: Of the place, whose one position is ``name/1``.
            seed: The laboratory's.
            kind: How good its cell is.
            has_doors: Whether a motor moves the doors; a balance without has no shield.
        """
        super().__init__(name, 1, 1)
        self.cell = WeighingCell(name, seed, kind)
        self.has_doors = has_doors
        self.door = DoorState.OPEN

    def blocked(self, number: int) -> str | None:
        """Say why the pan is out of reach, if it is."""
        reachable = not self.has_doors or self.door is DoorState.OPEN
        return None if reachable else f"{self.name} door {self.door.lower()}"

    def disturb(self, now_s: float) -> None:
        """Make the cell restless, for longer where draughts reach it."""
        open_air = self.has_doors and self.door is not DoorState.CLOSED
        self.cell.disturb(now_s, self.DRAUGHT if open_air else 1.0)

    @property
    def vessel(self) -> Labware | None:
        """What stands on the pan."""
        return self.holds.get(1)

    def is_stable(self, now_s: float) -> bool:
        """Whether the reading has come to rest."""
        return self.door is not DoorState.MOVING and now_s >= self.cell.rest_s

    def gross_mg(self, now_s: float) -> float:
        """What the cell feels now, before zero and tare."""
        load_mg = self.vessel.gross_mg if self.vessel else 0.0
        return self.cell.gross_mg(load_mg, now_s, restless=self.door is DoorState.MOVING)
