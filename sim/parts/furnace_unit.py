"""The electronics of one furnace, whatever wire it is on: input, loop, programmer, and what can go wrong with them.

What goes wrong is set from outside, by whoever checks drivers; everything takes effect at the present lab time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from sim.parts.programmer import PidController, Programmer, Status
from sim.plant import BoxFurnace, Plant


class BrokenReads(StrEnum):
    """What an input with a broken sensor sends as its reading."""

    FULL_SCALE = "full scale"
    LAST = "last"
    LARGEST = "32767"
    NAN = "nan"


class FurnaceUnit:
    """The controller of one box furnace, as the furnace sees it."""

    FULL_SCALE_DEGC = 1372.0
    """Upper end of thermocouple type K."""

    def __init__(self, name: str, plant: Plant, furnace: BoxFurnace) -> None:
        self.name = name
        self.loop = PidController()
        self.programmer = Programmer(self.loop)
        self.broken_reads = BrokenReads.FULL_SCALE
        self.ignore_setpoint = False
        """Acknowledges setpoints, and keeps the one it has."""
        self.power_failed = False
        """Whether its power was off since anybody acknowledged that."""
        self.manual_percent: float | None = None
        """The output while it is in manual; None in automatic."""
        self.remote_degc: float | None = None
        """The setpoint of another source, where that one holds; None where its own does."""
        self.standby = False
        """Controls nothing, and gives no power."""
        self._plant, self._furnace = plant, furnace
        self._sensor_broken = False
        self._last_degc = 0.0
        self._stuck: dict[str, float] | None = None
        self._measures = self._measured()
        furnace.controller = self

    # -- for checkers

    @property
    def sensor_broken(self) -> bool:
        """Whether the thermocouple is broken."""
        return self._sensor_broken

    @sensor_broken.setter
    def sensor_broken(self, broken: bool) -> None:
        with self.now():
            self._last_degc = self._furnace.thermocouple_degc
            self._sensor_broken = broken

    @property
    def stuck(self) -> bool:
        """Whether what it measures stays as it was, while it goes on answering and taking settings."""
        return self._stuck is not None

    @stuck.setter
    def stuck(self, stuck: bool) -> None:
        with self.now():
            self._stuck = {name: measure() for name, measure in self._measures.items()} if stuck else None

    def power_cycle(self) -> None:
        """Lose the mains and get them back: no programme any more, the setpoint of before it."""
        with self.now():
            self.programmer.reset()
            self.loop.forget()
            self.power_failed = True
            self._plant.note(f"{self.name} power cycled")

    def panel_setpoint(self, degc: float) -> None:
        """Have somebody set a setpoint at the panel."""
        with self.now():
            self.programmer.set_target(degc)

    def panel_hold(self) -> None:
        """Have somebody hold the programme at the panel, where one runs."""
        with self.now():
            if self.programmer.status is Status.RUN:
                self.programmer.hold()

    def panel_reset(self) -> None:
        """Have somebody end the programme at the panel."""
        with self.now():
            self.programmer.reset()

    def panel_manual(self, percent: float | None) -> None:
        """Have somebody put it into manual with an output, or with None back into automatic."""
        with self.now():
            self.manual_percent = percent

    # -- what the furnace asks at every grid step

    def power(self, reading_degc: float, dt_s: float) -> float:
        """Give the heater power, 0..1; see `sim.plant.furnace.Controller`."""
        if self.programmer.moving:
            self.programmer.step(dt_s, reading_degc)
        if self.standby:
            return 0.0
        if self.manual_percent is not None:
            return self.manual_percent / 100.0
        return 0.0 if self._sensor_broken else self.loop.power(reading_degc, dt_s, self.remote_degc)

    def at_rest(self, reading_degc: float) -> bool:
        """Whether time alone changes nothing; see `sim.plant.furnace.Controller`."""
        if self.programmer.moving or self.manual_percent or self.remote_degc is not None:
            return False
        return self.loop.is_off(reading_degc)

    # -- what it shows

    def shown(self, name: str) -> float:
        """Give one of what it measures, as it was when it got stuck where it has."""
        return self._measures[name]() if self._stuck is None else self._stuck[name]

    def _measured(self) -> dict[str, Callable[[], float]]:
        """What changes by itself: everything that is not a setting."""
        programmer = self.programmer
        return {
            "reading": self._reading_degc,
            "output": lambda: 100.0 * self._furnace.output,
            "setpoint": lambda: self.loop.setpoint_degc if self.remote_degc is None else self.remote_degc,
            "status": lambda: float(programmer.status),
            "elapsed": lambda: programmer.elapsed_s,
            "segment": lambda: float(programmer.segment),
            "segment left": lambda: programmer.segment_left_s,
            "left": lambda: programmer.left_s,
            "waiting": lambda: float(programmer.waiting),
        }

    @contextmanager
    def now(self) -> Iterator[None]:
        """Bring the furnace to the present before something that acts on it changes."""
        with self._plant.heat:
            self._furnace.advance(self._plant.now())
            yield

    def _reading_degc(self) -> float:
        if not self._sensor_broken:
            return self._furnace.thermocouple_degc
        match self.broken_reads:
            case BrokenReads.LAST:
                return self._last_degc
            case BrokenReads.LARGEST:
                return math.inf
            case BrokenReads.NAN:
                return math.nan
            case _:
                return self.FULL_SCALE_DEGC
