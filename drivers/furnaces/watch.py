"""Whether a furnace does what it was told: judged on what was seen, without wire or waiting.

* `RunWatch` follows one programme: is the setpoint where it should be, does its time go on, was it cut short?
* `PanelWatch` compares each look with what was told last: was somebody at the panel, is a setpoint ignored?
"""

from __future__ import annotations

import math

from drivers.furnaces.controller import Look, ProgramState
from drivers.furnaces.program import NEAR_DEGC, FurnaceProgram

SLACK_S = 60.0
"""How much earlier or later than our clock a controller may be, beside `SLACK`."""
SLACK = 0.01
"""The same as a part of the time that has passed."""
SETPOINT_TOLERANCE_DEGC = 2.0
"""How far a working setpoint may be from the programme, beside the slack in time."""
STRAYS = 2
"""So many looks in a row make a stray setpoint a fault."""
STANDS_S = 120.0
"""For so long a working setpoint may stand still away from its target, or a programme's time stand still."""
AT_TARGET_DEGC = 0.1
"""How near to its target a working setpoint is there, beside the digits."""
MOVES = 3
"""So often must a counter have moved, and for so many of its longest steps must it stand, before it counts as stuck."""
FROZEN_S, FROZEN_LOOKS = 300.0, 5
"""For so long, and in so many looks, may a finely resolved reading stay the same to the last digit."""
FINE_DEGC = 0.01
"""From this resolution on no reading of a real furnace repeats itself."""


class RunWatch:
    """One programme under way, as the instrument holds it."""

    def __init__(self, program: FurnaceProgram, start: Look) -> None:
        """Begin, with what was seen right before it was started, or found running."""
        self._program = program
        # Some programmers begin at the reading, some at their setpoint: which is configured at the panel.
        self._starts_degc = [start.reading_degc] if start.sensor_ok else []
        self._power_failed = start.power_failed
        self._begun = False
        self._timed = True
        self._strays = 0
        self._progress = _Still()

    def fault(self, look: Look, elapsed_s: float, now_s: float) -> str:
        """Say in a sentence what is wrong with the programme, empty where nothing is.

        Args:
            look: Of the running programme.
            elapsed_s: For how long it has run, without holds; NaN where its start was not seen.
            now_s: Lab time.
        """
        if look.power_failed and not self._power_failed:
            return "its power was off during the programme"
        self._power_failed = look.power_failed
        if look.waits:
            # From here on nobody but the instrument knows how far it is.
            self._timed = False
            self.pause(now_s)
            return ""
        return self._stray(look, elapsed_s) or self._stands(look, now_s)

    def pause(self, now_s: float) -> None:
        """The programme stands still, as it should, and was seen so at a lab time."""
        self._progress.since(now_s)

    def cut_short(self, elapsed_s: float) -> str:
        """Say in a sentence that the programme ended too early, empty where it did not."""
        if not self._starts_degc:
            return ""
        least_s = min(self._program.shortest_s(start_degc) for start_degc in self._starts_degc)
        if elapsed_s < least_s * (1.0 - SLACK) - SLACK_S:
            return (
                f"its programme ended after {elapsed_s / 60:.0f} min and takes {least_s / 60:.0f} min at least: "
                "was it cut short at the panel?"
            )
        return ""

    def _stray(self, look: Look, elapsed_s: float) -> str:
        if not self._timed or math.isnan(elapsed_s):
            return ""
        if not self._begun:
            self._begun = True
            self._starts_degc.append(look.setpoint_degc)
        slack_s = SLACK_S + SLACK * elapsed_s
        ranges = [self._program.setpoints_degc(elapsed_s - slack_s, elapsed_s + slack_s, s) for s in self._starts_degc]
        low_degc, high_degc = min(low for low, _ in ranges), max(high for _, high in ranges)
        if low_degc - SETPOINT_TOLERANCE_DEGC <= look.setpoint_degc <= high_degc + SETPOINT_TOLERANCE_DEGC:
            self._strays = 0
            return ""
        self._strays += 1
        if self._strays < STRAYS:
            return ""
        return (
            f"its working setpoint is {look.setpoint_degc:g} degC, where the programme has {low_degc:.0f} to "
            f"{high_degc:.0f} degC by now: does it do something else than it was told?"
        )

    def _stands(self, look: Look, now_s: float) -> str:
        # A register that hardly moved says nothing: not every model has it, and some count in long steps.
        stood_s = self._progress.for_s(look.progress, now_s)
        if self._progress.moves >= MOVES and stood_s >= max(STANDS_S, MOVES * self._progress.longest_s):
            return f"the time of its programme has stood still for {stood_s:.0f} s: is the instrument stuck?"
        return ""


