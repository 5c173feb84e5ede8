"""What can be wrong with a planning problem, each said in one sentence with its cure."""

from __future__ import annotations


class PlannerError(Exception):
    """Base of every refusal of the planner; its text says what was wrong and what to change."""


class ProblemError(PlannerError):
    """The problem contradicts itself: empty range, unknown objective, constraint that excludes everything."""


class RouteError(PlannerError):
    """No precursor set balances the target, or a lot cannot be read."""


class PoolEmptyError(PlannerError):
    """Every legal recipe has been suggested already."""


class AllTrialsFailedError(PlannerError):
    """Nothing was ever measured, so there is nothing to learn from."""


class ObservationError(PlannerError):
    """A result that belongs to no open trial, or holds a value that is no number."""
