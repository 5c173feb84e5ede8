"""A line that gas flows through: supply, mass flow sensor and valve, as one controller has them.

    flow:     tau dF/dt = goal - F          goal: the target, no more than the supply gives
    sensor:   reads F (1 + noise) + offset + noise of the whole scale

Everything is a function of time since the last change, so the value at t never depends on when it was asked; noise is
keyed by time. A change is told with its time. Whoever asks holds `Plant.lock`.
"""

from __future__ import annotations

import math

from sim.plant.draws import draw

TAU_S = 0.5
"""How fast the valve brings the flow to its goal."""
ATMOSPHERE_KPA = 101.325
ROOM_DEGC = 22.0
STANDARD_K = 298.15
"""Where a standard volume is measured, at one atmosphere."""
DROP_KPA = 3.0
"""How much higher the pressure in the sensor is at full scale."""
FULL_SUPPLY_KPA = 400.0
"""Absolute pressure of a supply that gives half as much again as full scale."""
NOISE, FLOOR_NOISE = 0.002, 0.0001
"""Standard deviation of a reading, as a part of the flow and of full scale."""
OFFSET = 0.003
"""How far from none a sensor may read without flow before it is tared, as a part of full scale."""
GRAIN_S = 0.1
"""Readings within this time have the same noise."""


class GasLine:
    """One line; flows in sccm."""

    def __init__(self, name: str, now_s: float, seed: int, full_scale_sccm: float) -> None:
        self.name = name
        self.full_scale_sccm = full_scale_sccm
        self.target_sccm = 0.0
        """Where the valve brings the flow."""
        self.held = False
        """Whether the valve stands still, wherever the target is."""
        self.supply_kpa = FULL_SUPPLY_KPA
        """Absolute; at one atmosphere nothing flows."""
        self._seed = seed
        self._since_s, self._from_sccm, self._goal_sccm = now_s, 0.0, 0.0
        self._offset_sccm = float(draw(seed, name, "offset").uniform(-OFFSET, OFFSET)) * full_scale_sccm

    # -- what happens to it

    def set_target(self, sccm: float, now_s: float) -> None:
        """Have the valve bring the flow somewhere."""
        self.target_sccm = sccm
        self._change(now_s)

    def hold(self, now_s: float, *, closed: bool = False) -> None:
        """Hold the valve where it is, or closed."""
        goal_sccm = 0.0 if closed else self.flow_sccm(now_s)
        self.held = True
        self._begin(goal_sccm, now_s)

    def release(self, now_s: float) -> None:
        """Have the valve follow the target again."""
        self.held = False
        self._change(now_s)

    def set_supply(self, kpa: float, now_s: float) -> None:
        """Change the absolute pressure of the supply."""
        flow_sccm = self.flow_sccm(now_s)
        self.supply_kpa = kpa
        self._begin(min(flow_sccm, self._most_sccm) if self.held else self._followed_sccm, now_s)

    def tare(self, now_s: float) -> None:
        """Take what the sensor reads for none."""
        self._offset_sccm -= self.reading_sccm(now_s)

    # -- what it is at

    def flow_sccm(self, now_s: float) -> float:
        """Give what really flows."""
        fading = math.exp(-max(0.0, now_s - self._since_s) / TAU_S)
        return self._goal_sccm + (self._from_sccm - self._goal_sccm) * fading

    def reading_sccm(self, now_s: float) -> float:
        """Give what the sensor reads."""
        flow_sccm = self.flow_sccm(now_s)
        relative, floor = draw(self._seed, self.name, "flow", int(now_s / GRAIN_S)).normal(0.0, 1.0, 2)
        noise_sccm = float(relative) * NOISE * flow_sccm + float(floor) * FLOOR_NOISE * self.full_scale_sccm
        return flow_sccm + noise_sccm + self._offset_sccm

    def pressure_kpa(self, now_s: float) -> float:
        """Give the absolute pressure in the sensor."""
        return ATMOSPHERE_KPA + DROP_KPA * self.flow_sccm(now_s) / self.full_scale_sccm

    def temperature_degc(self, now_s: float) -> float:
        """Give the temperature of the gas."""
        return ROOM_DEGC + 0.05 * float(draw(self._seed, self.name, "temperature", int(now_s / 10.0)).normal())

    def volumetric_ccm(self, now_s: float) -> float:
        """Give the reading as a volume at the gas's own pressure and temperature."""
        warmer = (self.temperature_degc(now_s) + 273.15) / STANDARD_K
        return self.reading_sccm(now_s) * warmer * ATMOSPHERE_KPA / self.pressure_kpa(now_s)

    @property
    def _most_sccm(self) -> float:
        share = (self.supply_kpa - ATMOSPHERE_KPA) / (FULL_SUPPLY_KPA - ATMOSPHERE_KPA)
        return max(0.0, 1.5 * share * self.full_scale_sccm)

    @property
    def _followed_sccm(self) -> float:
        return min(self.target_sccm, self._most_sccm)

    def _change(self, now_s: float) -> None:
        if not self.held:
            self._begin(self._followed_sccm, now_s)

    def _begin(self, goal_sccm: float, now_s: float) -> None:
        self._from_sccm, self._since_s, self._goal_sccm = self.flow_sccm(now_s), now_s, goal_sccm
