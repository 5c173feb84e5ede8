"""Alicat mass flow controllers: flow, gas and tare over lines of text; several may share one line."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from drivers.bus import Job
from drivers.codecs.alicat import SERIAL, SOURCES
from drivers.errors import (
    ActionFailedError,
    CodecError,
    DriverError,
    LimitError,
    LinkError,
    RefusedError,
    UnknownDriverError,
)
from drivers.gate import Granted
from drivers.kinds import Kind
from drivers.parts.alicat_meter import AlicatMeter
from drivers.parts.alicat_reading import Seen
from drivers.parts.alicat_unit import QUIET_S, AlicatUnit
from drivers.spec import DriverSpec, Option, Parts
from drivers.status import ActionStatus

log = logging.getLogger(__name__)

SETTLE_S = 30.0
"""Lab seconds that a flow has to reach its setpoint, where nobody says otherwise."""
SETTLED = 0.02
"""How near a flow must be to its setpoint, as a part of the full scale."""
WATCH_S = 1.0
"""Lab seconds between looks at a flow that is to settle."""
CLEAR = 0.001
"""Part of the full scale from which on an offset stands clear of the noise, so that it shows whether it was tared."""
ROUNDED = 0.05
"""By how much of itself a setpoint may be changed by the digits of the controller."""


class Alicat(AlicatMeter):
    """One unit; its limit is the highest flow in sccm. It is stopped whatever it seems to do."""

    VERBS: ClassVar[Mapping[str, str]] = {
        "set-flow": "set_flow",
        "set-gas": "set_gas",
        "tare": "tare",
        "stop": "halt",
    }

    def __init__(self, name: str, *, settle_s: float = SETTLE_S, **base: Any) -> None:
        super().__init__(name, **base)
        self._settle_s = settle_s
        self._tells = 0
        """How often a setpoint was told."""

    # -- verbs

    def set_flow(self, sccm: float) -> ActionStatus:
        """Have a flow; ends when it flows.

        Raises:
            LimitError: Above the limit for flow.
            CommandDeniedError: When the gate refuses.
        """
        if not 0.0 <= sccm <= self._most_sccm:
            raise LimitError(
                f"{self.name}: {sccm:g} sccm requested, limit {self._most_sccm:g} sccm (limits.flow in the lab file)"
            )
        grant, heed_stops = self._authorize_until_stopped("set-flow", float(sccm), "sccm")
        return self._begin("set-flow", self._flow(float(sccm), grant, heed_stops), grant)

    def set_gas(self, gas: str) -> ActionStatus:
        """Say which gas flows, in the controller's letters (``N2``); only while none is asked for and none flows.

        Raises:
            LimitError: For what is no name of a gas.
            CommandDeniedError: When the gate refuses.
        """
        if not re.fullmatch(r"[A-Za-z0-9-]{1,8}", gas):
            raise LimitError(f"{self.name}: {gas!r} is no name of a gas: write it as the controller does, as N2")
        grant, heed_stops = self._authorize_until_stopped("set-gas", gas)
        return self._begin("set-gas", self._change_gas(gas, grant, heed_stops), grant)

    def tare(self) -> ActionStatus:
        """Take the present flow for none; only while none is asked for and none flows.

        Raises:
            CommandDeniedError: When the gate refuses.
        """
        grant, heed_stops = self._authorize_until_stopped("tare")
        return self._begin("tare", self._zero(grant, heed_stops), grant)

    # -- jobs

    def _flow(self, sccm: float, grant: Granted, heed_stops: Callable[[], None]) -> Job:
        source = yield from self._patiently(self._find_source)
        if source not in (SERIAL, ""):
            raise ActionFailedError(
                f"{self.name}: takes its setpoint from {SOURCES[source]}, so none was set: set its setpoint source to "
                "serial at the panel"
            )
        seen = yield from self._patiently(self.unit.look)
        if seen.held:
            raise ActionFailedError(f"{self.name}: its valve is held, so no flow was set: cancel that at the panel")
        held_sccm = self.unit.as_held(sccm)
        if abs(held_sccm - sccm) > ROUNDED * sccm or held_sccm > self._most_sccm * (1.0 + 1e-9):
            raise LimitError(
                f"{self.name}: {sccm:g} sccm requested, the controller's digits make it {held_sccm:g} sccm"
            )
        self._tells += 1
        tell = self._tells

        def tell_setpoint() -> None:
            self._told_sccm = None
            self.unit.set_setpoint(held_sccm, grant)

        yield from self._tell_until_so(tell_setpoint, lambda seen: self.unit.is_at(seen, held_sccm), heed_stops)
        self._told_sccm = held_sccm
        yield from self._settle(held_sccm, tell)

    def _tell_until_so(
        self, tell: Callable[[], None], is_so: Callable[[Seen], bool], heed_stops: Callable[[], None]
    ) -> Job:
        """Tell it something absolute; once more where the reply is lost and it is not so."""
        heed_stops()
        try:
            tell()
        except (LinkError, CodecError):
            seen = yield from self._patiently(self.unit.look)
            heed_stops()
            if not is_so(seen):
                tell()

    def _settle(self, sccm: float, tell: int) -> Job:
        give_up_s = self.clock.now() + self._settle_s
        while True:
            self.bus.poll_now(self.name)
            yield from self._after_poll()
            seen = self._last
            if self._tells != tell:
                raise ActionFailedError(f"{self.name}: the flow of {sccm:g} sccm was overtaken by another setpoint")
            if seen is not None and self.unit.is_at(seen, sccm) and abs(seen.flow_sccm - sccm) <= self._part(SETTLED):
                return
            if self.clock.now() >= give_up_s:
                raise ActionFailedError(f"{self.name}: {self._why_not(sccm, seen)}")
            yield self.clock.now() + WATCH_S

    def _why_not(self, sccm: float, seen: Seen | None) -> str:
        if seen is None or not self.unit.is_at(seen, sccm):
            now = math.nan if seen is None else seen.setpoint_sccm
            return (
                f"took the setpoint {sccm:g} sccm, and {now:g} sccm is in force after {self._settle_s:g} s: does it "
                "take its setpoint from elsewhere?"
            )
        complaints = ", ".join(seen.complaints)
        return (
            f"{seen.flow_sccm:.3g} sccm flow {self._settle_s:g} s after {sccm:g} sccm were set: is the supply "
            f"open, and its pressure right{complaints and f' ({complaints})'}?"
        )

    def _change_gas(self, gas: str, grant: Granted, heed_stops: Callable[[], None]) -> Job:
        code = yield from self._patiently(lambda: self.unit.gas_code(gas))
        if code is None:
            raise ActionFailedError(f"{self.name}: the controller has no gas {gas!r}, so none was set")
        seen = yield from self._patiently(self.unit.look)
        self._refuse_flowing(seen, "the gas was not changed")

        def tell_gas() -> None:
            self._told_gas = None
            self.unit.set_gas(code, grant)

        yield from self._tell_until_so(tell_gas, lambda seen: seen.gas == gas, heed_stops)
        seen = yield from self._patiently(self.unit.look)
        if seen.gas != gas:
            raise ActionFailedError(f"{self.name}: was told to measure {gas} and measures {seen.gas}: is it locked?")
        self._told_gas = gas
        self.bus.poll_now(self.name)

    def _zero(self, grant: Granted, heed_stops: Callable[[], None]) -> Job:
        before = yield from self._patiently(self.unit.look)
        self._refuse_flowing(before, "it was not tared")
        heed_stops()
        lost: DriverError | None = None
        try:
            self.unit.tare(grant)
        except (LinkError, CodecError) as error:
            lost = error
        yield self.clock.now() + WATCH_S
        after = yield from self._patiently(self.unit.look)
        self._check_tared(before, after, lost)
        self.bus.poll_now(self.name)

    def _check_tared(self, before: Seen, after: Seen, lost: DriverError | None) -> None:
        """Find out from what flowed before and after whether a tare has happened; a small offset does not tell."""
        is_clear = abs(before.flow_sccm) > self._part(CLEAR)
        if is_clear and abs(after.flow_sccm) < 0.5 * abs(before.flow_sccm):
            return
        flows = f"it read {before.flow_sccm:g} sccm before and {after.flow_sccm:g} sccm after"
        if lost is not None:
            raise ActionFailedError(
                f"{self.name}: was told to tare and the reply was lost, so whether it did is unknown: {flows} ({lost})"
            ) from lost
        if is_clear:
            raise ActionFailedError(f"{self.name}: was told to tare and has not: {flows}: is it locked?")

    def _halt(self, grant: Granted) -> Job:
        """Have no flow: by its setpoint, or by its valve where it does not follow that."""
        self._tells += 1
        for _ in range(2):
            # An absolute write, so it is repeated until somebody answers, and once more where it is not in force.
            yield from self._patiently(lambda: self._stop_flow(grant))
            seen = yield from self._patiently(self.unit.look)
            if self.unit.is_at(seen, 0.0):
                break
        if seen.held or not self.unit.is_at(seen, 0.0):
            yield from self._close_valve(seen, grant)
        self._told_sccm = 0.0 if self.unit.is_at(seen, 0.0) else None
        self.bus.poll_now(self.name)

    def _stop_flow(self, grant: Granted) -> None:
        try:
            self.unit.set_setpoint(0.0, grant)
        except (RefusedError, CodecError) as error:
            log.warning("%s", error)  # what is done about that depends on the setpoint in force

    def _close_valve(self, seen: Seen, grant: Granted) -> Job:
        """Close the valve of a unit that does not follow its setpoint."""
        why = "its valve is held" if seen.held else f"its setpoint stays at {seen.setpoint_sccm:g} sccm"
        try:
            yield from self._patiently(lambda: self.unit.close_valve(grant))
            after = yield from self._patiently(self.unit.look)
        except RefusedError as error:
            raise ActionFailedError(f"{self.name}: {why}, and {error}: close the gas by hand") from error
        if not after.held:
            raise ActionFailedError(f"{self.name}: {why}, and it did not close its valve: close the gas by hand")


def _build(parts: Parts) -> Alicat:
    letter = str(parts.option("unit", "A"))
    if not re.fullmatch("[A-Z]", letter):
        raise UnknownDriverError(f"{parts.name}: unit is {letter!r} in the lab file, write one letter, A to Z")
    link = parts.line(terminator=b"\r", baudrate=19200)
    serial = parts.option("serial")
    unit = AlicatUnit(
        parts.name,
        link,
        letter,
        layout=parts.option("layout"),
        serial=None if serial is None else str(serial),
        quiet_s=float(parts.option("quiet", QUIET_S)),
    )
    settle_s = float(parts.option("settle", SETTLE_S))
    return Alicat(**parts.base, unit=unit, limits=parts.limits, settle_s=settle_s)


DRIVER = DriverSpec(
    Kind.GAS,
    Alicat,
    _build,
    limits={"flow": "sccm"},
    limited={"set-flow": "flow"},
    options={
        "unit": Option("its letter on the line (A)"),
        "serial": Option("the serial number that it must have (that of whoever answers first)"),
        "layout": Option(
            "what its frames hold, where it does not tell: pressure:PSIA temperature:C volumetric:CCM mass:SCCM "
            "setpoint:SCCM gas (what it tells)"
        ),
        "settle": Option("how long a flow may take to reach its setpoint (30 s)", "s"),
    },
)
