"""The Eurotherm 3216P furnace controller: programmes, setpoint and reading over Modbus."""

from __future__ import annotations

import bisect
import logging
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import ClassVar

from ophyd import Component

from drivers.bus import Bus, Job
from drivers.clock import Clock
from drivers.codecs import eurotherm as wire
from drivers.codecs.eurotherm import Live, ProgramStatus
from drivers.errors import (
    ActionFailedError,
    BusyError,
    DriverError,
    LimitError,
    WrongInstrumentError,
)
from drivers.furnace_program import FurnaceProgram, Step
from drivers.gate import Gate, Granted
from drivers.instrument import Instrument
from drivers.links import ModbusLink
from drivers.pace import next_poll_s
from drivers.signals import Reading
from drivers.status import ActionStatus

log = logging.getLogger(__name__)

OFF_DEGC = 0.0
"""The setpoint of a furnace that shall not heat."""
ADOPTED_POLL_S = 10.0
"""Lab seconds between looks at a running programme whose start nobody saw."""
ALLOWANCE_S = 12 * 3600.0
"""Lab seconds that a programme may take beyond its setpoint: a furnace that lags holds its programmer back."""
COOLING_S = 24 * 3600.0
"""Lab seconds that a furnace has for cooling, where nobody says otherwise."""


