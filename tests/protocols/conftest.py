"""Files as people write them, and the recipe that most tests start from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from protocols.recipe import Cool, Dwell, Firing, Mixing, PrecursorAmount, Ramp, Recipe, Target, XrdScan

RECIPE = """\
target: {formula: BaTiO3}
precursors: {BaCO3: 592 mg, TiO2: 240 mg}
mass_tolerance: 1 mg
mixing: {method: ball-mill, time: 10 min, speed: 300 rpm, solvent: none}
firings:
  - {atmosphere: air, segments: [{ramp: 5 degC/min, to: 950 degC}, {dwell: 6 h}, {cool: 5 degC/min, to: 60 degC}]}
measure: [{xrd: {from: 10 deg, to: 80 deg, time: 8 min}}]
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "recipe.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def recipe_text() -> str:
    return RECIPE


@pytest.fixture
def recipe() -> Recipe:
    """What `RECIPE` says."""
    segments = (
        Ramp(rate_degc_per_min=5, to_degc=950),
        Dwell(time_s=21600),
        Cool(rate_degc_per_min=5, to_degc=60),
    )
    return Recipe(
        target=Target(formula="BaTiO3"),
        precursors=(PrecursorAmount(lot="BaCO3", mass_mg=592), PrecursorAmount(lot="TiO2", mass_mg=240)),
        mixing=Mixing(time_s=600, speed_rpm=300),
        firings=(Firing(segments=segments),),
        measure=(XrdScan(from_deg=10, to_deg=80, time_s=480),),
    )
