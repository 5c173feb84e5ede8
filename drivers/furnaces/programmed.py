"""What all furnaces with a programmer have in common: their verbs, and how a firing is begun, watched and ended.

A driver of one is a `FurnaceController` (its registers or frames) and a subclass that names it:

    class MakerModel(ProgrammedFurnace):
        def __init__(self, name, *, link, limits, **base):
            super().__init__(name, controller=Registers(name, link), limits=limits, **base)
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar

from drivers.bus import Bus, Job
from drivers.clock import Clock
from drivers.errors import ActionFailedError, BusyError, CodecError, DriverError, LimitError, LinkError, RefusedError
from drivers.furnaces.controller import FurnaceController, Look, ProgramState
from drivers.furnaces.program import OFF_DEGC, FurnaceLimits, FurnaceProgram, Step, check_near, differences
from drivers.furnaces.watch import STANDS_S, RunWatch, is_at_target
from drivers.furnaces.watched import WatchedFurnace
from drivers.gate import Gate, Granted, requester
from drivers.status import ActionStatus

log = logging.getLogger(__name__)

ALLOWANCE_S = 12 * 3600.0
"""Lab seconds that a programme may take beyond its setpoint: a furnace that lags holds its programmer back."""
INTO_FORCE_S = 5.0
"""Lab seconds between looks for a setpoint that was taken and is not in force yet."""
ROUNDED_DEGC = 1e-3
"""From this difference on a setpoint is said to be rounded."""

FURNACE_LIMITS: Mapping[str, str] = {"setpoint": "degC", "ramp": "degC/min"}
"""Limits of every furnace's `DriverSpec`."""
FURNACE_LIMITED: Mapping[str, str] = {"run-program": "setpoint", "set-setpoint": "setpoint"}
"""Which verb of theirs is under which limit."""