class PanelWatch:
    """What the instrument was told last, and whether it still is so."""

    def __init__(self) -> None:
        self._target_degc: float | None = None
        self._states: frozenset[ProgramState] = frozenset()
        self._setpoint, self._reading = _Still(), _Still()
        self.local = False
        """Whether somebody changed something at the panel, as seen last."""

    @property
    def target_degc(self) -> float | None:
        """The setpoint that was told last; None where nobody knows."""
        return self._target_degc

    def told(self, state: ProgramState, target_degc: float | None = None) -> None:
        """The programmer was brought into a state, and to a target where that is known."""
        self._states = frozenset({state, ProgramState.END} if state is ProgramState.RUN else {state})
        self._target_degc = target_degc
        self._setpoint = _Still()

    def forget(self) -> None:
        """Something is about to be changed, and may fail half-way: what is seen next counts as told."""
        self._states, self._target_degc = frozenset(), None

    def trouble(self, look: Look, now_s: float) -> str:
        """Say in sentences what is not as it was told, empty where all is; sets `local`."""
        if not self._states:
            self.told(look.state, look.target_degc if look.state is ProgramState.RESET else None)
        by_hand = [text for text in (look.disobeys, look.changed, self._changed(look)) if text]
        self.local = bool(by_hand)
        return "; ".join([*by_hand, *self._wrong(look, now_s)])

    def _changed(self, look: Look) -> str:
        if look.state not in self._states:
            return f"its programme is in state {look.state} and was not told so here"
        told_degc = self._target_degc
        if told_degc is None or look.state is not ProgramState.RESET:
            return ""
        if abs(look.target_degc - told_degc) > max(look.resolution_degc, NEAR_DEGC):
            return f"its setpoint is {look.target_degc:g} degC, {told_degc:g} degC was told here"
        return ""

    def _wrong(self, look: Look, now_s: float) -> list[str]:
        found = [text for text in (look.expired, look.alarms) if text]
        stood_s = self._setpoint.for_s(look.setpoint_degc, now_s)
        if stood_s >= STANDS_S and look.state is ProgramState.RESET and not is_at_target(look):
            found.append(f"its working setpoint stands at {look.setpoint_degc:g} degC, not {look.target_degc:g} degC")
        frozen_s = self._reading.for_s(look.reading_degc, now_s)
        if look.resolution_degc <= FINE_DEGC and frozen_s >= FROZEN_S and self._reading.looks >= FROZEN_LOOKS:
            found.append(f"its reading has been {look.reading_degc:g} degC to the last digit for {frozen_s:.0f} s")
        return found


class _Still:
    """For how long a number has been the same."""

    def __init__(self) -> None:
        self._value = math.nan
        self._since_s = math.nan
        self.looks = 0
        self.moves = 0
        self.longest_s = 0.0
        """The longest that it was the same until it moved."""

    def since(self, now_s: float) -> None:
        """Count from now on."""
        self._since_s = now_s

    def for_s(self, value: float, now_s: float) -> float:
        """Note a value; give the seconds since it became what it is. NaN never stays the same."""
        if value == self._value:
            self.looks += 1
            return now_s - self._since_s
        if not math.isnan(self._value) and not math.isnan(value):
            self.moves += 1
            self.longest_s = max(self.longest_s, now_s - self._since_s)
        self._value, self._since_s, self.looks = value, now_s, 1
        return 0.0


def is_at_target(look: Look) -> bool:
    """Whether the working setpoint is the target."""
    return abs(look.setpoint_degc - look.target_degc) <= max(look.resolution_degc, AT_TARGET_DEGC)
