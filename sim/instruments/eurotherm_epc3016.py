"""A Eurotherm EPC3016 furnace controller: its registers, on Modbus TCP (unit 1) or RTU.

    63 time left of the segment, s | 10573 run, 10574 hold, 10575 reset, 10576 run or hold, 10577 run or reset: write 1
    base of the programme: +5 holdback style | +6 at its end 0 dwell 1 reset 2 off | +7 number of segments
    1169 timeout of the network watchdog, s | 1170 action | 1171 recovery 0 by hand 1 by itself | 1172 expired

Its programmes are in `sim.parts.eurotherm_segments`, the rest of the map in `sim.parts.eurotherm`. What the makers
wire to the watchdog's flag is up to them; here it is standby: no power. How action and recovery are numbered is not
published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from drivers.clock import Timer
from sim.addresses import Carrier, Language, Spot
from sim.model import Model
from sim.parts.eurotherm import Register, Wide, within
from sim.parts.eurotherm_segments import END, Programme, SegmentedUnit
from sim.parts.furnaces import FURNACE_OPTIONS, put_up_furnace
from sim.parts.programmer import Status
from sim.plant import BoxFurnace, Plant
from sim.site import Site
from sim.spec import Instrument
from sim.wire.modbus_pdu import IllegalValue

SEGMENT_LEFT = 63
TIMEOUT, ACTION, RECOVERY, EXPIRED, TIME_FORMAT = 1169, 1170, 1171, 1172, 1173
RUN, HOLD, RESET, RUN_HOLD, RUN_RESET = 10573, 10574, 10575, 10576, 10577
HOLDBACK_STYLE, END_TYPE, SEGMENTS_USED = 5, 6, 7
LONGEST_S = 32767.0


class EurothermEpc3016(SegmentedUnit):
    """The controller of one box furnace."""

    FIRMWARE_VERSION = 0x0501
    SEGMENTS = 25
    PROGRAMMES = 1
    ENDS_IN_SEGMENT = False
    SETTINGS = {**SegmentedUnit.SETTINGS, HOLDBACK_STYLE: (0, 1), END_TYPE: (0, 2)}  # noqa: RUF012 - as in the base

    def __init__(
        self, name: str, plant: Plant, furnace: BoxFurnace, unit: int, instrument_type: int, decimals: int = 0
    ) -> None:
        self.expired = False
        """Whether the network watchdog has."""
        self._timeout_s, self._action, self._recovery = 0.0, 0, 0
        self._heard_s = plant.now()
        self._timer: Timer | None = None
        super().__init__(name, plant, furnace, unit, instrument_type, decimals)

    def special(self) -> Mapping[int, Register]:
        """Give what the programmer shows, its buttons, and the watchdog."""
        return {
            **super().special(),
            SEGMENT_LEFT: Register(lambda: min(self.shown("segment left"), LONGEST_S), wide=Wide.TIME),
            TIMEOUT: Register(lambda: self._timeout_s, self._set_timeout, wide=Wide.TIME),
            ACTION: Register(lambda: self._action, self._set_action),
            RECOVERY: Register(lambda: self._recovery, self._set_recovery),
            EXPIRED: Register(lambda: self.expired, self._clear),
            TIME_FORMAT: Register(lambda: 0.0),
            RUN: self._button({}, Status.RUN),
            HOLD: self._button({}, Status.HOLD),
            RESET: self._button({}, Status.RESET),
            RUN_HOLD: self._button({Status.RUN: Status.HOLD}, Status.RUN),
            RUN_RESET: self._button({Status.RUN: Status.RESET}, Status.RUN),
        }

    def register(self, address: int) -> Register | None:
        """Give a register; how many segments are used is counted."""
        if address == 8328 + SEGMENTS_USED:
            programme = self._programmes[0]
            return Register(lambda: next((k for k, s in enumerate(programme.segments) if s.type == END), self.SEGMENTS))
        return super().register(address)

    def end_of(self, programme: Programme) -> int:
        """Give what happens after a programme, by its number."""
        return int(programme.settings[END_TYPE])

    def read_holding(self, address: int, count: int) -> list[int]:
        """Give registers as they are now."""
        self._hear()
        return super().read_holding(address, count)

    def write_holding(self, address: int, values: Sequence[int], *, single: bool) -> None:
        """Write registers one after another."""
        self._hear()
        super().write_holding(address, values, single=single)

    def set_status(self, value: float) -> None:
        """Refuse: the programmer has buttons."""
        raise IllegalValue

    def _button(self, instead: Mapping[Status, Status], wanted: Status) -> Register:
        """What is pressed by writing 1, and reads 0; `instead` is wanted where the programmer is at something."""

        def press(value: float) -> None:
            if within(value, 0, 1):
                self.tell(instead.get(self.programmer.status, wanted))

        return Register(lambda: 0.0, press)

    # -- the network watchdog

    def clear_watchdog(self) -> None:
        """Have somebody clear at the instrument what has expired."""
        with self.now():
            self._set_expired(False)

    def expire_watchdog(self) -> None:
        """Have the watchdog run out now although somebody talks to it, where it was set."""
        with self.now():
            if self._timeout_s:
                self._set_expired(True)

    def _hear(self) -> None:
        """Note that somebody talks to it."""
        with self.now():
            self._heard_s = self._plant.now()
            if self.expired and self._recovery:
                self._set_expired(False)

    def _set_timeout(self, value: float) -> None:
        self._timeout_s = within(value, 0, LONGEST_S)
        self._watch()

    def _set_action(self, value: float) -> None:
        self._action = int(within(value, 0, 1))

    def _set_recovery(self, value: float) -> None:
        self._recovery = int(within(value, 0, 1))

    def _clear(self, value: float) -> None:
        within(value, 0, 0)
        self._set_expired(False)

    def _set_expired(self, expired: bool) -> None:
        if expired != self.expired:
            self._plant.note(f"{self.name} network watchdog {'expired' if expired else 'cleared'}")
        self.expired = self.standby = expired
        self._watch()

    def _watch(self) -> None:
        """Look at the time when it would expire; then, not before, is it known whether anybody has talked since."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._timeout_s and not self.expired:
            due_s = self._heard_s + self._timeout_s
            self._timer = self._plant.at(due_s, f"{self.name} watchdog", self._judge, self._plant.heat)

    def _judge(self) -> None:
        self._timer = None
        with self.now():
            if self._plant.now() - self._heard_s >= self._timeout_s:
                self._set_expired(True)
            else:
                self._watch()


def _put_up(site: Site, instrument: Instrument, spot: Spot) -> EurothermEpc3016:
    furnace = put_up_furnace(site, instrument)
    instrument_type, decimals = site.count(instrument, "instrument_type"), int(site.option(instrument, "decimals"))
    controller = EurothermEpc3016(instrument.name, site.plant, furnace, spot.unit or 1, instrument_type, decimals)
    site.answer_modbus(instrument, spot, controller)
    return controller


MODEL = Model(Carrier.TCP, Language.MODBUS, _put_up, {**FURNACE_OPTIONS, "instrument_type": 0xE316, "decimals": 0})
