"""A furnace as it is looked at: its signals, the pace of looks, and waiting until it has cooled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from ophyd import Component

from drivers.bus import Bus, Job
from drivers.clock import Clock
from drivers.errors import ActionFailedError, LimitError
from drivers.furnaces.controller import FurnaceController, Look, ProgramState
from drivers.furnaces.timetable import Cooling, Timetable
from drivers.furnaces.watch import PanelWatch
from drivers.gate import Gate
from drivers.instrument import Instrument
from drivers.signals import Reading
from drivers.status import ActionStatus

COOLING_S = 24 * 3600.0
"""Lab seconds that a furnace has for cooling, where nobody says otherwise."""


class WatchedFurnace(Instrument):
    """Looks at a furnace and publishes what it sees."""

    LOOKS = frozenset({"wait-cooled"})
    READS: ClassVar[Mapping[str, str]] = {
        "reading": "reading_degc",
        "setpoint": "setpoint_degc",
        "output": "output_percent",
    }
    MEASURED = ("reading_degc", "setpoint_degc", "output_percent", "program_status")

    reading_degc = Component(Reading, value=math.nan, units="degC", precision=1, kind="hinted")
    setpoint_degc = Component(Reading, value=math.nan, units="degC", precision=1, kind="normal")
    """The working setpoint."""
    output_percent = Component(Reading, value=math.nan, units="%", precision=0, kind="normal")
    program_status = Component(Reading, value="unknown", kind="normal")
    """A `ProgramState`; ``run`` also while the programme waits for the furnace."""
    peak_degc = Component(Reading, value=math.nan, units="degC", precision=1, kind="normal")
    """Highest reading of the programme that is running or ran last, as far as it was looked at."""
    local_override = Component(Reading, value=0, kind="normal")
    """1 while somebody has changed at the panel what was told here: setpoint, programme, automatic or manual."""
    trouble = Component(Reading, value="", kind="normal")
    """What is not as it was told, in sentences; empty where all is."""
    rounding = Component(Reading, value="", kind="normal")
    """How the programme or setpoint that was told last differs from what was asked, by the instrument's digits."""

    def __init__(self, name: str, *, gate: Gate, clock: Clock, bus: Bus, controller: FurnaceController) -> None:
        super().__init__(name, gate=gate, clock=clock, bus=bus)
        self.controller = controller
        self._last: Look | None = None
        self._timetable = Timetable()
        self._panel = PanelWatch()
        self._firing = False
        """Whether a programme of ours is running, as far as is known: its readings count for the peak."""
        self._cooling = Cooling()

    def cooled(self, below_degc: float, within_s: float = COOLING_S) -> ActionStatus:
        """Wait until the reading is at or below a temperature; fails when that takes longer than `within_s`.

        Raises:
            LimitError: For a time that never ends, or has none.
        """
        if not 0 < within_s < math.inf:
            raise LimitError(f"{self.name}: cooling within {within_s:g} s was requested, give a time above 0 s")
        return self._begin("wait-cooled", self._cool(below_degc, within_s))

    # -- looking

    def _check_identity(self) -> str:
        return self.controller.identify()

    def _look(self) -> float:
        now_s = self.clock.now()
        look = self._last = self.controller.look()
        if look.state is not ProgramState.HOLD:
            self._timetable.go_on(now_s)
        trouble = self._panel.trouble(look, now_s)
        self._publish(
            reading_degc=look.reading_degc,
            setpoint_degc=look.setpoint_degc,
            output_percent=look.output_percent,
            program_status=str(look.state),
            local_override=int(self._panel.local),
            trouble=trouble,
        )
        self._note_peak(look)
        return min(self._timetable.next_look_s(now_s), self._cooling.next_look_s(now_s, look.reading_degc))

    def _note_peak(self, look: Look) -> None:
        if not self._firing:
            return
        peak_degc = self.peak_degc.get()
        if look.reading_degc > peak_degc or math.isnan(peak_degc):
            self._publish(peak_degc=look.reading_degc)
        self._firing = look.has_programme

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
        look = self._last
        if look is not None and not look.sensor_ok:
            raise ActionFailedError(f"{self.name}: {look.sensor_fault} during cooling")
        return look is not None and look.reading_degc <= below_degc
