"""Rules of tasks: which step follows which, and that nothing is done twice that may be done once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from lab.records.state import events, tables
from lab.records.state.changes import Change, Entry
from lab.records.state.errors import RefusedError
from lab.records.state.rows import Rows
from lab.records.state.words import Repeatability, TaskState

_OPEN = frozenset({TaskState.PLANNED, TaskState.DISPATCHED, TaskState.ACKNOWLEDGED})
_OUT = frozenset({TaskState.DISPATCHED, TaskState.ACKNOWLEDGED})


def planned(rows: Rows, event: events.TaskPlanned) -> list[Change]:
    """A new task."""
    if rows.task(event.task) is not None:
        raise RefusedError(f"task {event.task}: is planned already: give each task a name of its own")
    names = dict.fromkeys([*event.portions, *event.wares])
    for name in event.portions:
        rows.portion(name)
    for name in event.wares:
        rows.ware(name)
    row = {
        "id": event.task,
        "what": event.what,
        "station": event.station,
        "sample": event.sample,
        "instructions": json.dumps(event.instructions, sort_keys=True, separators=(",", ":")),
        "repeatability": event.repeatability,
        "state": TaskState.PLANNED,
        "held_from": None,
        "why": None,
        "dispatches": 0,
        "undone": 0,
        "planned_s": Entry.TIME,
    }
    return [
        Change(tables.TASKS, row),
        *[Change(tables.TASK_ITEMS, {"task": event.task, "item": name}) for name in names],
    ]


def dispatched(rows: Rows, event: events.TaskDispatched) -> list[Change]:
    """An order goes out: the first time, or again where that is allowed."""
    task = _known(rows, event.task)
    may_again = task.repeatability == Repeatability.REPEATABLE
    allowed = {TaskState.PLANNED, *(_OUT if may_again else ()), *([TaskState.FAILED] if may_again else ())}
    if task.state not in allowed and task.dispatches > task.undone and task.state in _OUT | {TaskState.FAILED}:
        raise RefusedError(
            f"task {task.id}: was dispatched at {task.dispatched_s:.0f} s, and its repeatability is "
            f"{task.repeatability}: ask {task.station} what it did, or let a person attest it"
        )
    _in_state(task, allowed, "dispatched")
    _right_things(rows, task)
    values = {
        "state": TaskState.DISPATCHED,
        "dispatches": task.dispatches + 1,
        "dispatched_s": Entry.TIME,
        "acknowledged_s": None,
        "ended_s": None,
        "why": None,
    }
    return [_change(task, values)]


def acknowledged(rows: Rows, event: events.TaskAcknowledged) -> list[Change]:
    """The instrument does it; said again when a running task is adopted."""
    task = _in_state(_known(rows, event.task), _OUT, "acknowledged")
    return [_change(task, {"state": TaskState.ACKNOWLEDGED, "acknowledged_s": Entry.TIME})]


def verified(rows: Rows, event: events.TaskVerified) -> list[Change]:
    """Done."""
    task = _in_state(_known(rows, event.task), _OUT, "verified")
    _right_things(rows, task)
    return [_change(task, {"state": TaskState.VERIFIED, "ended_s": Entry.TIME})]


def failed(rows: Rows, event: events.TaskFailed) -> list[Change]:
    """Over, and not as it should be."""
    task = _in_state(_known(rows, event.task), _OPEN | {TaskState.HELD}, "failed")
    return [_change(task, {"state": TaskState.FAILED, "held_from": None, "why": event.why, "ended_s": Entry.TIME})]


def held(rows: Rows, event: events.TaskHeld) -> list[Change]:
    """Waits for a person."""
    task = _in_state(_known(rows, event.task), _OPEN, "held")
    return [_change(task, {"state": TaskState.HELD, "held_from": task.state, "why": event.why})]


def resumed(rows: Rows, event: events.TaskResumed) -> list[Change]:
    """As it was before it was held."""
    task = _in_state(_known(rows, event.task), {TaskState.HELD}, "resumed")
    _right_things(rows, task)
    return [_change(task, {"state": task.held_from, "held_from": None, "why": None})]


def undone(rows: Rows, event: events.TaskUndone) -> list[Change]:
    """Did not happen, so it is as it was when it was planned."""
    task = _known(rows, event.task)
    return [_change(task, not_happened(task, event.why))]


def not_happened(task: Row[Any], why: str) -> dict[str, Any]:
    """What a task becomes that was dispatched and did not happen.

    Raises:
        RefusedError: Where it was not dispatched, or may never be done again.
    """
    _in_state(task, _OUT, "undone", also_held=True)
    if task.repeatability == Repeatability.NEVER:
        raise RefusedError(
            f"task {task.id}: may never be done again once it was dispatched: say that it failed, and plan a new one"
        )
    return {"state": TaskState.PLANNED, "held_from": None, "why": why, "undone": task.undone + 1}


def settled(task: Row[Any], happened: bool, why: str) -> dict[str, Any]:
    """What a task becomes of which a person says whether it happened.

    Raises:
        RefusedError: Where there is nothing to settle.
    """
    _in_state(task, _OUT, "attested", also_held=True)
    if happened:
        return {"state": TaskState.VERIFIED, "held_from": None, "why": why, "ended_s": Entry.TIME}
    if task.repeatability == Repeatability.NEVER:
        return {"state": TaskState.FAILED, "held_from": None, "why": why, "ended_s": Entry.TIME}
    return not_happened(task, why)


def _known(rows: Rows, name: str) -> Row[Any]:
    task = rows.task(name)
    if task is None:
        raise RefusedError(f"task {name}: is not known: plan it first, or correct its name")
    return task


def _right_things(rows: Rows, task: Row[Any]) -> None:
    """Stop a task at a hand-over where something else was found."""
    read = rows.mismatch_of(task.id)
    if read is not None:
        raise RefusedError(
            f"task {task.id}: stops, {read.found or 'no barcode'} was read at {read.position} and {read.expected} "
            f"expected (journal entry {read.read_n}): look, and attest what it is"
        )


def _in_state(
    task: Row[Any], allowed: frozenset[TaskState] | set[TaskState], step: str, *, also_held: bool = False
) -> Row[Any]:
    state = task.held_from if also_held and task.state == TaskState.HELD else task.state
    if state not in allowed:
        may = ", ".join(sorted(allowed))
        raise RefusedError(f"task {task.id}: cannot be {step}, it is {task.state}, and must be {may}")
    return task


def _change(task: Row[Any], values: Mapping[str, Any]) -> Change:
    return Change(tables.TASKS, values, {"id": task.id})
