"""Which experiment next: candidates, precursor routes and process conditions, with Ax behind them.

What others use is here and light; `planner.ax_planner` holds the planner itself and imports Ax and torch.
"""

from planner.errors import PlannerError
from planner.pareto import hypervolume, pareto
from planner.programme import furnace_hours
from planner.routes import Route, enumerate_routes
from planner.types import (
    Constraint,
    Goal,
    Measured,
    Observation,
    Outcome,
    Planner,
    PrecursorLot,
    Problem,
    Suggestion,
)

__all__ = [
    "Constraint",
    "Goal",
    "Measured",
    "Observation",
    "Outcome",
    "Planner",
    "PlannerError",
    "PrecursorLot",
    "Problem",
    "Route",
    "Suggestion",
    "enumerate_routes",
    "furnace_hours",
    "hypervolume",
    "pareto",
]
