"""A safety I/O module: contacts, contactor and watchdog of the furnaces that it watches, on Modbus TCP.

    inputs (FC 2)     0 door closed | 1 water | 2 E-stop loop | 3 exhaust | 4 gas | 5 contactor feedback
                      6 over-temperature trip | 7 mains                                  True is safe
    coils (FC 1, 5)   0 contactor permit | 1 beacon | 2 gas valve permit | 3 door lock
    words (FC 3, 6)   0 watchdog trigger | 1 timeout, 0.1 s | 2 state | 3 trip latch | 4 reset code
    words (FC 4)      0..7 analogue inputs ai1 to ai8, 0.1 of a unit | 16..23 their status   (instruments.md 4)

    ai1               independent temperature sensor of the first furnace, degC
    ai2, ai3          oxygen of the room in %, hydrogen in % of the lower explosive limit
    ai4 to ai8        independent sensors of the second to the sixth furnace, degC

Nothing tells one module from another: no number, no type. The watchdog lives in lab time. A timer opens all coils when
its time is over; whoever looks at that very moment before the timer finds them open as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import IntEnum
from typing import TypeVar

from drivers.clock import Timer
from sim.addresses import Carrier, Language, Spot
from sim.errors import BadOptionError
from sim.model import Model
from sim.plant import BoxFurnace, DoorState, Plant
from sim.site import Site
from sim.spec import Instrument
from sim.wire.modbus_pdu import IllegalAddress, IllegalValue

INPUTS, COILS, CHANNELS = 8, 4, 8
DOOR, WATER, EMERGENCY_STOP, EXHAUST, GAS, FEEDBACK, LIMITER, MAINS = range(INPUTS)
CONTACTOR, BEACON, GAS_VALVE, DOOR_LOCK = range(COILS)
COIL_NAMES = ("contactor permit", "beacon", "gas valve permit", "door lock")
CONTACT = "contactor"
"""The contact that carries the heater's current, which the permit closes where the hard-wired loop lets it."""
FIELD_NAMES = {
    WATER: "water",
    EMERGENCY_STOP: "emergency stop",
    EXHAUST: "exhaust",
    GAS: "gas",
    LIMITER: "limiter",
    MAINS: "mains",
}
OXYGEN, HYDROGEN = 2, 3
SENSORS = (1, 4, 5, 6, 7, 8)
"""Analogue inputs, counted from 1, of the furnaces' sensors in the order in which the furnaces are watched."""
ROOM_OXYGEN, ROOM_HYDROGEN = 20.9, 0.0
TRIGGER, TIMEOUT, STATE, TRIPS, RESET_CODE, HOLDING = *range(5), 5
STATUS, INPUT_REGISTERS = 16, 24
REARM = 0x5AFE
TRIP_WATCHDOG = 1 << 0
NORMAL, BURN_OUT = 0, 1

T = TypeVar("T", bool, int)


class Watchdog(IntEnum):
    """Holding register 2."""

    OFF = 0
    RUNNING = 1
    EXPIRED = 2


