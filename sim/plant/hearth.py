"""The inside of a box furnace as a place for crucibles: what stands there is fired with what it felt."""

from __future__ import annotations

import math
import threading

import numpy as np
from numpy.typing import NDArray

from sim.chemistry import GRID_S as BLOCK_S
from sim.chemistry import Truth, fire_batch
from sim.plant.draws import draw
from sim.plant.furnace import HISTORY_S, ROOM_DEGC, BoxFurnace
from sim.plant.places import DoorState, Labware, Place

GRADIENT = 0.003
"""Standard deviation of a position's temperature above room, relative to the furnace's."""
QUENCH_S = 120.0
"""How long a crucible that is taken out hot needs to cool on the bench."""


class Hearth(Place):
    """The slots of one furnace."""

    def __init__(
        self,
        furnace: BoxFurnace,
        slots: int,
        atmosphere: str,
        truth: Truth,
        seed: int,
        heat: threading.RLock,
    ) -> None:
        super().__init__(furnace.name, 1, slots)
        self.furnace = furnace
        self._atmosphere = atmosphere
        self._truth = truth
        self._heat = heat
        """Held while the furnace is asked, not while powders are fired."""
        self._gradient = 1.0 + draw(seed, furnace.name, "gradient").normal(0.0, GRADIENT, slots)

    def blocked(self, number: int) -> str | None:
        """Say why the position is out of reach, if it is."""
        return None if self.furnace.door is DoorState.OPEN else f"{self.name} door {self.furnace.door.lower()}"

    def put(self, number: int, labware: Labware) -> None:
        """Take a crucible in; from now on it feels what the furnace does."""
        super().put(number, labware)
        with self._heat:
            self.furnace.advance(labware.since_s)
            self.furnace.start_recording()

    def take(self, number: int) -> Labware:
        """Give a crucible out, which cools on the bench."""
        self._fire_rest(number)
        labware = super().take(number)
        with self._heat:
            load_degc = self.furnace.load_degc
            if not self.holds:
                self.furnace.stop_recording()
        hot_degc = ROOM_DEGC + (load_degc - ROOM_DEGC) * float(self._gradient[number - 1])
        times_s = [labware.since_s, labware.since_s + QUENCH_S]
        labware.powder = fire_batch([labware.powder], times_s, [hot_degc, ROOM_DEGC], "air", self._truth)[0]
        return labware

    def live(self, labware: Labware, now_s: float) -> None:
        """Fire everything that stands in the furnace, all at once because that costs least.

        Whole blocks of the chemistry's grid only, so that the powder does not depend on when somebody asked.
        """
        with self._heat:
            self.furnace.advance(now_s)
            times_s, load_degc = self.furnace.history()
        whole = times_s <= times_s[-1] // BLOCK_S * BLOCK_S if len(times_s) else times_s > 0
        times_s, load_degc = times_s[whole], load_degc[whole]
        if len(times_s) < 2:
            return
        above = np.stack([self._felt(number, times_s, load_degc) for number in self.holds])
        crucibles = list(self.holds.values())
        powders = [crucible.powder for crucible in crucibles]
        fired = fire_batch(powders, times_s, ROOM_DEGC + above, self._atmosphere, self._truth)
        for crucible, powder in zip(crucibles, fired, strict=True):
            crucible.powder = powder
            crucible.since_s = float(times_s[-1])
        with self._heat:
            self.furnace.forget_history(float(times_s[-1]))

    def _fire_rest(self, number: int) -> None:
        """Fire one crucible through the block that has begun; the others go through it whole, later."""
        crucible = self.holds[number]
        with self._heat:
            times_s, load_degc = self.furnace.history()
        if len(times_s) >= 2:
            felt = ROOM_DEGC + self._felt(number, times_s, load_degc)
            crucible.powder = fire_batch([crucible.powder], times_s, felt, self._atmosphere, self._truth)[0]
            crucible.since_s = float(times_s[-1])

    def _felt(self, number: int, times_s: NDArray[np.float64], load_degc: NDArray[np.float64]) -> NDArray[np.float64]:
        """Degrees above room that the crucible at a position felt; none before it was put in."""
        put_in_s = math.ceil(self.holds[number].since_s / HISTORY_S) * HISTORY_S
        felt: NDArray[np.float64] = np.where(
            times_s >= put_in_s, (load_degc - ROOM_DEGC) * self._gradient[number - 1], 0.0
        )
        return felt
