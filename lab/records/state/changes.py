"""Changes: what an event does to the tables, as data.

They are decided before the event is journalled, so number and time of its entry come in when they are made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any

from sqlalchemy import Connection, Delete, Insert, Table, Update, bindparam, delete, insert, update


class Entry(Enum):
    """A value that is known when the event is in the journal."""

    NUMBER = "n"
    TIME = "at_s"


@dataclass(frozen=True)
class Change:
    """One row that is new, different or, with `drop`, no more."""

    table: Table
    values: Mapping[str, Any] = field(default_factory=dict)
    key: Mapping[str, Any] | None = None
    """Which row; None for a new one."""
    drop: bool = False


def make(connection: Connection, changes: Iterable[Change], stamps: Mapping[str, Any]) -> None:
    """Make the changes in their order, stamped with world, actor, lab time and journal entry."""
    for change in changes:
        key = {f"key_{name}": value for name, value in (change.key or {}).items()}
        values = {name: stamps[told.value] if isinstance(told, Entry) else told for name, told in change.values.items()}
        if change.drop:
            connection.execute(_dropped(change.table, tuple(change.key or ())), key)
        elif change.key is None:
            connection.execute(_new(change.table), {**values, **stamps})
        else:
            statement = _different(change.table, tuple(change.key), (*values, *stamps))
            connection.execute(statement, {**key, **values, **stamps})


@cache
def _new(table: Table) -> Insert:
    return insert(table)


@cache
def _different(table: Table, keys: tuple[str, ...], columns: tuple[str, ...]) -> Update:
    chosen = [table.c[name] == bindparam(f"key_{name}") for name in keys]
    return update(table).where(*chosen).values({name: bindparam(name) for name in columns})


@cache
def _dropped(table: Table, keys: tuple[str, ...]) -> Delete:
    return delete(table).where(*[table.c[name] == bindparam(f"key_{name}") for name in keys])
