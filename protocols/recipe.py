"""The recipe: what to weigh, how to mix, fire and measure, as plain SI-like floats.

Every number carries its unit in its name. Text with units (``650 degC``) is turned into these floats at
the edge, by `protocols.recipe_file`; nothing here knows pint. A recipe is frozen: what was planned is what
is kept beside the result.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SAFE_TO_HANDLE_DEGC = 60.0
"""Below this a crucible may be touched by a robot or a hand, and a furnace door may open."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Target(_Frozen):
    """The compound that a recipe tries to make."""

    formula: str = Field(min_length=1)


class PrecursorAmount(_Frozen):
    """How much of one inventory lot goes in."""

    lot: str = Field(min_length=1)
    """Name of a lot, or a formula that exactly one lot in the inventory has."""
    mass_mg: float = Field(gt=0)


class MixingMethod(StrEnum):
    """How powders are brought into contact."""

    BALL_MILL = "ball-mill"
    MORTAR = "mortar"
    SHAKE = "shake"


class Mixing(_Frozen):
    """One grinding or mixing step."""

    method: MixingMethod = MixingMethod.BALL_MILL
    time_s: float = Field(gt=0)
    speed_rpm: float = Field(gt=0)
    solvent: str | None = None
    media: str | None = None


class Ramp(_Frozen):
    """Heat at a controlled rate."""

    kind: Literal["ramp"] = "ramp"
    rate_degc_per_min: float = Field(gt=0)
    to_degc: float


class Dwell(_Frozen):
    """Hold the temperature that was reached."""

    kind: Literal["dwell"] = "dwell"
    time_s: float = Field(gt=0)


class Cool(_Frozen):
    """Cool at a controlled rate, or slower where the furnace cannot follow."""

    kind: Literal["cool"] = "cool"
    rate_degc_per_min: float = Field(gt=0)
    to_degc: float


Segment = Annotated[Ramp | Dwell | Cool, Field(discriminator="kind")]


class Firing(_Frozen):
    """One thermal programme in one atmosphere."""

    atmosphere: str = "air"
    segments: tuple[Segment, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _starts_with_a_ramp(self) -> Firing:
        if not isinstance(self.segments[0], Ramp):
            seen = self.segments[0].kind
            raise ValueError(
                f"a firing starts with {seen!r}, and must start with a ramp: put {{ramp: ..., to: ...}} first"
            )
        return self

    @property
    def peak_degc(self) -> float:
        """The highest temperature that the programme asks for."""
        return max(s.to_degc for s in self.segments if not isinstance(s, Dwell))

    @property
    def fastest_degc_per_min(self) -> float:
        """The steepest controlled change, up or down, that the programme asks for."""
        return max(s.rate_degc_per_min for s in self.segments if not isinstance(s, Dwell))

    def duration_s(self, start_degc: float = 25.0) -> float:
        """Programmed time from `start_degc` to the end of the last segment.

        The furnace may take longer: it cannot cool faster than it loses heat.

        >>> Firing(segments=(Ramp(rate_degc_per_min=5, to_degc=925), Dwell(time_s=3600))).duration_s(25)
        14400.0
        """
        total_s, at_degc = 0.0, start_degc
        for segment in self.segments:
            if isinstance(segment, Dwell):
                total_s += segment.time_s
            else:
                total_s += abs(segment.to_degc - at_degc) / segment.rate_degc_per_min * 60.0
                at_degc = segment.to_degc
        return total_s


class XrdScan(_Frozen):
    """One powder diffraction scan."""

    kind: Literal["xrd"] = "xrd"
    from_deg: float = Field(ge=0, lt=180)
    to_deg: float = Field(gt=0, le=180)
    time_s: float = Field(gt=0)
    min_mass_mg: float = Field(default=20.0, gt=0)

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> XrdScan:
        if self.to_deg <= self.from_deg:
            raise ValueError(f"the scan runs from {self.from_deg:g} to {self.to_deg:g} deg: `to` must lie above `from`")
        return self


class Recipe(_Frozen):
    """One way to try to make one target, complete enough to be carried out."""

    target: Target
    precursors: tuple[PrecursorAmount, ...] = Field(min_length=1)
    mass_tolerance_mg: float = Field(default=1.0, gt=0)
    excess: dict[str, float] = Field(default_factory=dict)
    """Excess per volatile element as a fraction, already contained in the masses; kept to explain them."""
    mixing: Mixing
    firings: tuple[Firing, ...] = Field(min_length=1)
    regrind: Mixing | None = None
    """How the powder is ground before the second and every later firing; the first mixing where None."""
    measure: tuple[XrdScan, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_lot_once(self) -> Recipe:
        lots = [p.lot for p in self.precursors]
        twice = sorted({lot for lot in lots if lots.count(lot) > 1})
        if twice:
            raise ValueError(
                f"precursor {twice[0]!r} is listed {lots.count(twice[0])} times: list it once with its whole mass"
            )
        return self

    @property
    def regrinds(self) -> int:
        """How often the powder is ground and fired again."""
        return len(self.firings) - 1
