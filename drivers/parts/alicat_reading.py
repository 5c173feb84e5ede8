"""What an Alicat's frames mean: in units that do not depend on the instrument, and whether it can be true."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from drivers.codecs import alicat as wire
from drivers.codecs.alicat import Firmware
from drivers.codecs.alicat_frame import STATUS_WORDS, Field, Frame, Layout, Quantity
from drivers.errors import CodecError
from drivers.plausibility import Plausible

_OVER_RANGE: Mapping[str, Quantity] = {
    "MOV": Quantity.MASS,
    "VOV": Quantity.VOLUMETRIC,
    "POV": Quantity.PRESSURE,
    "TOV": Quantity.TEMPERATURE,
}
"""What a status word says of a value: that it is none."""
_CCM_PER: Mapping[str, float] = {"CCM": 1.0, "LPM": 1000.0, "CCS": 60.0}
AGREE = 0.05
"""How far two readings of a flow may be apart, as a part of the full scale; it may move while it is read."""
AGREE_ABOUT = {Quantity.PRESSURE: 0.5, Quantity.TEMPERATURE: 0.5}
"""The same for what moves slowly, in the instrument's units."""
BELOW, ABOVE = -0.02, 1.5
"""Between which flows can be, as parts of the full scale; further below none it is no drift that a tare takes away."""
TEMPERATURES_DEGC = (-30.0, 100.0)
PRESSURES_KPA = (0.0, 2500.0)


@dataclass(frozen=True)
class Seen:
    """One reading in units that do not depend on the instrument; NaN for what it cannot tell."""

    flow_sccm: float
    setpoint_sccm: float
    volumetric_ccm: float
    pressure_kpa: float
    temperature_degc: float
    gas: str
    words: tuple[str, ...]
    """Status words."""

    @property
    def held(self) -> bool:
        """Whether its valve is held, so that it does not follow its setpoint."""
        return "HLD" in self.words

    @property
    def complaints(self) -> list[str]:
        """What its status words mean; not that its panel is locked."""
        return [STATUS_WORDS.get(word, word) for word in self.words if word != "LCK"]


@dataclass(frozen=True)
class Identity:
    """What is known of a unit once it has been asked who it is."""

    model: str
    serial: str
    firmware: Firmware
    layout: Layout
    sccm_per_unit: float
    full_scale_sccm: float

    @property
    def setpoint(self) -> Field:
        """The field of the setpoint."""
        found = self.layout.find(Quantity.SETPOINT)
        if found is None:
            raise CodecError("the layout has no setpoint")
        return found


def seen_of(frame: Frame, known: Identity) -> Seen:
    """Give a frame in units that do not depend on the instrument."""
    values = {quantity: frame.values.get(quantity, math.nan) for quantity in Quantity}
    if "ADC" in frame.words:
        values = dict.fromkeys(values, math.nan)
    for word, quantity in _OVER_RANGE.items():
        if word in frame.words:
            values[quantity] = math.nan
    units = {found.quantity: found.units for found in known.layout.fields}
    return Seen(
        flow_sccm=values[Quantity.MASS] * known.sccm_per_unit,
        setpoint_sccm=values[Quantity.SETPOINT] * known.sccm_per_unit,
        volumetric_ccm=values[Quantity.VOLUMETRIC] * _CCM_PER.get(units.get(Quantity.VOLUMETRIC, ""), math.nan),
        pressure_kpa=values[Quantity.PRESSURE] * wire.KPA_PER.get(units.get(Quantity.PRESSURE, ""), math.nan),
        temperature_degc=wire.degc_of(values[Quantity.TEMPERATURE], units.get(Quantity.TEMPERATURE, "")),
        gas=frame.gas,
        words=frame.words,
    )


def are_alike(one: Frame, other: Frame, known: Identity) -> bool:
    """Whether two frames in a row tell the same: flows may move while they are read, a setpoint does not."""
    if one.gas != other.gas or one.values.keys() != other.values.keys():
        return False
    if one.written.get(Quantity.SETPOINT) != other.written.get(Quantity.SETPOINT):
        return False
    flow = AGREE * known.full_scale_sccm / known.sccm_per_unit
    return all(
        _near(value, other.values[quantity], AGREE_ABOUT.get(quantity, flow)) for quantity, value in one.values.items()
    )


def check_possible(name: str, seen: Seen, known: Identity) -> None:
    """Make sure that values are within what there can be.

    Raises:
        ImplausibleError: One is not.
    """
    full_scale = known.full_scale_sccm
    low, high = BELOW * full_scale, ABOVE * full_scale
    for what, value, unit, (least, most) in (
        ("flow", seen.flow_sccm, "sccm", (low, high)),
        ("setpoint", seen.setpoint_sccm, "sccm", (low, high)),
        ("temperature", seen.temperature_degc, "degC", TEMPERATURES_DEGC),
        ("pressure", seen.pressure_kpa, "kPa", PRESSURES_KPA),
    ):
        if not math.isnan(value):
            Plausible(least, most, what=f"{name}: {what}", unit=unit).accept(value, 0.0)


def _near(one: float, other: float, within: float) -> bool:
    return abs(one - other) <= within or (math.isnan(one) and math.isnan(other))
