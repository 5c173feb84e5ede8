"""A DH-Robotics electric gripper: holding registers on Modbus RTU.

    0x0100 w  1 or 0xA5: wake      0x0200 r  0 asleep, 1 ready, 2 waking
    0x0101    force 20..100 %      0x0201 r  0 moving, 1 arrived, 2 grasped, 3 dropped
    0x0103    goal 0..1000         0x0202 r  position
    0x0104    speed 1..100 %                                                  (instruments.md 6.3)

No register tells one gripper from another. A goal that is written while it is asleep is kept and does nothing; a value
out of range is exception 03, an address that is not in this list exception 02.
"""

from __future__ import annotations

from collections.abc import Sequence

from sim.addresses import Carrier, Language, Spot
from sim.model import Model
from sim.plant import Plant
from sim.plant.hand import Hand, Hold
from sim.site import Site
from sim.spec import Instrument
from sim.wire.modbus_pdu import IllegalAddress, IllegalValue

FULL = 1000
WAKE, FORCE, GOAL, SPEED = 0x0100, 0x0101, 0x0103, 0x0104
WAKING, STATE, POSITION = TOLD = 0x0200, 0x0201, 0x0202
RANGES = {FORCE: range(20, 101), GOAL: range(FULL + 1), SPEED: range(1, 101)}
STATES = {Hold.MOVING: 0, Hold.ARRIVED: 1, Hold.GRASPED: 2, Hold.DROPPED: 3}


class DhGripper:
    """One gripper, a `ModbusDevice`."""

    def __init__(self, name: str, plant: Plant) -> None:
        self.name = name
        self.hand = Hand(name)
        self._plant = plant
        self.ignore_setpoint = False
        """Whether it acknowledges what is written and drops it, for checkers to set."""
        self._stuck: list[int] | None = None
        self._words = {WAKE: 0, FORCE: 100, GOAL: FULL, SPEED: 100}

    @property
    def stuck(self) -> bool:
        """Whether it goes on telling what it told, whatever its fingers do."""
        return self._stuck is not None

    @stuck.setter
    def stuck(self, stuck: bool) -> None:
        self._stuck = None
        self._stuck = [self._read(register) for register in TOLD] if stuck else None

    def power_cycle(self) -> None:
        """Have its power fail and come back: it is asleep, and its fingers stand where they were."""
        self.hand.halt(self._plant.now())
        self.hand.sleep()
        self._words |= {FORCE: 100, GOAL: FULL, SPEED: 100}

    def read_coils(self, address: int, count: int) -> list[bool]:
        """Refuse: there are none."""
        raise IllegalAddress

    def read_inputs(self, address: int, count: int) -> list[bool]:
        """Refuse: there are none."""
        raise IllegalAddress

    def read_input_registers(self, address: int, count: int) -> list[int]:
        """Functions 3 and 4 read the same words."""
        return self.read_holding(address, count)

    def write_coils(self, address: int, values: Sequence[bool]) -> None:
        """Refuse: there are none."""
        raise IllegalAddress

    def read_holding(self, address: int, count: int) -> list[int]:
        """Give registers as they are now."""
        return [self._read(register) for register in range(address, address + count)]

    def write_holding(self, address: int, values: Sequence[int], *, single: bool) -> None:
        """Write registers one after another."""
        for register, value in enumerate(values, start=address):
            if not self.ignore_setpoint:
                self._write(register, value)

    def _read(self, register: int) -> int:
        now_s = self._plant.now()
        if self._stuck is not None and register in TOLD:
            return self._stuck[TOLD.index(register)]
        if register == WAKING:
            return 1 if self.hand.is_awake(now_s) else 2 * int(self.hand.is_waking(now_s))
        if register == STATE:
            return STATES[self.hand.hold(now_s)]
        if register == POSITION:
            return round(FULL * self.hand.opening(now_s))
        if register not in self._words:
            raise IllegalAddress
        return self._words[register]

    def _write(self, register: int, value: int) -> None:
        now_s = self._plant.now()
        if register == WAKE:
            if value not in (1, 0xA5):
                raise IllegalValue
            self.hand.wake(now_s)
            self._plant.note(f"{self.name} wakes")
        elif register not in RANGES:
            raise IllegalAddress
        elif value not in RANGES[register]:
            raise IllegalValue
        self._words[register] = value
        if register == GOAL:
            self.hand.go(value / FULL, now_s)
            self._plant.note(f"{self.name} goes to {value / FULL:.0%} open")


def _put_up(site: Site, instrument: Instrument, spot: Spot) -> DhGripper:
    gripper = DhGripper(instrument.name, site.plant)
    site.answer_modbus(instrument, spot, gripper)
    return gripper


MODEL = Model(Carrier.PTY, Language.MODBUS, _put_up, first=True)