class ProgrammedFurnace(WatchedFurnace):
    """A furnace with a programmer.

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
    STOPPED = "reset"

    def __init__(
        self,
        name: str,
        *,
        gate: Gate,
        clock: Clock,
        bus: Bus,
        controller: FurnaceController,
        limits: Mapping[str, float],
    ) -> None:
        super().__init__(name, gate=gate, clock=clock, bus=bus, controller=controller)
        self._allowed = FurnaceLimits(name, limits["setpoint"], limits["ramp"])
        self.setpoint_degc.limit(OFF_DEGC, limits["setpoint"])
        self._running: tuple[FurnaceProgram, ActionStatus] | None = None
        self._ended_by: str | None = None
        """Who ended the programme that is watched, where that was asked for here."""

    # -- verbs

    def run_program(self, steps: Iterable[Step | tuple[float, float, float]]) -> ActionStatus:
        """Fire: steps of (rate in degC/min, to degC, dwell in s), from the present temperature.

        Ends when the programmer does; a programme that ends warm is continued to 20 degC. Asking again for
        the programme that is running joins it. It fails when the programmer is `ALLOWANCE_S` later than its
        setpoint should be, or is seen doing anything else than the programme. `peak_degc` is the highest reading
        since its start, `rounding` what the instrument's digits made of the steps.

        Raises:
            LimitError: Above the limits for setpoint or ramp, or with steps that the instrument cannot hold.
            CommandDeniedError: When the gate refuses.
            BusyError: While another programme is running.
        """
        program = FurnaceProgram(tuple(step if isinstance(step, Step) else Step(*map(float, step)) for step in steps))
        self._allowed.check_program(program, self._last.reading_degc if self._last else OFF_DEGC)
        program = program.with_safe_end()
        self._fit(program)
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

        Ends when the working setpoint is there or on its way.

        Raises:
            LimitError: Above the limit for setpoint.
            CommandDeniedError: When the gate refuses.
        """
        self._allowed.check_setpoint(degc)
        grant, heed_stops = self._authorize_until_stopped("set-setpoint", float(degc), "degC")
        return self._begin("set-setpoint", self._hold(degc, grant, requester().actor, heed_stops), grant)

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

    def _fit(self, program: FurnaceProgram) -> FurnaceProgram:
        """The programme as the instrument will hold it; raises `LimitError` where that is another one."""
        try:
            held = self.controller.fit(program)
            check_near(program, held)
        except DriverError as error:
            raise LimitError(f"{self.name}: {error}") from error
        return held

    # -- a firing

    def _run(self, program: FurnaceProgram, grant: Granted, heed_stops: Callable[[], None]) -> Job:
        self._ended_by = None
        yield from self._patiently(self.controller.identify)
        held = self._fit(program)
        look = yield from self._patiently(self.controller.look)
        found = (yield from self._patiently(self.controller.held)) if look.state is ProgramState.RUN else None
        heed_stops()
        watch, began_s = RunWatch(held, look), math.nan
        start_degc = look.reading_degc if look.sensor_ok else OFF_DEGC
        if found != held:
            self._refuse_another(look)
            self._refuse_unfit(look, "no programme was started")
            self._panel.forget()
            self.controller.load(held, grant, heed_stops)
            began_s = self.clock.now()
            yield from self._start(grant)
        transitions_s = (
            None if math.isnan(began_s) else [began_s + after_s for after_s in held.transitions_s(start_degc)]
        )
        self._timetable.begin(transitions_s, self.clock.now() + held.longest_s(start_degc) + ALLOWANCE_S, began_s)
        self._panel.told(ProgramState.RUN)
        self._firing = True
        self._publish(peak_degc=look.reading_degc, rounding="; ".join(differences(program, held)))
        yield from self._watch(watch)

    def _start(self, grant: Granted) -> Job:
        """Tell it to run, once; what became of it is asked, never tried again."""
        lost: DriverError | None = None
        try:
            self.controller.run(grant)
        except (LinkError, RefusedError) as error:
            lost = error
        try:
            state = yield from self._patiently(self.controller.state)
        except (LinkError, CodecError) as error:
            raise ActionFailedError(
                f"{self.name}: was told to run its programme and answers no more, so whether it runs is unknown: "
                f"look at it ({error})"
            ) from error
        if state not in (ProgramState.RUN, ProgramState.END):
            why = f" ({lost})" if lost else ""
            raise ActionFailedError(f"{self.name}: was told to run its programme and is in state {state}{why}")

    def _watch(self, watch: RunWatch) -> Job:
        self.bus.poll_now(self.name)
        while True:
            yield from self._after_poll()
            look = self._last
            if look is None or look.state is ProgramState.END:
                break
            self._check_running(look, watch)
        short = watch.cut_short(self._timetable.elapsed_s(self.clock.now()))
        self._timetable.end()
        if short:
            raise ActionFailedError(f"{self.name}: {short}")

    def _check_running(self, look: Look, watch: RunWatch) -> None:
        if not look.sensor_ok:
            raise ActionFailedError(f"{self.name}: {look.sensor_fault} during the programme")
        if look.disobeys or look.expired:
            raise ActionFailedError(f"{self.name}: {look.disobeys or look.expired} during the programme")
        now_s = self.clock.now()
        if look.state is ProgramState.HOLD and self._timetable.on_hold:
            watch.pause(now_s)
            return
        if look.state is not ProgramState.RUN:
            raise ActionFailedError(self._why_ended(look))
        fault = watch.fault(look, self._timetable.elapsed_s(now_s), now_s)
        if fault:
            raise ActionFailedError(f"{self.name}: {fault}")
        if now_s >= self._timetable.latest_s:
            raise ActionFailedError(
                f"{self.name}: the programme is still in state {look.state} at "
                f"{look.reading_degc:g} degC, and was to have ended by {self._timetable.latest_utc} at the latest: "
                "does the furnace not follow its setpoint?"
            )

    def _why_ended(self, look: Look) -> str:
        if self._ended_by is not None:
            by = "by a stop" if self._ended_by in ("auto", "nobody") else f"by hand ({self._ended_by})"
            return (
                f"{self.name}: its programme was ended {by} at {look.reading_degc:g} degC: "
                "what is in it was not fired as the recipe says"
            )
        asked = "its power was off" if look.power_failed else "was it stopped at the panel, or was the power off?"
        return f"{self.name}: the programme went to {look.state} before its end: {asked}"

    def _refuse_another(self, look: Look) -> None:
        if look.has_programme:
            raise BusyError(f"{self.name}: a programme that was not started here is in state {look.state}")

    def _refuse_unfit(self, look: Look, so: str) -> None:
        """Raise where nothing may be heated: nobody knows the temperature, or it would not obey."""
        why = look.sensor_fault or look.disobeys or look.expired
        if why:
            raise ActionFailedError(f"{self.name}: {why}, so {so}")

    # -- the other verbs

    def _hold(self, degc: float, grant: Granted, actor: str, heed_stops: Callable[[], None]) -> Job:
        look = yield from self._patiently(self.controller.look)
        heed_stops()
        held = look.state is ProgramState.HOLD and self._timetable.on_hold
        if look.has_programme and not held:
            raise BusyError(f"{self.name}: a programme is running: reset it before setting a setpoint")
        if degc > OFF_DEGC:
            self._refuse_unfit(look, "no setpoint was set")
        self._panel.forget()
        if look.state is ProgramState.RESET:
            self.controller.set_target(degc, grant)
        else:
            # A programme that is over keeps its last temperature, whatever the target is.
            self._ended_by = actor
            self.controller.end_program(degc, grant)
            self._timetable.end()
        self._panel.told(ProgramState.RESET, degc)
        yield from self._into_force(degc)

    def _into_force(self, degc: float) -> Job:
        """Wait until the working setpoint is at its target, or moves: taken is not in force."""
        give_up_s, first_degc = self.clock.now() + STANDS_S, math.nan
        while True:
            self.bus.poll_now(self.name)
            yield from self._after_poll()
            look = self._last
            if look is None or self._panel.target_degc != degc or is_at_target(look):
                self._note_rounding(degc, look)
                return
            if not math.isnan(first_degc) and look.setpoint_degc != first_degc:
                self._note_rounding(degc, look)
                return
            first_degc = look.setpoint_degc
            if self.clock.now() >= give_up_s:
                raise ActionFailedError(
                    f"{self.name}: took the setpoint {degc:g} degC, and its working setpoint stands at "
                    f"{look.setpoint_degc:g} degC: does it follow another source, or is it stuck?"
                )
            yield self.clock.now() + INTO_FORCE_S

    def _note_rounding(self, degc: float, look: Look | None) -> None:
        rounded = look is not None and self._panel.target_degc == degc and abs(look.target_degc - degc) > ROUNDED_DEGC
        held_degc = look.target_degc if look is not None else degc
        self._publish(rounding=f"{degc:g} degC is held as {held_degc:g} degC" if rounded else "")

    def _reset(self, grant: Granted, actor: str) -> Job:
        # Absolute writes, so they are repeated until somebody answers: nothing is as bad as a reset that is lost.
        yield from self._patiently(lambda: self._end(grant, actor))
        self.bus.poll_now(self.name)

    def _end(self, grant: Granted, actor: str) -> None:
        self._ended_by = actor
        self._panel.forget()
        self.controller.end_program(OFF_DEGC, grant)
        self._timetable.end()
        self._panel.told(ProgramState.RESET, OFF_DEGC)

    def _freeze(self, grant: Granted, heed_stops: Callable[[], None]) -> Job:
        look = yield from self._patiently(self.controller.look)
        heed_stops()
        if not look.has_programme:
            raise ActionFailedError(
                f"{self.name}: there is no programme to hold, the programmer is in state {look.state}"
            )
        if look.state is ProgramState.RUN:
            self._panel.forget()
            self.controller.hold(grant)
        self._panel.told(ProgramState.HOLD)
        self._timetable.hold(self.clock.now())
        self.bus.poll_now(self.name)

    def _thaw(self, grant: Granted, heed_stops: Callable[[], None]) -> Job:
        look = yield from self._patiently(self.controller.look)
        heed_stops()
        if look.state is not ProgramState.HOLD:
            raise ActionFailedError(f"{self.name}: no programme is on hold, the programmer is in state {look.state}")
        self._refuse_unfit(look, "its programme does not go on")
        self._panel.forget()
        yield from self._start(grant)
        self._panel.told(ProgramState.RUN)
        self._timetable.go_on(self.clock.now())
        self.bus.poll_now(self.name)
