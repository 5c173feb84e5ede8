"""The Eurotherm 3216P furnace controller: programmes, setpoint and reading over Modbus."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping
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
from drivers.furnace_program import OFF_DEGC, FurnaceLimits, FurnaceProgram, Step
from drivers.gate import Gate, Granted, requester
from drivers.instrument import Instrument
from drivers.kinds import Kind
from drivers.links import ModbusLink
from drivers.signals import Reading
from drivers.spec import DriverSpec, Option, Parts
from drivers.status import ActionStatus
from drivers.timetable import Cooling, Timetable

log = logging.getLogger(__name__)

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
        "hold-program": "hold_program",
        "continue-program": "continue_program",
    }
    LOOKS = frozenset({"wait-cooled"})
    READS: ClassVar[Mapping[str, str]] = {
        "reading": "reading_degc",
        "setpoint": "setpoint_degc",
        "output": "output_percent",
    }
    STOPPED = "reset"
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
        self._allowed = FurnaceLimits(name, limits["setpoint"], limits["ramp"])
        self.setpoint_degc.limit(OFF_DEGC, limits["setpoint"])
        self._instrument_type = instrument_type
        self._decimals = 0
        self._live: Live | None = None
        self._running: tuple[FurnaceProgram, ActionStatus] | None = None
        self._timetable = Timetable()
        self._firing = False
        """Whether a programme of ours is running, as far as is known: its readings count for the peak."""
        self._ended_by: str | None = None
        """Who ended the programme that is watched, where that was asked for here."""
        self._cooling = Cooling()

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
        self._allowed.check_program(program, self._live.reading_degc if self._live else OFF_DEGC)
        program = program.with_safe_end()
        self._encode(program)
        if self._running is not None and not self._running[1].done:
            running, status = self._running
            if running != program:
                raise BusyError(f"{self.name}: another programme is running: wait for it, or reset it first")
            return status
        grant, heed_stops = self._authorize_until_stopped("run-program", program.peak_degc, "degC")
        status = self._begin("run-program", self._run(program, grant, heed_stops), grant)
        self._running = (program, status)
        return status

    def set_setpoint(self, degc: float) -> ActionStatus:
        """Hold a temperature, outside programmes; a programme that is on hold is ended by it, without a bump.

        Raises:
            LimitError: Above the limit for setpoint.
            CommandDeniedError: When the gate refuses.
        """
        self._allowed.check_setpoint(degc)
        grant, heed_stops = self._authorize_until_stopped("set-setpoint", float(degc), "degC")
        return self._begin("set-setpoint", self._hold(degc, grant, requester().actor, heed_stops), grant)

    def cooled(self, below_degc: float, within_s: float = COOLING_S) -> ActionStatus:
        """Wait until the reading is at or below a temperature; fails when that takes longer than `within_s`.

        Raises:
            LimitError: For a time that never ends, or has none.
        """
        if not 0 < within_s < math.inf:
            raise LimitError(f"{self.name}: cooling within {within_s:g} s was requested, give a time above 0 s")
        return self._begin("wait-cooled", self._cool(below_degc, within_s))

    def reset_program(self) -> ActionStatus:
        """End the programme and heating, and void what was asked for before; a gate grants this always."""
        self._note_stop()
        grant = self._authorize("reset-program")
        return self._begin("reset-program", self._reset(grant, requester().actor), grant)

    def hold_program(self) -> ActionStatus:
        """Freeze the programme that is running: its setpoint and its time stand still.

        Raises:
            CommandDeniedError: When the gate refuses.
        """
        grant, heed_stops = self._authorize_until_stopped("hold-program")
        return self._begin("hold-program", self._freeze(grant, heed_stops), grant)

    def continue_program(self) -> ActionStatus:
        """Have the programme that is on hold go on where it stands.

        Raises:
            CommandDeniedError: When the gate refuses.
        """
        grant, heed_stops = self._authorize_until_stopped("continue-program")
        return self._begin("continue-program", self._thaw(grant, heed_stops), grant)

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

    def _encode(self, program: FurnaceProgram) -> tuple[int, ...]:
        try:
            return wire.encode_program(program, self._decimals)
        except DriverError as error:
            raise LimitError(f"{self.name}: {error}") from error

    # -- jobs

    def _run(self, program: FurnaceProgram, grant: Granted, heed_stops: Callable[[], None]) -> Job:
        self._ended_by = None
        yield from self._patiently(self._read_decimals)
        registers = self._encode(program)
        held = wire.decode_program(registers, self._decimals)
        live = yield from self._patiently(self._read_live)
        loaded = yield from self._patiently(self._read_segments)
        heed_stops()
        transitions_s = None
        if live.status is not ProgramStatus.RUN or loaded != registers:
            self._refuse_unfit(live)
            self._load(registers, grant)
            self._start(grant)
            start_s = self.clock.now()
            transitions_s = [start_s + after_s for after_s in program.transitions_s(live.reading_degc)]
        start_degc = live.reading_degc if live.sensor_ok else OFF_DEGC
        self._timetable.begin(transitions_s, self.clock.now() + held.longest_s(start_degc) + ALLOWANCE_S)
        self._firing = True
        self._publish(peak_degc=live.reading_degc)
        yield from self._watch()

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

    def _watch(self) -> Job:
        self.bus.poll_now(self.name)
        while True:
            yield from self._after_poll()
            live = self._live
            if live is None or live.status is ProgramStatus.END:
                break
            self._check_running(live)
        self._timetable.end()

    def _check_running(self, live: Live) -> None:
        if not live.sensor_ok:
            raise ActionFailedError(f"{self.name}: {self._broken_sensor(live)} during the programme")
        if live.status is ProgramStatus.HOLD and self._timetable.on_hold:
            return
        if live.status is not ProgramStatus.RUN:
            raise ActionFailedError(self._why_ended(live))
        if self.clock.now() >= self._timetable.latest_s:
            raise ActionFailedError(
                f"{self.name}: the programme is still in state {live.status.name.lower()} at "
                f"{live.reading_degc:g} degC, and was to have ended by {self._timetable.latest_utc} at the latest: "
                "does the furnace not follow its setpoint?"
            )

    def _why_ended(self, live: Live) -> str:
        if self._ended_by is not None:
            by = "by a stop" if self._ended_by in ("auto", "nobody") else f"by hand ({self._ended_by})"
            return (
                f"{self.name}: its programme was ended {by} at {live.reading_degc:g} degC: "
                "what is in it was not fired as the recipe says"
            )
        return (
            f"{self.name}: the programme went to {live.status.name.lower()} before its end: "
            "was it stopped at the panel, or was the power off?"
        )

    def _hold(self, degc: float, grant: Granted, actor: str, heed_stops: Callable[[], None]) -> Job:
        live = yield from self._patiently(self._read_live)
        heed_stops()
        held = live.status is ProgramStatus.HOLD and self._timetable.on_hold
        if live.status in (ProgramStatus.RUN, ProgramStatus.HOLD) and not held:
            raise BusyError(f"{self.name}: a programme is running: reset it before setting a setpoint")
        target = (wire.encode_degc(degc, self._decimals),)
        if held:
            # The new setpoint goes first: a reset goes to the setpoint that stands there.
            self._write_verified(wire.SETPOINT_1, target, grant)
            self._end_program(grant, actor)
        self._write_verified(wire.TARGET_SETPOINT, target, grant)
        self.bus.poll_now(self.name)

    def _reset(self, grant: Granted, actor: str) -> Job:
        # The setpoint goes first: after a reset the controller holds the one from before the programme.
        off = (wire.encode_degc(OFF_DEGC, self._decimals),)
        self._write_verified(wire.SETPOINT_1, off, grant)
        self._end_program(grant, actor)
        self._write_verified(wire.TARGET_SETPOINT, off, grant)
        self.bus.poll_now(self.name)
        yield from ()

    def _end_program(self, grant: Granted, actor: str) -> None:
        self._ended_by = actor
        self._write_verified(wire.PROGRAM_STATUS, (ProgramStatus.RESET,), grant)
        self._timetable.end()

    def _freeze(self, grant: Granted, heed_stops: Callable[[], None]) -> Job:
        live = yield from self._patiently(self._read_live)
        heed_stops()
        if live.status not in (ProgramStatus.RUN, ProgramStatus.HOLD):
            raise ActionFailedError(
                f"{self.name}: there is no programme to hold, the programmer is in state {live.status.name.lower()}"
            )
        if live.status is ProgramStatus.RUN:
            self._write_verified(wire.PROGRAM_STATUS, (ProgramStatus.HOLD,), grant)
        self._timetable.hold(self.clock.now())
        self.bus.poll_now(self.name)

    def _thaw(self, grant: Granted, heed_stops: Callable[[], None]) -> Job:
        live = yield from self._patiently(self._read_live)
        heed_stops()
        if live.status is not ProgramStatus.HOLD:
            raise ActionFailedError(
                f"{self.name}: no programme is on hold, the programmer is in state {live.status.name.lower()}"
            )
        self._start(grant)
        self._timetable.go_on(self.clock.now())
        self.bus.poll_now(self.name)

    def _cool(self, below_degc: float, within_s: float) -> Job:
        give_up_s = self.clock.now() + within_s
        self.bus.poll_now(self.name)
        try:
            while True:
                self._cooling.wait_for(below_degc, self.clock.now())
                yield from self._after_poll()
                if self._is_cool(below_degc):
                    return
                if self.clock.now() >= give_up_s:
                    raise ActionFailedError(
                        f"{self.name}: reads {self.reading_degc.get():g} degC after {within_s / 3600:g} h of cooling, "
                        f"{below_degc:g} degC was waited for: is something heating it?"
                    )
        finally:
            self._cooling.end()

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
        if live.status is not ProgramStatus.HOLD:
            self._timetable.go_on(self.clock.now())
        self._publish(
            reading_degc=live.reading_degc,
            setpoint_degc=live.setpoint_degc,
            output_percent=live.output_percent,
            program_status=live.status.name.lower(),
        )
        self._note_peak(live)
        now_s = self.clock.now()
        return min(self._timetable.next_look_s(now_s), self._cooling.next_look_s(now_s, live.reading_degc))

    def _note_peak(self, live: Live) -> None:
        if not self._firing:
            return
        peak_degc = self.peak_degc.get()
        if live.reading_degc > peak_degc or math.isnan(peak_degc):
            self._publish(peak_degc=live.reading_degc)
        self._firing = live.status in (ProgramStatus.RUN, ProgramStatus.HOLD)


def _build(parts: Parts) -> Eurotherm3216P:
    link = parts.modbus(never_write=frozenset({wire.INSTRUMENT_MODE}))
    instrument_type = int(parts.option("instrument_type", 0xF3))
    return Eurotherm3216P(**parts.base, link=link, limits=parts.limits, instrument_type=instrument_type)


DRIVER = DriverSpec(
    Kind.FURNACE,
    Eurotherm3216P,
    _build,
    limits={"setpoint": "degC", "ramp": "degC/min"},
    limited={"run-program": "setpoint", "set-setpoint": "setpoint"},
    options={"instrument_type": Option("what register 122 holds (0xF3)")},
)
