"""Events of tasks: one thing that one station does."""

from __future__ import annotations

from pydantic import Field

from lab.records.state.events.base import Event, Name, Plain, Said
from lab.records.state.words import Repeatability


class TaskPlanned(Event):
    """One thing that one station shall do to some portions and wares."""

    KIND = "task.planned"
    task: Name
    what: Name
    """Dose, mix, load, fire and so on."""
    station: Name
    repeatability: Repeatability
    sample: Name | None = None
    """For whom, also where nothing of it is there yet; None for several or none."""
    instructions: Plain = Field(default_factory=dict)
    """What the station shall do, for whoever has to find out after a crash whether it did."""
    portions: tuple[Name, ...] = ()
    wares: tuple[Name, ...] = ()


class TaskDispatched(Event):
    """The order is about to go out; from here on it may have happened."""

    KIND = "task.dispatched"
    task: Name


class TaskAcknowledged(Event):
    """The instrument said that it does it."""

    KIND = "task.acknowledged"
    task: Name


class TaskVerified(Event):
    """It is done; the instrument was asked."""

    KIND = "task.verified"
    task: Name


class TaskFailed(Event):
    """It is over and not done as it should be."""

    KIND = "task.failed"
    task: Name
    why: Said


class TaskHeld(Event):
    """It waits for a person."""

    KIND = "task.held"
    task: Name
    why: Said


class TaskResumed(Event):
    """It goes on from where it was held."""

    KIND = "task.resumed"
    task: Name


class TaskUndone(Event):
    """An instrument proves that what was dispatched did not happen."""

    KIND = "task.undone"
    task: Name
    why: Said
