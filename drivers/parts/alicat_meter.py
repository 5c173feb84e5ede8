"""What an Alicat shows whoever watches it, and what of that somebody did by hand; its verbs are the driver's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from ophyd import Component

from drivers.codecs.alicat import SOURCES
from drivers.errors import ActionFailedError, WrongInstrumentError
from drivers.pace import STEADY_S
from drivers.parts.alicat_reading import Seen
from drivers.parts.alicat_unit import AlicatUnit
from drivers.parts.stopping import Stoppable
from drivers.signals import Reading

NO_FLOW = 0.02
"""Below this part of the full scale there is no flow."""


class AlicatMeter(Stoppable):
    """One unit as it is looked at; its limit is the highest flow in sccm."""

    READS: ClassVar[Mapping[str, str]] = {
        "flow": "flow_sccm",
        "setpoint": "setpoint_sccm",
        "pressure": "pressure_kpa",
        "temperature": "temperature_degc",
    }
    MEASURED = (
        "flow_sccm",
        "setpoint_sccm",
        "volumetric_ccm",
        "pressure_kpa",
        "temperature_degc",
        "gas",
        "status",
        "setpoint_source",
    )

    flow_sccm = Component(Reading, value=math.nan, units="sccm", precision=2, kind="hinted")
    """Mass flow as the volume of the gas at the controller's standard conditions."""
    setpoint_sccm = Component(Reading, value=math.nan, units="sccm", precision=2, kind="normal")
    """The setpoint in force."""
    volumetric_ccm = Component(Reading, value=math.nan, units="cm^3/min", precision=2, kind="normal")
    pressure_kpa = Component(Reading, value=math.nan, units="kPa", precision=2, kind="normal")
    """Absolute."""
    temperature_degc = Component(Reading, value=math.nan, units="degC", precision=2, kind="normal")
    gas = Component(Reading, value="unknown", kind="normal")
    """The gas that it is set to, in its own letters."""
    status = Component(Reading, value="unknown", kind="normal")
    """Its status words, parted by spaces; empty where all is well."""
    setpoint_source = Component(Reading, value="unknown", kind="normal")
    """``serial``, ``analog`` or ``user``, as found when it was asked last; ``unknown`` before firmware 9."""
    local_override = Component(Reading, value=0, kind="normal")
    """1 while setpoint or gas is not what was told here."""
    trouble = Component(Reading, value="", kind="normal")
    """What is not as it should be, in sentences; empty where all is."""

    def __init__(self, name: str, *, unit: AlicatUnit, limits: Mapping[str, float], **base: Any) -> None:
        super().__init__(name, **base)
        self.unit, self.link = unit, unit.link
        self._most_sccm = limits["flow"]
        self.setpoint_sccm.limit(0.0, self._most_sccm)
        self._last: Seen | None = None
        self._told_sccm: float | None = None
        """The setpoint that was told here last; None where nobody knows."""
        self._told_gas: str | None = None

    # -- judging

    def _refuse_flowing(self, seen: Seen, so: str) -> None:
        if not self.unit.is_at(seen, 0.0):
            raise ActionFailedError(f"{self.name}: its setpoint is {seen.setpoint_sccm:g} sccm, so {so}: stop it first")
        if not abs(seen.flow_sccm) <= self._part(NO_FLOW):
            raise ActionFailedError(
                f"{self.name}: {seen.flow_sccm:g} sccm flow with no setpoint, so {so}: close the gas first"
            )

    def _part(self, part: float) -> float:
        known = self.unit.known
        return part * (known.full_scale_sccm if known is not None else self._most_sccm)

    def _find_source(self) -> str:
        source = self.unit.source()
        self._publish(setpoint_source=SOURCES.get(source, "unknown"))
        return source

    def _by_hand(self, seen: Seen) -> list[str]:
        found = []
        if self._told_sccm is not None and not self.unit.is_at(seen, self._told_sccm):
            found.append(f"its setpoint is {seen.setpoint_sccm:g} sccm, {self._told_sccm:g} sccm was told here")
        if self._told_gas is not None and seen.gas != self._told_gas:
            found.append(f"it measures {seen.gas}, {self._told_gas} was told here")
        return found

    # -- looking

    def _check_identity(self) -> str:
        known = self.unit.identify()
        if self._most_sccm > known.full_scale_sccm * (1.0 + 1e-9):
            raise WrongInstrumentError(
                f"{self.name}: the lab file allows {self._most_sccm:g} sccm, and unit {self.unit.unit} at "
                f"{self.link.url} has {known.full_scale_sccm:g} sccm at most: is it another controller, or is "
                "limits.flow wrong?"
            )
        self._find_source()
        model = f"Alicat {known.model}".strip()
        return f"{model}, serial {known.serial or 'unknown'}, firmware {known.firmware.text}, unit {self.unit.unit}"

    def _look(self) -> float:
        seen = self._last = self.unit.look()
        by_hand = self._by_hand(seen)
        self._publish(
            flow_sccm=seen.flow_sccm,
            setpoint_sccm=seen.setpoint_sccm,
            volumetric_ccm=seen.volumetric_ccm,
            pressure_kpa=seen.pressure_kpa,
            temperature_degc=seen.temperature_degc,
            gas=seen.gas,
            status=" ".join(seen.words),
            local_override=int(bool(by_hand)),
            trouble="; ".join([*by_hand, *seen.complaints]),
        )
        return self.clock.now() + STEADY_S
