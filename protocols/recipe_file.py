"""Recipes as the YAML that people write, and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from protocols.documents import (
    Celsius,
    CelsiusPerMinute,
    Degrees,
    FileModel,
    Milligrams,
    Rpm,
    Seconds,
    load_model,
)
from protocols.quantities import format_quantity
from protocols.recipe import (
    Cool,
    Dwell,
    Firing,
    Mixing,
    MixingMethod,
    PrecursorAmount,
    Ramp,
    Recipe,
    Segment,
    Target,
    XrdScan,
)


class TargetFile(FileModel):
    """``target: {formula: BaTiO3}``."""

    formula: str


class MixingFile(FileModel):
    """``mixing: {method: ball-mill, time: 10 min, speed: 300 rpm, solvent: none}``."""

    method: MixingMethod = MixingMethod.BALL_MILL
    time: Annotated[Seconds, Field(gt=0)]
    speed: Annotated[Rpm, Field(gt=0)]
    solvent: str = "none"
    media: str = "none"

    def to_mixing(self) -> Mixing:
        """The same in floats."""
        return Mixing(
            method=self.method,
            time_s=self.time,
            speed_rpm=self.speed,
            solvent=None if self.solvent == "none" else self.solvent,
            media=None if self.media == "none" else self.media,
        )


class SegmentFile(FileModel):
    """``{ramp: 5 degC/min, to: 950 degC}``, ``{dwell: 6 h}`` or ``{cool: 5 degC/min, to: 60 degC}``."""

    ramp: Annotated[CelsiusPerMinute, Field(gt=0)] | None = None
    cool: Annotated[CelsiusPerMinute, Field(gt=0)] | None = None
    dwell: Annotated[Seconds, Field(gt=0)] | None = None
    to: Celsius | None = None

    @model_validator(mode="after")
    def _is_one_segment(self) -> SegmentFile:
        kinds = [name for name in ("ramp", "cool", "dwell") if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise ValueError(f"a segment has one of ramp, dwell and cool, found {', '.join(kinds) or 'none'}")
        if (self.to is None) != (kinds == ["dwell"]):
            raise ValueError(f"a {kinds[0]} segment {'has no' if self.to is not None else 'needs a'} `to`")
        return self

    def to_segment(self) -> Segment:
        """The same in floats."""
        if self.dwell is not None:
            return Dwell(time_s=self.dwell)
        assert self.to is not None  # noqa: S101 - the validator has seen to it
        if self.ramp is not None:
            return Ramp(rate_degc_per_min=self.ramp, to_degc=self.to)
        assert self.cool is not None  # noqa: S101
        return Cool(rate_degc_per_min=self.cool, to_degc=self.to)


class FiringFile(FileModel):
    """One thermal programme."""

    atmosphere: str = "air"
    segments: Annotated[list[SegmentFile], Field(min_length=1)]

    @model_validator(mode="after")
    def _makes_a_firing(self) -> FiringFile:
        _refused_as_a_sentence(self.to_firing)
        return self

    def to_firing(self) -> Firing:
        """The same in floats."""
        return Firing(atmosphere=self.atmosphere, segments=tuple(s.to_segment() for s in self.segments))


class XrdFile(FileModel):
    """``{from: 10 deg, to: 80 deg, time: 8 min}``."""

    from_: Annotated[Degrees, Field(ge=0, lt=180)] = Field(alias="from")
    to: Annotated[Degrees, Field(gt=0, le=180)]
    time: Annotated[Seconds, Field(gt=0)]
    min_mass: Annotated[Milligrams, Field(gt=0)] = 20.0

    @model_validator(mode="after")
    def _makes_a_scan(self) -> XrdFile:
        _refused_as_a_sentence(self.to_scan)
        return self

    def to_scan(self) -> XrdScan:
        """The same in floats."""
        return XrdScan(from_deg=self.from_, to_deg=self.to, time_s=self.time, min_mass_mg=self.min_mass)


class MeasureFile(FileModel):
    """One measurement."""

    xrd: XrdFile


class RecipeFile(FileModel):
    """A recipe as it stands in a file."""

    target: TargetFile
    precursors: Annotated[dict[str, Annotated[Milligrams, Field(gt=0)]], Field(min_length=1)]
    mass_tolerance: Annotated[Milligrams, Field(gt=0)] = 1.0
    excess: dict[str, float] = Field(default_factory=dict)
    mixing: MixingFile
    firings: Annotated[list[FiringFile], Field(min_length=1)]
    regrind: MixingFile | None = None
    measure: Annotated[list[MeasureFile], Field(min_length=1)]

    @model_validator(mode="after")
    def _makes_a_recipe(self) -> RecipeFile:
        _refused_as_a_sentence(self.to_recipe)
        return self

    def to_recipe(self) -> Recipe:
        """The same in floats."""
        return Recipe(
            target=Target(formula=self.target.formula),
            precursors=tuple(PrecursorAmount(lot=lot, mass_mg=mass) for lot, mass in self.precursors.items()),
            mass_tolerance_mg=self.mass_tolerance,
            excess=self.excess,
            mixing=self.mixing.to_mixing(),
            firings=tuple(firing.to_firing() for firing in self.firings),
            regrind=self.regrind.to_mixing() if self.regrind else None,
            measure=tuple(scan_from_file(m) for m in self.measure),
        )


def scan_from_file(measure: MeasureFile) -> XrdScan:
    """The scan that one entry under ``measure`` asks for."""
    return measure.xrd.to_scan()


def load_recipe(path: Path) -> Recipe:
    """Read a recipe from YAML.

    Raises:
        DocumentError: With every fault and its line.
    """
    return load_model(path, RecipeFile).to_recipe()


def recipe_document(recipe: Recipe) -> dict[str, object]:
    """The recipe as plain mappings in the shape of the file, quantities as text."""
    document: dict[str, object] = {
        "target": {"formula": recipe.target.formula},
        "precursors": {p.lot: format_quantity(p.mass_mg, "mg") for p in recipe.precursors},
        "mass_tolerance": format_quantity(recipe.mass_tolerance_mg, "mg"),
        "mixing": _mixing(recipe.mixing),
        "firings": [
            {"atmosphere": f.atmosphere, "segments": [_segment(s) for s in f.segments]} for f in recipe.firings
        ],
        "measure": [{"xrd": _scan(scan)} for scan in recipe.measure],
    }
    if recipe.excess:
        document["excess"] = dict(recipe.excess)
    if recipe.regrind:
        document["regrind"] = _mixing(recipe.regrind)
    return document


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write the recipe as YAML that `load_recipe` reads back equal."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 200
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(recipe_document(recipe), file)


def _refused_as_a_sentence(make: Callable[[], object]) -> None:
    """Have what the recipe refuses told at the place in the file that it comes from."""
    try:
        make()
    except ValidationError as error:
        raise ValueError(str(error.errors()[0].get("ctx", {}).get("error", error))) from None


def _mixing(mixing: Mixing) -> dict[str, str]:
    return {
        "method": mixing.method.value,
        "time": format_quantity(mixing.time_s, "s"),
        "speed": format_quantity(mixing.speed_rpm, "rpm"),
        "solvent": mixing.solvent or "none",
        "media": mixing.media or "none",
    }


def _segment(segment: Segment) -> dict[str, str]:
    if isinstance(segment, Dwell):
        return {"dwell": format_quantity(segment.time_s, "s")}
    rate = format_quantity(segment.rate_degc_per_min, "degC/min")
    return {segment.kind: rate, "to": format_quantity(segment.to_degc, "degC")}


def _scan(scan: XrdScan) -> dict[str, str]:
    return {
        "from": format_quantity(scan.from_deg, "deg"),
        "to": format_quantity(scan.to_deg, "deg"),
        "time": format_quantity(scan.time_s, "s"),
        "min_mass": format_quantity(scan.min_mass_mg, "mg"),
    }
