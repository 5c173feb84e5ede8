"""What a furnace's programmer must be able to do, whatever its wire: the part that differs from maker to maker.

`drivers.furnaces.programmed.ProgrammedFurnace` has the verbs, the waiting and the watching; it talks to a
`FurnaceController`, which knows registers or frames, and nothing of jobs, gates or time. Every method here is
wire traffic, is called on the bus, and may raise `LinkError` (nobody answers), `CodecError` (what came means
nothing) and `RefusedError`; what else it raises is said at the method.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from drivers.furnaces.program import FurnaceProgram
from drivers.gate import Granted


class ProgramState(StrEnum):
    """What a programmer is at; the words of the signal `program_status`."""

    RESET = "reset"
    """No programme: the setpoint is the target."""
    RUN = "run"
    """Also while it waits for a furnace that lags (holdback)."""
    HOLD = "hold"
    END = "end"
    """The programme is over, and its last temperature is kept."""


@dataclass(frozen=True)
class Look:
    """One look at a furnace controller. What a model cannot tell keeps its default."""

    reading_degc: float
    """NaN where it cannot be believed: `sensor_fault` says why."""
    target_degc: float
    """The setpoint that was asked for, outside programmes."""
    setpoint_degc: float
    """The working setpoint, after ramps."""
    output_percent: float
    state: ProgramState
    sensor_fault: str = ""
    """Why there is no reading, for a sentence: ``the sensor is broken (status 0x0020)``."""
    disobeys: str = ""
    """Why the controller does not do what it is told, for a sentence: ``it is in manual``."""
    expired: str = ""
    """What its network watchdog says once it has expired, for a sentence."""
    alarms: str = ""
    """What else it complains about by itself, for a sentence."""
    changed: str = ""
    """What else was set here and is not so any more, for a sentence."""
    power_failed: bool = False
    """Whether it says that its power was off; may stay until somebody acknowledges it."""
    waits: bool = False
    """Whether the programme stands still until the furnace has come near its setpoint (holdback)."""
    progress: float = math.nan
    """A number that changes while a programme runs, such as the time that is left; in whatever unit."""
    resolution_degc: float = 1.0
    """What one digit of its temperatures is worth."""

    @property
    def sensor_ok(self) -> bool:
        """Whether the reading can be believed."""
        return not self.sensor_fault

    @property
    def has_programme(self) -> bool:
        """Whether a programme is under way: it runs, or is on hold."""
        return self.state in (ProgramState.RUN, ProgramState.HOLD)


class FurnaceController(Protocol):
    """One furnace controller behind its wire."""

    def identify(self) -> str:
        """Find out who answers, and learn how it counts (decimals, scales), at each opening of the wire.

        What was learnt once must be found again: an instrument that counts otherwise than before is refused.

        Returns:
            What the instrument says about itself.

        Raises:
            WrongInstrumentError: Somebody else answers, or it was reconfigured since.
        """

    def look(self) -> Look:
        """Look at everything that is published, so that the reading and what is said about it belong together.

        Raises:
            WrongInstrumentError: It was reconfigured since it was identified, where a look shows that.
        """

    def fit(self, program: FurnaceProgram) -> FurnaceProgram:
        """Give a programme as the instrument would hold it, rounded to its units; no wire traffic, any thread.

        Raises:
            LimitError: It has no room for it, or cannot hold anything near it.
        """

    def held(self) -> FurnaceProgram | None:
        """Give the programme that is in the instrument, as `fit` would; None where that is none of ours."""

    def load(self, program: FurnaceProgram, grant: Granted, heed_stops: Callable[[], None]) -> None:
        """Write a programme, ended as `FurnaceProgram` says, and read it back; nothing runs yet.

        Args:
            program: As `fit` gives it.
            grant: The gate's.
            heed_stops: Called before each write, for writing takes seconds: raises where somebody stopped meanwhile.

        Raises:
            ActionFailedError: It was not taken.
        """

    def run(self, grant: Granted) -> None:
        """Tell it once to run what is loaded, or to go on after a hold."""

    def state(self) -> ProgramState:
        """Ask what the programmer is at, and nothing else."""

    def hold(self, grant: Granted) -> None:
        """Freeze the programme, and make sure that it is frozen; raises as `load`."""

    def end_program(self, then_degc: float, grant: Granted) -> None:
        """End whatever programme there is, without a bump, and go to a temperature; raises as `load`."""

    def set_target(self, degc: float, grant: Granted) -> None:
        """Go to a temperature while there is no programme, and read it back; raises as `load`."""
