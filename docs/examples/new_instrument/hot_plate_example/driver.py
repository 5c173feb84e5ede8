"""A hot plate behind lines of text, ended by LF, over TCP or a serial line.

ID?         ID hot-plate SN-0815
STATE?      STATE reading target heater          STATE 23.4 80.0 ON
SET degc    OK, or ERR reason                    heats
OFF         OK                                   heats no more
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ophyd import Component

from drivers.bus import Job
from drivers.errors import ActionFailedError, CodecError, LimitError, LinkError, RefusedError, WrongInstrumentError
from drivers.gate import Granted
from drivers.instrument import Leave
from drivers.kinds import Kind
from drivers.links import LineLink
from drivers.pace import CLOSE_S, STEADY_S
from drivers.parts.stopping import TRIES, Stoppable
from drivers.plausibility import Plausible
from drivers.signals import Reading
from drivers.spec import DriverSpec, Parts
from drivers.status import ActionStatus

log = logging.getLogger(__name__)

COLDEST_DEGC, HOTTEST_DEGC = -20.0, 450.0
"""What its sensor can show."""
FASTEST_DEGC_PER_S = 5.0
"""How fast it can heat or cool; a reading that says more is taken again."""
NOISE_DEGC = 1.0


@dataclass(frozen=True)
class State:
    """The reply to ``STATE?``."""

    reading_degc: float
    target_degc: float
    heats: bool


class HotPlate(Stoppable):
    """A plate that is told a temperature, and holds it until it is told otherwise."""

    VERBS: ClassVar[Mapping[str, str]] = {"set-setpoint": "set_setpoint", "stop": "halt"}
    READS: ClassVar[Mapping[str, str]] = {"reading": "reading_degc", "setpoint": "setpoint_degc"}
    MEASURED = ("reading_degc", "setpoint_degc")
    STOPPED = "switched off"

    reading_degc = Component(Reading, value=math.nan, units="degC", precision=1, kind="hinted")
    setpoint_degc = Component(Reading, value=math.nan, units="degC", precision=1, kind="normal")
    """What it heats to; 0 while it does not heat."""

    def __init__(self, name: str, *, link: LineLink, most_degc: float, **base: Any) -> None:
        super().__init__(name, **base)
        self.link = link
        self._most_degc = most_degc
        self._serial: str | None = None
        self._plausible = Plausible(
            COLDEST_DEGC, HOTTEST_DEGC, FASTEST_DEGC_PER_S, agree=NOISE_DEGC, what=f"{name}: reading", unit="degC"
        )
        self.setpoint_degc.limit(0.0, most_degc)

    # -- verbs

    def set_setpoint(self, degc: float) -> ActionStatus:
        """Heat to a temperature; done when the plate says that it does so.

        Raises:
            LimitError: For more than the limit.
        """
        if not 0.0 < degc <= self._most_degc:
            raise LimitError(
                f"{self.name}: {degc:g} degC requested, allowed above 0 to {self._most_degc:g} degC "
                "(limits.setpoint in the lab file)"
            )
        leave = self._authorize_until_stopped("set-setpoint", float(degc), "degC")
        return self._begin("set-setpoint", self._heat(degc, leave), leave[0])

    # -- jobs: what is between two yields happens on the bus, without anything else in between

    def _heat(self, degc: float, leave: Leave) -> Job:
        grant, heed_stops = leave
        for _ in range(TRIES):  # a setpoint is absolute: it may be sent again once the plate was asked
            heed_stops()
            self._tell(f"SET {degc:.1f}", grant)
            found = yield from self._patiently(self._observe)
            if found.heats and math.isclose(found.target_degc, degc, abs_tol=0.05):
                return
            yield self.clock.now() + CLOSE_S
        raise ActionFailedError(
            f"{self.name}: was told {degc:g} degC {TRIES} times and says that it heats to "
            f"{self.setpoint_degc.get():g} degC: is it set at its panel?"
        )

    def _halt(self, grant: Granted) -> Job:
        """Heat no more. After a good plan the plate stays as it is."""
        for _ in range(TRIES):
            self._tell("OFF", grant)
            found = yield from self._patiently(self._observe)
            if not found.heats:
                return
        raise ActionFailedError(f"{self.name}: was told to switch off {TRIES} times and heats: pull its plug")

    # -- the wire

    def _tell(self, line: str, grant: Granted) -> None:
        """Tell it something; whether a lost reply meant yes is for whoever looks next."""
        try:
            reply = self.link.act(line, grant, timeout_s=self.link.timeout_s)
        except LinkError as error:
            log.warning("%s: %s was not answered: %s", self.name, line, error)
            return
        if reply.startswith("ERR "):
            raise RefusedError(f"{self.name}: {self.link.url} refused {line}: {reply.removeprefix('ERR ')}")

    def _observe(self) -> State:
        found = self._ask()
        # There is no checksum on this wire: a digit that was changed on its way is a digit like any other.
        reading_degc = self._plausible.read(lambda: self._ask().reading_degc, self.clock.now())
        self._publish(reading_degc=reading_degc, setpoint_degc=found.target_degc if found.heats else 0.0)
        return found

    def _ask(self) -> State:
        line = self.link.query("STATE?", accepts=lambda reply: reply.startswith("STATE "))
        return parse_state(f"{self.name}: {self.link.url}", line)

    # -- looking

    def _check_identity(self) -> str:
        reply = self.link.query("ID?")
        match reply.split():
            case ["ID", "hot-plate", serial] if self._serial in (None, serial):
                self._serial = serial
                return f"hot plate {serial}"
        raise WrongInstrumentError(
            f"{self.name}: {self.link.url} says {reply!r}, and is to be hot plate {self._serial or ''}: "
            "is the address right in the lab file?"
        )

    def _look(self) -> float:
        found = self._observe()
        steady = not found.heats or math.isclose(found.reading_degc, found.target_degc, abs_tol=NOISE_DEGC)
        return self.clock.now() + (STEADY_S if steady else CLOSE_S)


def parse_state(who: str, line: str) -> State:
    """Read the reply to ``STATE?``.

    >>> parse_state("plate-1", "STATE 23.4 80.0 ON")
    State(reading_degc=23.4, target_degc=80.0, heats=True)

    Raises:
        CodecError: Where it is none.
    """
    match line.split():
        case ["STATE", reading, target, ("ON" | "OFF") as heater]:
            try:
                return State(float(reading), float(target), heater == "ON")
            except ValueError:
                pass
    raise CodecError(f"{who} says {line!r}, which is no state")


def _build(parts: Parts) -> HotPlate:
    return HotPlate(**parts.base, link=parts.line(terminator=b"\n"), most_degc=parts.limits["setpoint"])


DRIVER = DriverSpec(
    Kind.SHAKER,  # what it is for: it stirs and dries slurries
    HotPlate,
    _build,
    simulator="hot_plate_example.simulator",
    limits={"setpoint": "degC"},
    limited={"set-setpoint": "setpoint"},
)
