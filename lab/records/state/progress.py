"""Questions about tasks and stations: what runs, what a crash left open, which calibrations hold."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from lab.records.state import tables
from lab.records.state.words import Repeatability, TaskState

_OUT = (TaskState.DISPATCHED, TaskState.ACKNOWLEDGED)


@dataclass(frozen=True)
class TaskNow:
    """One task and how far it is."""

    task: str
    what: str
    station: str
    sample: str | None
    state: TaskState
    repeatability: Repeatability
    why: str | None
    since_s: float
    """Lab time of its last step."""
    items: tuple[str, ...]
    """The portions and wares that it is about."""
    instructions: dict[str, Any]
    """What the station was to do."""
    was_dispatched: bool
    """Whether it may have happened."""


@dataclass(frozen=True)
class LeaseNow:
    """A station that somebody has."""

    lease: str
    station: str
    holder: str
    taken_s: float


@dataclass(frozen=True)
class Mismatch:
    """A barcode that was not the expected one, and that nobody has explained."""

    number: int
    """Of its journal entry, by which it is attested."""
    position: str
    expected: str
    found: str | None


@dataclass(frozen=True)
class Unsettled:
    """What instruments and people must be asked about after a crash."""

    tasks: tuple[TaskNow, ...]
    """Those that may have happened, and those that were held."""
    leases: tuple[LeaseNow, ...]
    mismatches: tuple[Mismatch, ...]


@dataclass(frozen=True)
class Calibration:
    """The newest calibration of something."""

    what: str
    values: dict[str, float]
    done_s: float
    valid_until_s: float

    def holds(self, at_s: float) -> bool:
        """Whether it can be relied on at a lab time."""
        return self.done_s <= at_s < self.valid_until_s


def tasks_in(connection: Connection, states: Collection[TaskState]) -> tuple[TaskNow, ...]:
    """Tasks in some states, in the order of their last step."""
    c, items = tables.TASKS.c, tables.TASK_ITEMS.c
    rows = connection.execute(select(tables.TASKS).where(c.state.in_(list(states))).order_by(c.n)).all()
    about: dict[str, list[str]] = {row.id: [] for row in rows}
    chosen = select(items.task, items.item).join_from(tables.TASK_ITEMS, tables.TASKS).where(c.state.in_(list(states)))
    for row in connection.execute(chosen.order_by(items.task, items.item)):
        about[row.task].append(row.item)
    return tuple(_now(row, tuple(about[row.id])) for row in rows)


def running(connection: Connection) -> tuple[TaskNow, ...]:
    """Tasks that an instrument was told to do and that are not over."""
    return tasks_in(connection, _OUT)


def leases(connection: Connection) -> tuple[LeaseNow, ...]:
    """Who has which station."""
    c = tables.LEASES.c
    rows = connection.execute(select(tables.LEASES).where(c.returned_s.is_(None)).order_by(c.station))
    return tuple(LeaseNow(row.id, row.station, row.holder, row.taken_s) for row in rows)


def mismatches(connection: Connection) -> tuple[Mismatch, ...]:
    """Barcodes that nobody has explained."""
    c = tables.BARCODES.c
    rows = connection.execute(select(tables.BARCODES).where(c.settled.is_(False)).order_by(c.read_n))
    return tuple(Mismatch(row.read_n, row.position, row.expected, row.found) for row in rows)


def unsettled(connection: Connection) -> Unsettled:
    """What is open after a crash."""
    return Unsettled(tasks_in(connection, (*_OUT, TaskState.HELD)), leases(connection), mismatches(connection))


def calibration(connection: Connection, what: str) -> Calibration | None:
    """The newest calibration of something; None where there was none."""
    c = tables.CALIBRATIONS.c
    row = connection.execute(select(tables.CALIBRATIONS).where(c.what == what).order_by(c.n.desc()).limit(1)).first()
    return None if row is None else Calibration(what, json.loads(row.figures), row.at_s, row.at_s + row.valid_for_s)


def _now(row: Row[Any], items: tuple[str, ...]) -> TaskNow:
    return TaskNow(
        task=row.id,
        what=row.what,
        station=row.station,
        sample=row.sample,
        state=TaskState(row.state),
        repeatability=Repeatability(row.repeatability),
        why=row.why,
        since_s=row.at_s,
        items=items,
        instructions=json.loads(row.instructions),
        was_dispatched=row.dispatches > row.undone,
    )