class Eurotherm3216P(Instrument):
    """A furnace with a programmer of eight segments.

    Limits are highest values: `setpoint` in degC, `ramp` in degC/min.
    """

    VERBS: ClassVar[Mapping[str, str]] = {
        "run-program": "run_program",
        "set-setpoint": "set_setpoint",
        "wait-cooled": "cooled",
        "reset-program": "reset_program",
    }
    MEASURED = ("reading_degc", "setpoint_degc", "output_percent", "program_status")

    reading_degc = Component(Reading, value=math.nan, units="degC", precision=1, kind="hinted")
    setpoint_degc = Component(Reading, value=math.nan, units="degC", precision=1, kind="normal")
    output_percent = Component(Reading, value=math.nan, units="%", precision=0, kind="normal")
    program_status = Component(Reading, value="unknown", kind="normal")
    peak_degc = Component(Reading, value=math.nan, units="degC", precision=1, kind="normal")
    """Highest reading of the programme that is running or ran last, as far as it was looked at."""

    def __init__(
        self,
        name: str,
        *,
        gate: Gate,
        clock: Clock,
        bus: Bus,
        link: ModbusLink,
        limits: Mapping[str, float],
        instrument_type: int,
    ) -> None:
        super().__init__(name, gate=gate, clock=clock, bus=bus)
        self.link = link
        self.limits = {"setpoint": limits["setpoint"], "ramp": limits["ramp"]}
        self.setpoint_degc.limit(OFF_DEGC, self.limits["setpoint"])
        self._instrument_type = instrument_type
        self._decimals = 0
        self._live: Live | None = None
        self._running: tuple[FurnaceProgram, ActionStatus] | None = None
        self._transitions_s: list[float] | None = []
        self._firing = False
        """Whether a programme of ours is running, as far as is known: its readings count for the peak."""
        self._cooling: tuple[float, float, float] | None = None
        """Where a cooling is waited for: until what degC, and when and at what degC it was looked at last."""

    # -- verbs

    def run_program(self, steps: Iterable[Step | tuple[float, float, float]]) -> ActionStatus:
        """Fire: steps of (rate in degC/min, to degC, dwell in s), from the present temperature.

        Ends when the programmer does; a programme that ends warm is continued to 20 degC. Asking again for
        the programme that is running joins it. It fails when the programmer is `ALLOWANCE_S` later than its
        setpoint should be. `peak_degc` is the highest reading since its start.

        Raises:
            LimitError: Above the limits for setpoint or ramp, or with too many steps.
            CommandDeniedError: When the gate refuses.
            BusyError: While another programme is running.
        """
        program = FurnaceProgram(tuple(step if isinstance(step, Step) else Step(*map(float, step)) for step in steps))
        self._check_limits(program)
        program = program.with_safe_end()
        self._encode(program)
        if self._running is not None and not self._running[1].done:
            running, status = self._running
            if running != program:
                raise BusyError(f"{self.name}: another programme is running: wait for it, or reset it first")
            return status
        grant = self._authorize("run-program", program.peak_degc, "degC")
        status = self._begin("run-program", self._run(program, grant), grant)
        self._running = (program, status)
        return status

    def set_setpoint(self, degc: float) -> ActionStatus:
        """Hold a temperature, outside programmes.

        Raises:
            LimitError: Above the limit for setpoint.
            CommandDeniedError: When the gate refuses.
        """
        self._check_setpoint(degc)
        grant = self._authorize("set-setpoint", float(degc), "degC")
        return self._begin("set-setpoint", self._hold(degc, grant), grant)

    def cooled(self, below_degc: float, within_s: float = COOLING_S) -> ActionStatus:
        """Wait until the reading is at or below a temperature; fails when that takes longer than `within_s`.

        Raises:
            LimitError: For a time that never ends, or has none.
        """
        if not 0 < within_s < math.inf:
            raise LimitError(f"{self.name}: cooling within {within_s:g} s was requested, give a time above 0 s")
        return self._begin("wait-cooled", self._cool(below_degc, within_s))

    def reset_program(self) -> ActionStatus:
        """End the programme and heating; a gate grants this always."""
        grant = self._authorize("reset-program")
        return self._begin("reset-program", self._reset(grant), grant)

    def stop(self, *, success: bool = False) -> None:
        """End the programme and heating where `success` is False; raises nothing.

        Bluesky calls this with True at every pause and after every good plan.
        """
        if success:
            return
        try:
            self.reset_program()
        except DriverError as error:
            log.error("%s: the programme could not be reset: %s", self.name, error)

    # -- limits

    def _check_limits(self, program: FurnaceProgram) -> None:
        if not program.steps:
            raise LimitError(f"{self.name}: a programme without steps was requested")
        at_degc = self._live.reading_degc if self._live else OFF_DEGC
        for step in program.steps:
            self._check_setpoint(step.to_degc)
            self._check_ramp(step, at_degc)
            at_degc = step.to_degc

    def _check_setpoint(self, degc: float) -> None:
        highest_degc = self.limits["setpoint"]
        if not OFF_DEGC <= degc <= highest_degc:
            raise LimitError(
                f"{self.name}: {degc:g} degC requested, limit {highest_degc:g} degC (limits.setpoint in the lab file)"
            )

    def _check_ramp(self, step: Step, from_degc: float) -> None:
        fastest = self.limits["ramp"]
        rate = step.rate_degc_per_min
        if not 0 <= rate <= fastest:
            raise LimitError(
                f"{self.name}: {rate:g} degC/min requested, limit {fastest:g} degC/min (limits.ramp in the lab file)"
            )
        if rate == 0 and step.to_degc > from_degc:
            raise LimitError(f"{self.name}: a step up to {step.to_degc:g} degC without a ramp was requested")
        if not step.dwell_s >= 0:
            raise LimitError(f"{self.name}: a dwell of {step.dwell_s:g} s was requested")

    def _encode(self, program: FurnaceProgram) -> tuple[int, ...]:
        try:
            return wire.encode_program(program, self._decimals)
        except DriverError as error:
            raise LimitError(f"{self.name}: {error}") from error

    # -- jobs

    def _run(self, program: FurnaceProgram, grant: Granted) -> Job:
        yield from self._patiently(self._read_decimals)
        registers = self._encode(program)
        held = wire.decode_program(registers, self._decimals)
        live = yield from self._patiently(self._read_live)
        loaded = yield from self._patiently(self._read_segments)
        if live.status is ProgramStatus.RUN and loaded == registers:
            self._transitions_s = None
        else:
            self._refuse_unfit(live)
            self._load(registers, grant)
            self._start(grant)
            self._schedule(program, live.reading_degc)
        self._firing = True
        self._publish(peak_degc=live.reading_degc)
        start_degc = live.reading_degc if live.sensor_ok else OFF_DEGC
        yield from self._watch(self.clock.now() + held.longest_s(start_degc) + ALLOWANCE_S)

    def _refuse_unfit(self, live: Live) -> None:
        if live.status in (ProgramStatus.RUN, ProgramStatus.HOLD):
            raise BusyError(
                f"{self.name}: a programme that was not started here is in state {live.status.name.lower()}"
            )
        if not live.sensor_ok:
            raise ActionFailedError(f"{self.name}: {self._broken_sensor(live)}, so no programme was started")

    def _load(self, registers: tuple[int, ...], grant: Granted) -> None:
        self.link.write_register(wire.PROGRAM_STATUS, ProgramStatus.RESET, grant)
        self._write_verified(wire.DWELL_UNITS, (wire.DWELL_UNITS_MINUTES,), grant)
        self._write_verified(wire.END_TYPE, (wire.END_TYPE_DWELL,), grant)
        self._write_verified(wire.SEGMENTS, registers, grant)

    def _start(self, grant: Granted) -> None:
        self.link.write_register(wire.PROGRAM_STATUS, ProgramStatus.RUN, grant)
        status = wire.decode_status(self.link.read_registers(wire.PROGRAM_STATUS, 1)[0])
        if status not in (ProgramStatus.RUN, ProgramStatus.END):
            raise ActionFailedError(f"{self.name}: was told to run its programme and is in state {status.name.lower()}")

    def _schedule(self, program: FurnaceProgram, start_degc: float) -> None:
        now_s = self.clock.now()
        self._transitions_s = [now_s + after_s for after_s in program.transitions_s(start_degc)]

    def _watch(self, deadline_s: float) -> Job:
        self.bus.poll_now(self.name)
        while True:
            yield from self._after_poll()
            live = self._live
            if live is None or live.status is ProgramStatus.END:
                break
            if not live.sensor_ok:
                raise ActionFailedError(f"{self.name}: {self._broken_sensor(live)} during the programme")
            if live.status is not ProgramStatus.RUN:
                raise ActionFailedError(
                    f"{self.name}: the programme went to {live.status.name.lower()} before its end: "
                    "was it stopped at the panel, or was the power off?"
                )
            if self.clock.now() >= deadline_s:
                raise ActionFailedError(
                    f"{self.name}: the programme is still in state {live.status.name.lower()} at "
                    f"{live.reading_degc:g} degC, and was to have ended by {_utc(deadline_s)} at the latest: "
                    "does the furnace not follow its setpoint?"
                )
        self._transitions_s = []

    def _hold(self, degc: float, grant: Granted) -> Job:
        live = yield from self._patiently(self._read_live)
        if live.status in (ProgramStatus.RUN, ProgramStatus.HOLD):
            raise BusyError(f"{self.name}: a programme is running: reset it before setting a setpoint")
        self._write_verified(wire.TARGET_SETPOINT, (wire.encode_degc(degc, self._decimals),), grant)
        self.bus.poll_now(self.name)

    def _reset(self, grant: Granted) -> Job:
        # The setpoint goes first: after a reset the controller holds the one from before the programme.
        off = (wire.encode_degc(OFF_DEGC, self._decimals),)
        self._write_verified(wire.SETPOINT_1, off, grant)
        self._write_verified(wire.PROGRAM_STATUS, (ProgramStatus.RESET,), grant)
        self._write_verified(wire.TARGET_SETPOINT, off, grant)
        self._transitions_s = []
        self.bus.poll_now(self.name)
        yield from ()

    def _cool(self, below_degc: float, within_s: float) -> Job:
        give_up_s = self.clock.now() + within_s
        self.bus.poll_now(self.name)
        try:
            while True:
                seen = self._cooling[1:] if self._cooling else (self.clock.now(), math.nan)
                self._cooling = (below_degc, *seen)
                yield from self._after_poll()
                if self._is_cool(below_degc):
                    return
                if self.clock.now() >= give_up_s:
                    raise ActionFailedError(
                        f"{self.name}: reads {self.reading_degc.get():g} degC after {within_s / 3600:g} h of cooling, "
                        f"{below_degc:g} degC was waited for: is something heating it?"
                    )
        finally:
            self._cooling = None

    def _is_cool(self, below_degc: float) -> bool:
        live = self._live
        if live is not None and not live.sensor_ok:
            raise ActionFailedError(f"{self.name}: {self._broken_sensor(live)} during cooling")
        return live is not None and live.reading_degc <= below_degc

    # -- the wire

    def _check_identity(self) -> str:
        found = self.link.read_registers(wire.INSTRUMENT_TYPE, 1)[0]
        firmware = self.link.read_registers(wire.FIRMWARE, 1)[0]
        if found != self._instrument_type:
            raise WrongInstrumentError(
                f"{self.name}: {self.link.address} is of type {found:#x}, not {self._instrument_type:#x}: "
                "is this the address of another instrument, or is instrument_type in the lab file wrong?"
            )
        self._read_decimals()
        return f"Eurotherm type {found:#x}, firmware {firmware:#x}"

    def _read_decimals(self) -> None:
        decimals = self.link.read_registers(wire.DECIMALS, 1)[0]
        if decimals > 2:
            raise WrongInstrumentError(f"{self.name}: {decimals} decimals are configured, 0 to 2 exist (register 525)")
        self._decimals = decimals

    def _read_live(self) -> Live:
        block = self.link.read_registers(wire.LIVE_BLOCK, wire.LIVE_COUNT)
        status = self.link.read_registers(wire.PROGRAM_STATUS, 1)[0]
        summary = self.link.read_registers(wire.SUMMARY, 1)[0]
        return wire.decode_live(block, status, summary, self._decimals)

    def _read_segments(self) -> tuple[int, ...]:
        return self.link.read_registers(wire.SEGMENTS, 3 * wire.SEGMENT_COUNT)

    def _write_verified(self, address: int, values: tuple[int, ...], grant: Granted) -> None:
        if len(values) == 1:
            self.link.write_register(address, values[0], grant)
        else:
            self.link.write_registers(address, values, grant)
        found = self.link.read_registers(address, len(values))
        if found != values:
            wrong = next(i for i, value in enumerate(values) if found[i] != value)
            raise ActionFailedError(
                f"{self.name}: register {address + wrong} was set to {wire.to_signed(values[wrong])} "
                f"and holds {wire.to_signed(found[wrong])}: is it locked at the panel?"
            )

    def _broken_sensor(self, live: Live) -> str:
        return f"the sensor is broken or out of range (status {int(live.summary):#06x})"

    # -- looking

    def _look(self) -> float:
        live = self._live = self._read_live()
        self._publish(
            reading_degc=live.reading_degc,
            setpoint_degc=live.setpoint_degc,
            output_percent=live.output_percent,
            program_status=live.status.name.lower(),
        )
        self._note_peak(live)
        now_s = self.clock.now()
        return min(self._next_transition_s(now_s), self._next_cooling_s(now_s, live.reading_degc))

    def _note_peak(self, live: Live) -> None:
        if not self._firing:
            return
        peak_degc = self.peak_degc.get()
        if live.reading_degc > peak_degc or math.isnan(peak_degc):
            self._publish(peak_degc=live.reading_degc)
        self._firing = live.status in (ProgramStatus.RUN, ProgramStatus.HOLD)

    def _next_transition_s(self, now_s: float) -> float:
        if self._transitions_s is None:
            return now_s + ADOPTED_POLL_S
        following = bisect.bisect_right(self._transitions_s, now_s)
        if following < len(self._transitions_s):
            return next_poll_s(now_s, self._transitions_s[following])
        return next_poll_s(now_s, self._transitions_s[-1] if self._transitions_s else None)

    def _next_cooling_s(self, now_s: float, reading_degc: float) -> float:
        """Look about when the reading, falling as it fell last, will be where it is waited for."""
        if self._cooling is None:
            return math.inf
        below_degc, last_s, last_degc = self._cooling
        self._cooling = (below_degc, now_s, reading_degc)
        fall = (last_degc - reading_degc) / (now_s - last_s) if now_s > last_s else math.nan
        if not fall > 0:
            return now_s + 1.0 if math.isnan(fall) else next_poll_s(now_s)
        return next_poll_s(now_s, now_s + max(1.0, (reading_degc - below_degc) / fall))


def _utc(t_s: float) -> str:
    return datetime.fromtimestamp(t_s, UTC).isoformat(timespec="minutes")
