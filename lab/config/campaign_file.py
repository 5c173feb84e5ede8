"""The campaign file: what to make, what counts, and how far to go."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from protocols.documents import FileModel, Milligrams, load_model, range_in_unit
from protocols.quantities import parse_quantity
from protocols.recipe_file import MeasureFile, MixingFile, TargetFile

OBJECTIVE_UNITS = {"target_fraction": "", "furnace_hours": "h"}
"""What a campaign can be judged by, and the unit of its value."""

_CONSTRAINT = re.compile(r"\s*(?P<name>\w+)\s*(?P<sense><=|>=)\s*(?P<bound>.+?)\s*")

Sense = Literal["<=", ">="]


class ProcessFile(FileModel):
    """Ranges within which the planner may choose."""

    temperature: Annotated[tuple[float, float], range_in_unit("degC")]
    dwell: Annotated[tuple[float, float], range_in_unit("s")]
    ramp: Annotated[tuple[float, float], range_in_unit("degC/min")]
    regrinds: Annotated[list[Annotated[int, Field(ge=0, le=3)]], Field(min_length=1)] = Field([0])
    atmosphere: str = "air"


class BudgetFile(FileModel):
    """How much may be used up."""

    samples: Annotated[int, Field(gt=0)]


class GateFile(FileModel):
    """When a result is believed, and what waits for a person."""

    analysis_confidence: Annotated[float, Field(ge=0, le=1)] = 0.8
    approval: Literal["none"] = "none"


class CampaignFile(FileModel):
    """A campaign as it stands in a file."""

    name: Annotated[str, Field(min_length=1)]
    target: TargetFile
    objectives: Annotated[dict[str, Literal["maximize", "minimize"]], Field(min_length=1)]
    constraints: list[str] = Field(default_factory=list)
    precursors: Annotated[list[str], Field(min_length=1)]
    process: ProcessFile
    batch: Annotated[Milligrams, Field(gt=0)] = 500.0
    """Mass of target that one sample should give."""
    mixing: MixingFile = MixingFile.model_validate({"time": "20 min", "speed": "300 rpm"})
    measure: Annotated[list[MeasureFile], Field(min_length=1)] = Field(
        default_factory=lambda: [
            MeasureFile.model_validate({"xrd": {"from": "10 deg", "to": "80 deg", "time": "8 min"}})
        ]
    )
    budget: BudgetFile
    gate: GateFile = GateFile()

    @field_validator("objectives")
    @classmethod
    def _objectives_are_known(cls, objectives: dict[str, str]) -> dict[str, str]:
        for name in objectives:
            if name not in OBJECTIVE_UNITS:
                raise ValueError(f"nothing measures {name!r}: objectives are {', '.join(OBJECTIVE_UNITS)}")
        return objectives

    @field_validator("constraints")
    @classmethod
    def _constraints_are_readable(cls, constraints: list[str]) -> list[str]:
        for text in constraints:
            parse_constraint(text)
        return constraints


def parse_constraint(text: str) -> tuple[str, Sense, float]:
    """Read ``"furnace_hours <= 24 h"`` as (name, sense, bound in the objective's unit).

    Raises:
        ValueError: Where it is no bound on something that is measured.
    """
    match = _CONSTRAINT.fullmatch(text)
    if match is None or match["name"] not in OBJECTIVE_UNITS:
        names = " or ".join(OBJECTIVE_UNITS)
        raise ValueError(f"{text!r} is no constraint: write {names}, then <= or >=, then a value with its unit")
    unit = OBJECTIVE_UNITS[match["name"]]
    sense: Sense = "<=" if match["sense"] == "<=" else ">="
    if unit:
        return match["name"], sense, parse_quantity(match["bound"], unit)
    return match["name"], sense, _fraction(match["bound"], text, match["name"])


def _fraction(bound: str, text: str, name: str) -> float:
    try:
        value = float(bound)
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{text!r}: {name} is a fraction, write a number between 0 and 1")
    return value


def load_campaign(path: Path) -> CampaignFile:
    """Read a campaign file.

    Raises:
        DocumentError: With every fault and its line.
    """
    return load_model(path, CampaignFile)
