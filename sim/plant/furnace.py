"""A small box furnace: what its chamber, thermocouples and load do for a given heater power.

    chamber:  C dT/dt = P - (u + u_door) (T - T_room) - (a + a_door) sigma (T^4 - T_room^4)
    load:     dT_load/dt = (k_0 + k_1 T^3) (T - T_load)              contact and radiation
    probes:   first-order lags of the chamber

The constants are those of a seven-litre, 2.6 kW laboratory furnace: about 0.9 kW to hold 1000 degC, 14 degC/min
at most when cold, and six hours to cool by itself from 1000 to 60 degC.

The state lives on a grid of absolute multiples of `GRID_S` and is advanced when somebody asks. A change of
anything that acts on it (door, contactor, setpoint) must be preceded by `advance` to the time of the change;
then the state at t does not depend on when it was asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sim.plant.draws import draw
from sim.plant.places import DoorState

GRID_S = 10
"""Integration step; divides `HISTORY_S`."""
HISTORY_S = 60
"""Spacing of the thermal history that is kept for the crucibles, the grid of the chemistry."""
HISTORY_STEPS = HISTORY_S // GRID_S
KELVIN = 273.15
ROOM_DEGC = 22.0
ROOM_K = ROOM_DEGC + KELVIN
STEFAN_BOLTZMANN = 5.670374e-8
SETTLED_K = 0.02
"""Closer to room temperature than this, a furnace that is off is as cold as the room."""
NOISE_SAMPLES = 1024


@dataclass(frozen=True)
class Box:
    """The constants of one furnace."""

    power_w: float = 2300.0
    heat_capacity_j_per_k: float = 8000.0
    conduction_w_per_k: float = 1.0
    radiating_m2: float = 1.0e-3
    open_door_w_per_k: float = 5.0
    open_door_m2: float = 1.5e-2
    thermocouple_lag_s: float = 25.0
    over_sensor_lag_s: float = 40.0
    load_contact_per_s: float = 1.0 / 500.0
    load_radiation_per_s_k3: float = 6.0e-12
    limiter_degc: float = 1300.0
    """The furnace's own hard-wired over-temperature limiter."""


class Supply(Protocol):
    """The contactor between mains and heater."""

    @property
    def closed(self) -> bool:
        """Whether current can flow now."""

    @property
    def opens_at_s(self) -> float:
        """Lab time at which it opens by itself, infinite where it does not."""

    def expire(self) -> None:
        """Have it open, its time having come; the step in which that happens is not heated."""


class Controller(Protocol):
    """What decides about the heater's power."""

    def power(self, reading_degc: float, dt_s: float) -> float:
        """Give the heater power of the next `dt_s` seconds, 0..1; called once for each grid step."""

    def at_rest(self, reading_degc: float) -> bool:
        """Whether nothing will change by time alone and no heat is asked for."""


class AlwaysClosed:
    """A furnace that is wired to the mains without a contactor."""

    closed = True
    opens_at_s = math.inf

    def expire(self) -> None:
        """Do nothing: nobody opens it."""


