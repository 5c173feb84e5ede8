"""What crosses between processes: light to import, refusing what is no number."""

from __future__ import annotations

import subprocess
import sys

import pytest

from planner import Measured, Observation, Outcome, Planner
from planner.ax_planner import AxPlanner
from planner.errors import ObservationError
from planner.random_planner import RandomPlanner


@pytest.mark.parametrize(("value", "sd"), [(float("nan"), 0.1), (0.5, float("inf")), (0.5, -0.1)])
def test_what_is_no_measurement_is_refused(value: float, sd: float) -> None:
    with pytest.raises(ObservationError, match="give the outcome 'missing'"):
        Measured(value, sd)


def test_an_observation_without_values_holds_no_zero() -> None:
    assert Observation(3, Outcome.MISSING).objectives == {}


def test_an_outcome_read_from_a_file_as_text_is_understood() -> None:
    assert Observation(3, "missing").outcome is Outcome.MISSING  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="lost"):
        Observation(3, "lost")  # type: ignore[arg-type]


def test_both_planners_have_the_two_verbs() -> None:
    assert issubclass(AxPlanner, Planner)
    assert issubclass(RandomPlanner, Planner)


@pytest.mark.system
def test_importing_the_planner_imports_no_heavy_library() -> None:
    code = (
        "import sys, planner, planner.types, planner.routes, planner.ax_planner;"
        "print(*sorted({'ax', 'torch', 'pymatgen', 'scipy', 'botorch', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
