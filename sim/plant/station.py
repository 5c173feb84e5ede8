"""A place whose motor grinds or shakes everything that stands there, for as long as it has turned."""

from __future__ import annotations

from sim.chemistry import mill
from sim.plant.places import Place
from sim.plant.plant import SHAKER_SPEED, Plant


class Station(Place):
    """A mill or a shaker with places for vessels."""

    def __init__(self, name: str, places: int, plant: Plant, *, shakes: bool) -> None:
        super().__init__(name, 1, places)
        self.turning = False
        self._plant = plant
        self._shakes = shakes

    def blocked(self, number: int) -> str | None:
        """Say why the position is out of reach, if it is."""
        return f"{self.name} is running" if self.turning else None

    def treat(self, time_s: float, speed_rpm: float) -> None:
        """Do to every powder that stands here what turning for that time has done."""
        for number in self.holds:
            vessel = self._plant.labware_at(f"{self.name}/{number}")
            if vessel is not None:
                vessel.powder = mill(vessel.powder, time_s, speed_rpm * (SHAKER_SPEED if self._shakes else 1.0))
        self._plant.note(f"{self.name} turned {time_s:g} s at {speed_rpm:g} rpm")
