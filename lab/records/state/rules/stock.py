"""Rules of stock: it never goes below zero, and no more comes back than went out."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from lab.records.state import events, tables
from lab.records.state.changes import Change
from lab.records.state.errors import RefusedError
from lab.records.state.rows import Rows

_SLACK = 1e-9
"""Part of what was received that adding up floats may be wrong by."""


def taken_in(rows: Rows, event: events.StockTakenIn) -> list[Change]:
    """More of a stock, or a new one."""
    there = rows.stock(event.stock)
    told = event.model_dump(mode="json", include={"sort", "substance", "unit", "warn_below", "price"})
    if there is None:
        values = {"id": event.stock, **told, "amount": event.amount, "received": event.amount, "warned": False}
        change = Change(tables.STOCKS, values)
    else:
        for name in ("sort", "substance", "unit"):
            if getattr(there, name) != told[name]:
                raise RefusedError(
                    f"{event.stock}: {name} {told[name]} comes in, and {getattr(there, name)} is there: "
                    "give what is different a name of its own"
                )
        values = {
            "amount": there.amount + event.amount,
            "received": there.received + event.amount,
            "warn_below": event.warn_below,
            "price": event.price,
            "warned": False,
        }
        change = Change(tables.STOCKS, values, {"id": event.stock})
    return [change, _move(event.stock, event.amount, "taken in")]


def used(rows: Rows, event: events.StockUsed) -> list[Change]:
    """Less of a stock."""
    there = _known(rows, event.stock)
    left = _snapped(there.amount - event.amount, there)
    if left < 0:
        raise RefusedError(
            f"{event.stock}: {event.amount:g} {there.unit} asked for, {there.amount:g} {there.unit} left: "
            "take in more, or count what is there"
        )
    change = Change(tables.STOCKS, {"amount": left}, {"id": event.stock})
    return [change, _move(event.stock, left - there.amount, "used", portion=event.portion, task=event.task)]


def returned(rows: Rows, event: events.StockReturned) -> list[Change]:
    """Some of what was used is there again."""
    there = _known(rows, event.stock)
    # What lacks less than the slack is nothing, the other way round.
    out = _snapped(there.received - there.amount - event.amount, there)
    if out < 0:
        raise RefusedError(
            f"{event.stock}: {event.amount:g} {there.unit} come back, and only "
            f"{there.received - there.amount:g} {there.unit} are out: count what is there"
        )
    amount = there.received - out
    change = Change(tables.STOCKS, {"amount": amount}, {"id": event.stock})
    return [change, _move(event.stock, amount - there.amount, "returned", task=event.task)]


def counted(rows: Rows, event: events.StockCounted) -> list[Change]:
    """What a person found, whatever was believed."""
    there = _known(rows, event.stock)
    values = {
        "amount": event.amount,
        "received": max(there.received, event.amount),
        "warned": there.warned and event.amount < there.warn_below,
    }
    change = Change(tables.STOCKS, values, {"id": event.stock})
    return [change, _move(event.stock, event.amount - there.amount, "counted")]


def warned(rows: Rows, event: events.StockWarned) -> list[Change]:
    """A person knows that little is left."""
    _known(rows, event.stock)
    return [Change(tables.STOCKS, {"warned": True}, {"id": event.stock})]


def _known(rows: Rows, name: str) -> Row[Any]:
    there = rows.stock(name)
    if there is None:
        raise RefusedError(f"{name}: no such stock is known: take it in first, or correct its name")
    return there


def _snapped(amount: float, there: Row[Any]) -> float:
    return 0.0 if abs(amount) <= _SLACK * there.received else amount


def _move(stock: str, change: float, why: str, *, portion: str | None = None, task: str | None = None) -> Change:
    row = {"stock": stock, "change": change, "why": why, "portion": portion, "task": task}
    return Change(tables.STOCK_MOVES, row)
