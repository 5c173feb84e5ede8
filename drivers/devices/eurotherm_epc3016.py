"""The Eurotherm EPC3016 furnace controller: programmes of 25 segments, over Modbus TCP or RTU, with a watchdog."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from drivers.codecs import eurotherm as wire
from drivers.codecs import eurotherm_watchdog as watchdog_wire
from drivers.codecs.eurotherm_segments import UNIT_CODES, Units
from drivers.codecs.eurotherm_watchdog import WATCHDOG, WATCHDOG_COUNT, Watchdog
from drivers.errors import ActionFailedError, LimitError
from drivers.furnaces.controller import ProgramState
from drivers.furnaces.eurotherm_programmer import UNIT_OPTIONS, SegmentedProgrammer
from drivers.furnaces.eurotherm_registers import Extra, Unit
from drivers.furnaces.eurotherm_settings import COMMON_OPTIONS, IEEE_OPTION, choice, common_unit, number
from drivers.furnaces.program import OFF_DEGC, FurnaceProgram
from drivers.furnaces.programmed import FURNACE_LIMITED, FURNACE_LIMITS, ProgrammedFurnace
from drivers.gate import Granted
from drivers.kinds import Kind
from drivers.links import ModbusLink
from drivers.pace import STEADY_S
from drivers.spec import DriverSpec, Option, Parts

RUN, HOLD, RESET = 10573, 10574, 10575
"""Writing 1 there does what the name says."""
DO = 1
SEGMENT_LEFT = 63
HOLDBACK_STYLE, END_TYPE = 5, 6
"""Offsets from the base of a programme."""
WHOLE_PROGRAM = 0

WATCHDOG_S = 600.0
LEAST_WATCHDOG_S = 3 * STEADY_S
"""A furnace is looked at each minute at least; a watchdog must not bite in between."""


class RegistersEpc3016(SegmentedProgrammer):
    """The registers of an EPC3016."""

    SEGMENTS = 25
    PROGRESS = SEGMENT_LEFT

    def __init__(self, name: str, link: ModbusLink, unit: Unit, units: Units, watchdog: Watchdog) -> None:
        """Join a unit; `watchdog` is set before anything is heated, unless its timeout is 0."""
        super().__init__(name, link, unit, units)
        self._watchdog = watchdog
        self._armed = False

    def identify(self) -> str:
        """Find out who answers, how it counts, and how its watchdog is set."""
        said = super().identify()
        found, expired = watchdog_wire.decode_watchdog(self._read(WATCHDOG, WATCHDOG_COUNT))
        state = "expired" if expired else f"timeout {found.timeout}" if found.timeout else "off"
        return f"{said}, watchdog {state}"

    def load(self, program: FurnaceProgram, grant: Granted, heed_stops: Callable[[], None]) -> None:
        """Set the watchdog, then write settings and segments; all of it is read back."""
        self._arm(grant)
        super().load(program, grant, heed_stops)

    def set_target(self, degc: float, grant: Granted) -> None:
        """Set the watchdog where something is to be heated, then go to a temperature."""
        if degc > OFF_DEGC:
            self._arm(grant)
        super().set_target(degc, grant)

    def end_program(self, then_degc: float, grant: Granted) -> None:
        """End whatever programme there is, and go to a temperature, with the watchdog set where that is heated."""
        if then_degc > OFF_DEGC:
            self._arm(grant)
        super().end_program(then_degc, grant)

    def run(self, grant: Granted) -> None:
        """Tell it once to run, or to go on, with its watchdog set."""
        self._arm(grant)
        self.link.write_register(RUN, DO, grant)

    def hold(self, grant: Granted) -> None:
        """Freeze the programme."""
        self._do(HOLD, ProgramState.HOLD, grant)

    def _to_reset(self, grant: Granted) -> None:
        self._do(RESET, ProgramState.RESET, grant)

    def _do(self, address: int, wanted: ProgramState, grant: Granted) -> None:
        """Press a button of the programmer, and see that it worked; again where the reply was lost."""
        lost = self._tell(address, (DO,), grant)
        state = self.state()
        if state is not wanted and lost is not None:
            self._tell(address, (DO,), grant)
            state = self.state()
        if state is not wanted:
            raise ActionFailedError(
                f"{self.name}: was told to {'hold' if address == HOLD else 'reset'} its programme (register {address}) "
                f"and is in state {state}: is it locked at the panel?"
            ) from lost

    def _settings(self) -> dict[int, int]:
        return {**super()._settings(), HOLDBACK_STYLE: WHOLE_PROGRAM, END_TYPE: self._units.end_type}

    def _arm(self, grant: Granted) -> None:
        """Set the watchdog and read it back; one that has expired is left to a person."""
        if not self._watchdog.timeout:
            return
        found, expired = watchdog_wire.decode_watchdog(self._read(WATCHDOG, WATCHDOG_COUNT))
        if expired:
            raise ActionFailedError(f"{self.name}: {_expired_text()}, so nothing is heated")
        for field, address in zip(dataclasses.fields(Watchdog), range(WATCHDOG, WATCHDOG + 3), strict=True):
            wanted = int(getattr(self._watchdog, field.name))
            if getattr(found, field.name) != wanted:
                self._write(address, (wanted,), grant)
        self._armed = True

    def _read_extra(self, status: int) -> Extra:
        extra = super()._read_extra(status)
        found, expired = watchdog_wire.decode_watchdog(self._read_in_look(WATCHDOG, WATCHDOG_COUNT))
        changed = ""
        if self._armed and found != self._watchdog:
            changed = f"its network watchdog is set to {found.settings}, {self._watchdog.settings} was set here"
        return extra._replace(expired=_expired_text() if expired else "", changed=changed)


def _expired_text() -> str:
    return (
        f"its network watchdog has expired (register {WATCHDOG + 3}), for nobody had talked to it: find out why, "
        "then clear it at the instrument"
    )


class EurothermEpc3016(ProgrammedFurnace):
    """A furnace with a programmer of 25 segments: a step takes one or two of them, and the end one.

    Limits are highest values: `setpoint` in degC, `ramp` in degC/min.
    """

    def __init__(
        self,
        name: str,
        *,
        link: ModbusLink,
        limits: Mapping[str, float],
        unit: Unit,
        units: Units,
        watchdog: Watchdog,
        **base: Any,
    ) -> None:
        """Join a unit: `units` in which the programme counts, `watchdog` as it is to be set."""
        super().__init__(name, controller=RegistersEpc3016(name, link, unit, units, watchdog), limits=limits, **base)
        self.link = link


def _build(parts: Parts) -> EurothermEpc3016:
    units = Units(
        rate_per=choice(parts, "rate_per", "min", UNIT_CODES),
        dwell_units=choice(parts, "dwell_units", "s", UNIT_CODES),
        dwell_count_s=number(parts, "dwell_count", 1.0, low=0.01, high=3600.0),
        end_type=int(number(parts, "end_type", 0, low=0, high=2)),
    )
    return EurothermEpc3016(
        link=parts.modbus(never_write=frozenset({wire.INSTRUMENT_MODE})),
        limits=parts.limits,
        unit=common_unit(parts, None, ieee=True),
        units=units,
        watchdog=_watchdog(parts),
        **parts.base,
    )


def _watchdog(parts: Parts) -> Watchdog:
    timeout_s = number(parts, "watchdog", WATCHDOG_S, low=0.0, high=86400.0)
    if 0.0 < timeout_s < LEAST_WATCHDOG_S:
        raise LimitError(
            f"{parts.name}: watchdog is {timeout_s:g} s, {LEAST_WATCHDOG_S:g} s at least, or 0 for none, because it is "
            "looked at each minute (options.watchdog in the lab file)"
        )
    count_s = number(parts, "watchdog_count", 1.0, low=0.001, high=3600.0)
    return Watchdog(
        timeout=round(timeout_s / count_s),
        action=int(number(parts, "watchdog_action", 0, low=0, high=0x7FFF)),
        recovery=int(number(parts, "watchdog_recovery", 0, low=0, high=0x7FFF)),
    )


DRIVER = DriverSpec(
    Kind.FURNACE,
    EurothermEpc3016,
    _build,
    limits=FURNACE_LIMITS,
    limited=FURNACE_LIMITED,
    options={
        **COMMON_OPTIONS,
        **UNIT_OPTIONS,
        "ieee": IEEE_OPTION,
        "instrument_type": Option("what register 122 holds (what it holds at first)"),
        "dwell_count": Option("what one count of a dwell register is worth then (1 s)", "s"),
        "end_type": Option("what the end of a programme is set to, so that the last temperature is kept (0)"),
        "watchdog": Option("silence after which the network watchdog expires, 0 for none (600 s)", "s"),
        "watchdog_count": Option("what one count of register 1169 is worth (1 s)", "s"),
        "watchdog_action": Option("what register 1170 is set to (0)"),
        "watchdog_recovery": Option("what register 1171 is set to, so that nothing recovers by itself (0)"),
    },
)
