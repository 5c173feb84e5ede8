"""A safety I/O module: contacts, contactor and watchdog of the furnaces that it watches, on Modbus TCP.

    inputs (FC 2)     0 door closed | 1 water | 2 E-stop loop | 3 exhaust | 4 gas | 5 contactor feedback
                      6 over-temperature trip | 7 mains                                  True is safe
    coils (FC 1, 5)   0 contactor permit | 1 beacon | 2 gas valve permit | 3 door lock
    words (FC 3, 6)   0 watchdog trigger | 1 timeout, 0.1 s | 2 state | 3 trip latch | 4 reset code
    words (FC 4)      0..7 temperatures, 0.1 degC | 16..23 their status                  (instruments.md 4)

The watchdog lives in lab time and needs no timer: when somebody looks after its time has come, it has opened
all coils then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import IntEnum
from typing import TypeVar

from sim.plant import BoxFurnace, DoorState, Plant
from sim.wire.modbus_pdu import IllegalAddress, IllegalValue

INPUTS, COILS, CHANNELS = 8, 4, 8
DOOR, WATER, EMERGENCY_STOP, EXHAUST, GAS, FEEDBACK, LIMITER, MAINS = range(INPUTS)
CONTACTOR, BEACON, GAS_VALVE, DOOR_LOCK = range(COILS)
COIL_NAMES = ("contactor permit", "beacon", "gas valve permit", "door lock")
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
        self.field = dict.fromkeys((WATER, EMERGENCY_STOP, EXHAUST, GAS, MAINS), True)
        """Inputs that come from the building, for checkers to change through `set_field`."""
        self._plant = plant
        self._furnaces: list[BoxFurnace] = []
        self._coils = [False] * COILS
        self._words = [0] * HOLDING
        self._petted_s = 0.0

    def watch(self, furnace: BoxFurnace) -> None:
        """Put a furnace behind this module's contactor; the n-th one is analogue input n."""
        self._furnaces.append(furnace)
        furnace.supply = self

    @property
    def door_locked(self) -> bool:
        """Whether the bolt of the doors is out."""
        self._catch_up()
        return self._coils[DOOR_LOCK]

    def set_field(self, number: int, safe: bool) -> None:
        """Change one input that comes from the building."""
        self._catch_up()
        self.field[number] = safe

    # -- supply of the furnaces

    @property
    def closed(self) -> bool:
        """Whether the permit is given and the hard-wired loop lets it work."""
        return self._coils[CONTACTOR] and self.field[EMERGENCY_STOP] and self.field[MAINS]

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
            self._switch(coil, False, expired_s)

    def _catch_up(self) -> None:
        """Bring the furnaces to the present before anything that acts on them changes."""
        now_s = self._plant.now()
        for furnace in self._furnaces:
            furnace.advance(now_s)
        if self.opens_at_s <= now_s:
            self.expire()

    def _switch(self, coil: int, on: bool, t_s: float) -> None:
        if self._coils[coil] != on:
            self._coils[coil] = on
            self._plant.note(f"{self.name} {COIL_NAMES[coil]} {'closed' if on else 'open'}", t_s)

    # -- Modbus

    def read_coils(self, address: int, count: int) -> list[bool]:
        """Give the outputs as they are now."""
        self._catch_up()
        return _part(self._coils, address, count)

    def read_inputs(self, address: int, count: int) -> list[bool]:
        """Give the contacts as they are now."""
        self._catch_up()
        return _part([self._input(n) for n in range(INPUTS)], address, count)

    def read_holding(self, address: int, count: int) -> list[int]:
        """Give the watchdog's registers."""
        self._catch_up()
        return _part(self._words, address, count)

    def read_input_registers(self, address: int, count: int) -> list[int]:
        """Give the temperatures and their status."""
        self._catch_up()
        return _part(self._analogue(), address, count)

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

    def _input(self, number: int) -> bool:
        if number == DOOR:
            return all(furnace.door is DoorState.CLOSED for furnace in self._furnaces)
        if number == FEEDBACK:
            return self.closed
        if number == LIMITER:
            return all(furnace.limiter_ok for furnace in self._furnaces)
        return self.field[number]

    def _analogue(self) -> list[int]:
        watched = self._furnaces[:CHANNELS]
        unused = CHANNELS - len(watched)
        values = [round(10.0 * furnace.over_sensor_degc) for furnace in watched] + [0] * unused
        statuses = [NORMAL] * len(watched) + [BURN_OUT] * unused
        return values + [0] * (STATUS - CHANNELS) + statuses


def _part(table: Sequence[T], address: int, count: int) -> list[T]:
    if address + count > len(table):
        raise IllegalAddress
    return list(table[address : address + count])
