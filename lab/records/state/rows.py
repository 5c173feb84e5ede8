"""Rows as the rules ask for them, one at a time."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Connection, Row, Select, Table, bindparam, select

from lab.records.state import tables
from lab.records.state.errors import RefusedError


def _one(table: Table, *columns: Column[Any], joined: Table | None = None) -> Select[Any]:
    where = [column == bindparam(f"at{i}") for i, column in enumerate(columns)]
    if joined is None:
        return select(table).where(*where)
    c, own = tables.ITEMS.c, [column for column in table.c if column.name != "id"]
    chosen = select(
        c.id, c.position, c.inside, c.gone, *[x for x in own if x.name not in {"world", "actor", "at_s", "n"}]
    )
    return chosen.join_from(joined, table).where(*where)


_ITEM = _one(tables.ITEMS, tables.ITEMS.c.id)
_AT = _one(tables.ITEMS, tables.ITEMS.c.position)
_INSIDE = _one(tables.ITEMS, tables.ITEMS.c.inside)
_PORTION = _one(tables.PORTIONS, tables.ITEMS.c.id, joined=tables.ITEMS)
_WARE = _one(tables.WARES, tables.ITEMS.c.id, joined=tables.ITEMS)
_STOCK = _one(tables.STOCKS, tables.STOCKS.c.id)
_TASK = _one(tables.TASKS, tables.TASKS.c.id)
_LEASE = _one(tables.LEASES, tables.LEASES.c.id)
_OPEN_LEASE = select(tables.LEASES).where(
    tables.LEASES.c.station == bindparam("at0"), tables.LEASES.c.returned_s.is_(None)
)
_BLOCKED = _one(tables.BLOCKED, tables.BLOCKED.c.position)
_BARCODE = _one(tables.BARCODES, tables.BARCODES.c.read_n)
_MISMATCH = (
    _one(tables.BARCODES, tables.BARCODES.c.task)
    .where(tables.BARCODES.c.settled.is_(False))
    .order_by(tables.BARCODES.c.read_n)
)


class Rows:
    """Looks rows up over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def item(self, name: str) -> Row[Any] | None:
        """A portion or ware, also one that is gone."""
        return self._first(_ITEM, name)

    def at(self, position: str) -> Row[Any] | None:
        """What stands or lies at a position."""
        return self._first(_AT, position)

    def inside(self, ware: str) -> Row[Any] | None:
        """What is in a ware."""
        return self._first(_INSIDE, ware)

    def stock(self, name: str) -> Row[Any] | None:
        """A stock."""
        return self._first(_STOCK, name)

    def task(self, name: str) -> Row[Any] | None:
        """A task."""
        return self._first(_TASK, name)

    def lease(self, name: str) -> Row[Any] | None:
        """A lease, also one that was given back."""
        return self._first(_LEASE, name)

    def lease_of(self, station: str) -> Row[Any] | None:
        """The lease of a station that is out."""
        return self._first(_OPEN_LEASE, station)

    def blocked(self, position: str) -> Row[Any] | None:
        """Why a position is blocked."""
        return self._first(_BLOCKED, position)

    def barcode(self, number: int) -> Row[Any] | None:
        """A reading, by the number of its journal entry."""
        return self._first(_BARCODE, number)

    def mismatch_of(self, task: str) -> Row[Any] | None:
        """The first reading of a task that was not what was expected and that nobody has explained."""
        return self._first(_MISMATCH, task)

    def find_portion(self, name: str) -> Row[Any] | None:
        """A portion with its place, also one that is gone."""
        return self._first(_PORTION, name)

    def find_ware(self, name: str) -> Row[Any] | None:
        """A ware with its place, also one that is gone."""
        return self._first(_WARE, name)

    def portion(self, name: str) -> Row[Any]:
        """A portion that is there, with its place.

        Raises:
            RefusedError: Where there is none.
        """
        row = self.find_portion(name)
        if row is None:
            raise RefusedError(f"{name}: no such portion is known: create it first, or correct its name")
        if row.gone:
            raise RefusedError(f"{name}: is no more ({row.fate}): nothing can be done with it")
        return row

    def ware(self, name: str) -> Row[Any]:
        """A ware that is there, with its place.

        Raises:
            RefusedError: Where there is none.
        """
        row = self.find_ware(name)
        if row is None:
            raise RefusedError(f"{name}: no such ware is known: take it in first, or correct its name")
        if row.gone:
            raise RefusedError(f"{name}: is retired ({row.retired}): take another")
        return row

    def _first(self, statement: Select[Any], at: object) -> Row[Any] | None:
        return self._connection.execute(statement, {"at0": at}).first()