class BoxFurnace:
    """The thermal state of one furnace at the last grid point."""

    def __init__(self, name: str, now_s: float, seed: int, box: Box | None = None) -> None:
        self.name = name
        self.box = box or Box()
        self.supply: Supply = AlwaysClosed()
        self.controller: Controller | None = None
        self.door = DoorState.CLOSED
        self.output = 0.0
        """Heater power of the last step as the controller asked for it, 0..1."""
        # kelvin inside, so that a cold furnace is exactly as warm as the room
        self._chamber_k = self._load_k = self._thermocouple_k = self._over_k = ROOM_K
        self._step = int(now_s // GRID_S)
        self._history: list[float] = []
        self._history_start = 0
        self._recording = False
        rng = draw(seed, name, "probes")
        self._over_offset_degc, self._over_gain = rng.normal(0.0, 2.0), 1.0 + rng.normal(0.0, 0.003)
        self._noise_degc = rng.normal(0.0, 0.15, NOISE_SAMPLES)

    def be_at(self, degc: float) -> None:
        """Have everything in it be at a temperature, at once; for checkers only."""
        self._chamber_k = self._load_k = self._thermocouple_k = self._over_k = degc + KELVIN

    # -- readings, of the last grid point

    @property
    def chamber_degc(self) -> float:
        """How hot the chamber is."""
        return self._chamber_k - KELVIN

    @property
    def load_degc(self) -> float:
        """How hot the crucibles are."""
        return self._load_k - KELVIN

    @property
    def thermocouple_degc(self) -> float:
        """What the control thermocouple shows."""
        return self._thermocouple_k - KELVIN + float(self._noise_degc[self._step % NOISE_SAMPLES])

    @property
    def over_sensor_degc(self) -> float:
        """What the independent over-temperature sensor shows: a few degrees off when hot."""
        above_degc = (self._over_k - ROOM_K) * self._over_gain
        offset_degc = self._over_offset_degc * min(1.0, abs(above_degc) / 100.0)
        noise_degc = float(self._noise_degc[(7 * self._step + 3) % NOISE_SAMPLES])
        return ROOM_DEGC + above_degc + offset_degc + noise_degc

    @property
    def limiter_ok(self) -> bool:
        """Whether the hard-wired limiter lets the heater work."""
        return self._over_k - KELVIN < self.box.limiter_degc

    # -- time

    def advance(self, now_s: float) -> None:
        """Bring the state to the last grid point at or before `now_s`."""
        end = int(now_s // GRID_S)
        while self._step < end:
            opens_at_s = self.supply.opens_at_s
            heated_until = end if opens_at_s >= end * GRID_S else int(opens_at_s // GRID_S)
            if heated_until > self._step:
                self._integrate(heated_until)
            if heated_until < end:
                self.supply.expire()
        if self.supply.opens_at_s <= now_s:
            self.supply.expire()

    def _integrate(self, end: int) -> None:
        """Step from grid point to grid point; the hot path of the simulator, so everything is local."""
        box = self.box
        door_open = self.door is not DoorState.CLOSED
        conduction = box.conduction_w_per_k + door_open * box.open_door_w_per_k
        radiation = STEFAN_BOLTZMANN * (box.radiating_m2 + door_open * box.open_door_m2)
        room_k, room_4 = ROOM_K, ROOM_K * ROOM_K * ROOM_K * ROOM_K
        heater_w = box.power_w if self.supply.closed else 0.0
        limiter_k, per_w = box.limiter_degc + KELVIN, GRID_S / box.heat_capacity_j_per_k
        thermocouple_part = 1.0 - math.exp(-GRID_S / box.thermocouple_lag_s)
        over_part = 1.0 - math.exp(-GRID_S / box.over_sensor_lag_s)
        contact, load_radiation = GRID_S * box.load_contact_per_s, GRID_S * box.load_radiation_per_s_k3
        chamber, load, thermocouple, over = self._chamber_k, self._load_k, self._thermocouple_k, self._over_k
        power = self.controller.power if self.controller else _no_power
        step, output = self._step, self.output
        while step < end:
            if step % HISTORY_STEPS == 0:
                self._record(load)
                if self._is_settled(chamber, load, thermocouple):
                    self._skip(step, end)
                    return
            output = power(thermocouple - KELVIN, GRID_S)
            heat_w = output * heater_w if over < limiter_k else 0.0
            cube = chamber * chamber * chamber
            rate = contact + load_radiation * cube
            load += (rate if rate < 1.0 else 1.0) * (chamber - load)
            chamber += per_w * (heat_w - conduction * (chamber - room_k) - radiation * (cube * chamber - room_4))
            thermocouple += thermocouple_part * (chamber - thermocouple)
            over += over_part * (chamber - over)
            step += 1
        self._step, self.output = step, output
        self._chamber_k, self._load_k, self._thermocouple_k, self._over_k = chamber, load, thermocouple, over

    def _is_settled(self, chamber_k: float, load_k: float, reading_k: float) -> bool:
        if abs(chamber_k - ROOM_K) > SETTLED_K or abs(load_k - ROOM_K) > SETTLED_K:
            return False
        return self.controller is None or self.controller.at_rest(reading_k - KELVIN)

    def _skip(self, step: int, end: int) -> None:
        """Stay cold from `step`, which is recorded already, to `end`."""
        self._chamber_k = self._load_k = self._thermocouple_k = self._over_k = ROOM_K
        self._step, self.output = end, 0.0
        for _ in range(step // HISTORY_STEPS + 1, -(-end // HISTORY_STEPS)):
            self._record(ROOM_K)

    # -- thermal history

    def start_recording(self) -> None:
        """Keep the load's temperature from the next multiple of `HISTORY_S` on."""
        if not self._recording:
            self._recording = True
            self._history.clear()
            self._history_start = -(-self._step // HISTORY_STEPS)

    def history(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give what was recorded: lab times in s on multiples of `HISTORY_S`, load temperatures in degC."""
        times = (self._history_start + np.arange(len(self._history), dtype=np.float64)) * HISTORY_S
        return times, np.array(self._history, dtype=np.float64)

    def forget_history(self, before_s: float) -> None:
        """Drop what was recorded before lab time `before_s`, a recorded time, where the next history starts."""
        count = int(before_s // HISTORY_S) - self._history_start
        self._history_start += count
        del self._history[:count]

    def stop_recording(self) -> None:
        """Keep no more history."""
        self._recording = False
        self._history.clear()

    def _record(self, load_k: float) -> None:
        if self._recording:
            self._history.append(load_k - KELVIN)


def _no_power(reading_degc: float, dt_s: float) -> float:
    return 0.0