class SafetyIo:
    """One module, a `ModbusDevice`, and the `Supply` of its furnaces."""

    def __init__(self, name: str, plant: Plant) -> None:
        self.name = name
        self.field = dict.fromkeys(FIELD_NAMES, True)
        """Inputs that come from the building, for checkers to change through `set_field`."""
        self._plant = plant
        self._forced: dict[int, float | None] = {}
        self._image: tuple[list[bool], list[int]] | None = None
        self._welded = False
        self._contact = False
        self._timer: Timer | None = None
        self._timer_s = math.inf
        self._furnaces: list[BoxFurnace] = []
        self._coils = [False] * COILS
        self._words = [0] * HOLDING
        self._petted_s = 0.0

    def watch(self, furnace: BoxFurnace) -> None:
        """Put a furnace behind this module's contactor; the n-th one's sensor is analogue input `SENSORS[n - 1]`.

        Raises:
            BadOptionError: There is no analogue input left.
        """
        if len(self._furnaces) == len(SENSORS):
            raise BadOptionError(
                f"{furnace.name}: {self.name} watches {len(SENSORS)} furnaces already and has no input left for its "
                "sensor: add another safety-io"
            )
        self._furnaces.append(furnace)
        furnace.supply = self

    @property
    def door_locked(self) -> bool:
        """Whether the bolt of the doors is out."""
        with self._plant.heat:
            self._catch_up()
            return self._coils[DOOR_LOCK]

    # -- what checkers and tests do to it

    def set_field(self, number: int, safe: bool) -> None:
        """Change one input that comes from the building."""
        with self._plant.heat:
            self._catch_up()
            self.field[number] = safe
            self._pull(FIELD_NAMES[number], self._plant.now())

    def force_analogue(self, number: int, value: float | None) -> None:
        """Have analogue input `number`, from 1, show a value whatever is there; None breaks its sensor."""
        with self._plant.heat:
            self._forced[number] = value

    def forced(self, number: int) -> float:
        """Give what an analogue input was made to show; NaN where its sensor is broken, 20 where it is free."""
        value = self._forced.get(number, 20.0)
        return math.nan if value is None else value

    def free_analogue(self, number: int) -> None:
        """Have an analogue input show again what is there."""
        with self._plant.heat:
            self._forced.pop(number, None)

    def freeze(self, frozen: bool = True) -> None:
        """Have all inputs show for ever what they show now, as a module does whose converter hangs."""
        with self._plant.heat:
            self._catch_up()
            self._image = (self._inputs(), self._analogue()) if frozen else None

    @property
    def stuck(self) -> bool:
        """Whether all inputs show for ever what they showed, as `freeze` has it; the relay's name for it."""
        return self._image is not None

    @stuck.setter
    def stuck(self, stuck: bool) -> None:
        self.freeze(stuck)

    def expire_watchdog(self) -> None:
        """Have the watchdog run out now although it was petted, where it runs."""
        with self._plant.heat:
            self._catch_up()
            if self._words[STATE] == Watchdog.RUNNING:
                self._petted_s = self._plant.now() - self._words[TIMEOUT] / 10.0
                self._catch_up()

    def power_cycle(self) -> None:
        """Lose power for a moment: all outputs open, the watchdog is off as it comes, and what tripped is forgotten."""
        with self._plant.heat:
            self._catch_up()
            for coil in range(COILS):
                self._switch(coil, False, self._plant.now(), "power")
            self._words = [0] * HOLDING
            self._plant.note(f"{self.name} switched off and on")

    def weld(self, welded: bool = True) -> None:
        """Have the contactor stay closed, whatever it is told, once it is; or free it again."""
        with self._plant.heat:
            self._catch_up()
            self._welded = welded
            self._pull("freed", self._plant.now())

    # -- supply of the furnaces

    @property
    def closed(self) -> bool:
        """Whether the heater's contact is closed and there is current."""
        return self._contact and self.field[MAINS]

    @property
    def opens_at_s(self) -> float:
        """When the watchdog's time is over."""
        if self._words[STATE] != Watchdog.RUNNING:
            return math.inf
        return self._petted_s + self._words[TIMEOUT] / 10.0

    def expire(self) -> None:
        """Open everything, as of the time at which the watchdog ran out."""
        expired_s = self.opens_at_s
        if expired_s == math.inf:
            return
        self._words[STATE] = Watchdog.EXPIRED  # from here on nothing opens by itself
        for furnace in self._furnaces:
            furnace.advance(expired_s)
        self._words[TRIPS] |= TRIP_WATCHDOG
        self._plant.note(f"{self.name} watchdog expired", expired_s)
        for coil in range(COILS):
            self._switch(coil, False, expired_s, "watchdog")

    def _catch_up(self) -> None:
        """Bring the furnaces to the present before anything that acts on them changes."""
        now_s = self._plant.now()
        for furnace in self._furnaces:
            furnace.advance(now_s)
        if self.opens_at_s <= now_s:
            self.expire()

    def _switch(self, coil: int, on: bool, t_s: float, why: str = "command") -> None:
        if self._coils[coil] != on:
            self._coils[coil] = on
            self._plant.note(f"{self.name} {COIL_NAMES[coil]} {'closed' if on else 'open'}", t_s)
            self._plant.switched(self.name, COIL_NAMES[coil], on, why, t_s)
            self._pull(why, t_s)

    def _pull(self, why: str, t_s: float) -> None:
        """Let the contact follow the permit and the hard-wired loop."""
        permitted = self._coils[CONTACTOR] and self.field[EMERGENCY_STOP] and self.field[MAINS]
        closed = permitted or (self._welded and self._contact)
        if closed != self._contact:
            self._contact = closed
            self._plant.switched(self.name, CONTACT, closed, why, t_s)

    def _time(self) -> None:
        """Have somebody look when the watchdog's time is over, and not later."""
        if self.opens_at_s >= self._timer_s:
            return  # it looks earlier, and then again
        if self._timer is not None:
            self._timer.cancel()
        self._timer_s = self.opens_at_s
        # Sorts before any task's name: whoever looks at that time finds the outputs open.
        self._timer = self._plant.at(self._timer_s, f"!{self.name} watchdog", self._look, self._plant.heat)

    def _look(self) -> None:
        self._timer, self._timer_s = None, math.inf
        self._catch_up()
        self._time()

    # -- Modbus

    def read_coils(self, address: int, count: int) -> list[bool]:
        """Give the outputs as they are now."""
        self._catch_up()
        return _part(self._coils, address, count)

    def read_inputs(self, address: int, count: int) -> list[bool]:
        """Give the contacts as they are now."""
        self._catch_up()
        return _part(self._image[0] if self._image else self._inputs(), address, count)

    def read_holding(self, address: int, count: int) -> list[int]:
        """Give the watchdog's registers."""
        self._catch_up()
        return _part(self._words, address, count)

    def read_input_registers(self, address: int, count: int) -> list[int]:
        """Give the analogue inputs and their status."""
        self._catch_up()
        return _part(self._image[1] if self._image else self._analogue(), address, count)

    def write_coils(self, address: int, values: Sequence[bool]) -> None:
        """Switch outputs; none closes while the watchdog is expired."""
        self._catch_up()
        _part(self._coils, address, len(values))
        for coil, on in enumerate(values, start=address):
            if on and self._words[STATE] == Watchdog.EXPIRED:
                raise IllegalValue  # nothing closes before a person has re-armed the watchdog
            self._switch(coil, on, self._plant.now())

    def write_holding(self, address: int, values: Sequence[int], *, single: bool) -> None:
        """Pet, set or re-arm the watchdog."""
        self._catch_up()
        _part(self._words, address, len(values))
        for register, value in enumerate(values, start=address):
            self._write(register, value)
        self._time()

    def _write(self, register: int, value: int) -> None:
        words = self._words
        if register == TRIGGER:
            if value and value != words[TRIGGER]:
                self._petted_s = self._plant.now()
            words[TRIGGER] = value
        elif register == TIMEOUT:
            words[TIMEOUT] = value
            if words[STATE] != Watchdog.EXPIRED:
                words[STATE] = Watchdog.RUNNING if value else Watchdog.OFF
                self._petted_s = self._plant.now()
        elif register == RESET_CODE and value == REARM:
            words[STATE], words[TRIPS] = (Watchdog.RUNNING if words[TIMEOUT] else Watchdog.OFF), 0
            self._petted_s = self._plant.now()
            self._plant.note(f"{self.name} re-armed")
        else:
            raise IllegalValue

    def _inputs(self) -> list[bool]:
        return [self._input(number) for number in range(INPUTS)]

    def _input(self, number: int) -> bool:
        if number == DOOR:
            return all(furnace.door is DoorState.CLOSED for furnace in self._furnaces)
        if number == FEEDBACK:
            return self._contact
        if number == LIMITER:
            return self.field[LIMITER] and all(furnace.limiter_ok for furnace in self._furnaces)
        return self.field[number]

    def _analogue(self) -> list[int]:
        shown: dict[int, float | None] = {OXYGEN: ROOM_OXYGEN, HYDROGEN: ROOM_HYDROGEN}
        shown |= {number: furnace.over_sensor_degc for number, furnace in zip(SENSORS, self._furnaces, strict=False)}
        shown |= self._forced
        values = [shown.get(number) for number in range(1, CHANNELS + 1)]
        words = [0 if value is None else round(10.0 * value) for value in values]
        return words + [0] * (STATUS - CHANNELS) + [BURN_OUT if value is None else NORMAL for value in values]


def _part(table: Sequence[T], address: int, count: int) -> list[T]:
    if address + count > len(table):
        raise IllegalAddress
    return list(table[address : address + count])


def _put_up(site: Site, instrument: Instrument, spot: Spot) -> SafetyIo:
    module = SafetyIo(instrument.name, site.plant)
    site.answer_modbus(instrument, spot, module)
    return module


MODEL = Model(Carrier.TCP, Language.MODBUS, _put_up, first=True)
