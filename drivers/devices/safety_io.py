"""A safety module as a device: door, water, loops, analogue inputs, contactor, watchdog."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any, ClassVar

from ophyd import Component

from drivers.bus import Job
from drivers.codecs.safety_io import SafetyReading, WatchdogState
from drivers.gate import Granted
from drivers.instrument import Instrument
from drivers.kinds import Kind
from drivers.safety_module import SafetyModule
from drivers.signals import Reading
from drivers.spec import DriverSpec, Option, Parts
from drivers.status import ActionStatus

log = logging.getLogger(__name__)

INPUT_SIGNALS = (
    "door_closed",
    "water_ok",
    "estop_ok",
    "exhaust_ok",
    "gas_ok",
    "contactor_closed",
    "overtemperature_ok",
    "mains_ok",
)
"""Discrete inputs 0 to 7; 1 is safe, 0 is unsafe, NaN is unknown."""
ANALOGUE_SIGNALS = ("ai1_degc", "ai2", "ai3", "ai4", "ai5", "ai6", "ai7", "ai8")
"""Analogue inputs 0 to 7; the unit of all but the independent temperature is the laboratory's choice."""

COIL_SIGNALS = ("contactor_permit", "beacon", "gas_permit", "door_lock")
"""Coils 0 to 3: what the module was told, whatever its loops make of it."""


class SafetyIO(Instrument):
    """A module that watches one furnace."""

    VERBS: ClassVar[Mapping[str, str]] = {
        "close-contactor": "close_contactor",
        "open-contactor": "open_contactor",
        "start-watchdog": "start_watchdog",
        "rearm": "rearm",
        "pet": "pet",
        "scan": "scan",
    }
    LOOKS = frozenset({"scan"})
    MEASURED = (*INPUT_SIGNALS, *ANALOGUE_SIGNALS, *COIL_SIGNALS, "watchdog")

    door_closed = Component(Reading, value=math.nan, kind="normal")
    water_ok = Component(Reading, value=math.nan, kind="normal")
    estop_ok = Component(Reading, value=math.nan, kind="normal")
    exhaust_ok = Component(Reading, value=math.nan, kind="normal")
    gas_ok = Component(Reading, value=math.nan, kind="normal")
    contactor_closed = Component(Reading, value=math.nan, kind="normal")
    overtemperature_ok = Component(Reading, value=math.nan, kind="normal")
    mains_ok = Component(Reading, value=math.nan, kind="normal")
    ai1_degc = Component(Reading, value=math.nan, units="degC", precision=1, kind="hinted")
    ai2 = Component(Reading, value=math.nan, precision=1, kind="normal")
    ai3 = Component(Reading, value=math.nan, precision=1, kind="normal")
    ai4 = Component(Reading, value=math.nan, precision=1, kind="normal")
    ai5 = Component(Reading, value=math.nan, precision=1, kind="normal")
    ai6 = Component(Reading, value=math.nan, precision=1, kind="normal")
    ai7 = Component(Reading, value=math.nan, precision=1, kind="normal")
    ai8 = Component(Reading, value=math.nan, precision=1, kind="normal")
    contactor_permit = Component(Reading, value=math.nan, kind="normal")
    beacon = Component(Reading, value=math.nan, kind="normal")
    gas_permit = Component(Reading, value=math.nan, kind="normal")
    door_lock = Component(Reading, value=math.nan, kind="normal")
    watchdog = Component(Reading, value="unknown", kind="normal")
    changed = Component(Reading, value="", kind="normal")
    """What was changed by nobody of us, until the watchdog is started again; empty where nothing was."""

    def __init__(self, name: str, *, module: SafetyModule, poll_s: float, **base: Any) -> None:
        super().__init__(name, **base)
        self.module = module
        self._poll_s = poll_s
        self._watchdog = WatchdogState.OFF
        """As it was seen last."""

    # -- verbs

    def close_contactor(self) -> ActionStatus:
        """Let the furnace heat.

        Raises:
            CommandDeniedError: When the gate refuses.
        """
        grant = self._authorize("close-contactor")
        return self._begin("close-contactor", self._set_contactor(True, grant), grant)

    def open_contactor(self) -> ActionStatus:
        """Cut the heater's power, now; a gate grants this always."""
        grant = self._authorize("open-contactor")
        return self._begin("open-contactor", self._set_contactor(False, grant), grant)

    def start_watchdog(self, timeout_s: float) -> ActionStatus:
        """Have the module open everything when nobody pets it for `timeout_s`."""
        grant = self._authorize("start-watchdog", float(timeout_s), "s")
        return self._begin("start-watchdog", self._start_watchdog(timeout_s, grant), grant)

    def pet(self) -> ActionStatus:
        """Tell the watchdog that somebody is there; a gate grants this always."""
        grant = self._authorize("pet")
        return self._begin("pet", self._pet(grant), grant)

    def rearm(self) -> ActionStatus:
        """Restore the ability to close outputs after the watchdog expired; never done by itself."""
        grant = self._authorize("rearm")
        return self._begin("rearm", self._rearm(grant), grant)

    def scan(self) -> ActionStatus:
        """Look at everything now, so that what is decided next rests on this moment."""
        return self._begin("scan", self._scan())

    # -- jobs

    def _set_contactor(self, closed: bool, grant: Granted) -> Job:
        self.module.set_contactor(closed, grant)
        self.bus.poll_now(self.name)
        yield from ()

    def _start_watchdog(self, timeout_s: float, grant: Granted) -> Job:
        self.module.start_watchdog(timeout_s, grant)
        self.bus.poll_now(self.name)
        yield from ()

    def _scan(self) -> Job:
        self._take_in(self.module.read_anew())
        yield from ()

    def _pet(self, grant: Granted) -> Job:
        self.module.pet(grant)
        yield from ()

    def _rearm(self, grant: Granted) -> Job:
        self.module.rearm(grant)
        self.bus.poll_now(self.name)
        yield from ()

    # -- looking

    def _check_identity(self) -> str:
        return self.module.identify()

    def _look(self) -> float:
        self._read()
        return self.clock.now() + self._poll_s

    def _read(self) -> None:
        self._take_in(self.module.read())

    def _take_in(self, reading: SafetyReading) -> None:
        values = {name: float(safe) for name, safe in zip(INPUT_SIGNALS, reading.inputs, strict=True)}
        values |= dict(zip(ANALOGUE_SIGNALS, reading.analogue, strict=True))
        values |= {name: float(on) for name, on in zip(COIL_SIGNALS, reading.coils, strict=True)}
        self._note_power(reading.watchdog)
        self._publish(watchdog=reading.watchdog.name.lower(), **values)
        self._seen()

    def _note_power(self, watchdog: WatchdogState) -> None:
        """Tell of a watchdog that is off and was not: nothing that is done here switches one off."""
        before, self._watchdog = self._watchdog, watchdog
        if watchdog is not WatchdogState.OFF:
            self._publish(changed="")
        elif before is not WatchdogState.OFF:
            said = f"its watchdog was {before.name.lower()} and is off: it lost power, or was set by somebody else"
            log.warning("%s: %s: start the watchdog before anything is closed", self.name, said)
            self._publish(changed=said)


def _build(parts: Parts) -> SafetyIO:
    return SafetyIO(**parts.base, module=SafetyModule(parts.modbus()), poll_s=float(parts.option("poll", 1.0)))


DRIVER = DriverSpec(Kind.SAFETY, SafetyIO, _build, options={"poll": Option("between looks (1 s)", "s")})
