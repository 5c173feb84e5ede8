"""Questions about stock: what is short of a budget, what is running out, what was used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from lab.records.state import tables
from lab.records.state.looks import wares_for
from lab.records.state.words import WareSort


@dataclass(frozen=True)
class WareNeed:
    """So many wares, each another one, for a chemistry and a temperature."""

    sort: WareSort
    count: int
    elements: tuple[str, ...]
    peak_degc: float | None = None


@dataclass(frozen=True)
class Missing:
    """What a budget needs more than there is."""

    what: str
    needed: float
    there: float
    unit: str

    def __str__(self) -> str:
        there = f"{self.there:g} {self.unit}" if self.unit else "nothing of that name"
        return f"{self.what}: {f'{self.needed:g} {self.unit}'.strip()} needed, {there} there"


@dataclass(frozen=True)
class Low:
    """A stock below the level at which a person is told."""

    stock: str
    amount: float
    warn_below: float
    unit: str
    told: bool
    """Whether a person was."""


def missing(connection: Connection, stocks: Mapping[str, float], wares: Iterable[WareNeed] = ()) -> tuple[Missing, ...]:
    """What is short of a budget.

    Args:
        connection: To the state.
        stocks: Amount by the name of a stock, or by a substance, of which all stocks of one unit count together;
            what is needed of a stock by its name is no longer there for its substance.
        wares: Wares that must be usable, cleaned first where that suffices.
    """
    return (*_missing_stock(connection, stocks), *_missing_wares(connection, wares))


def low(connection: Connection) -> tuple[Low, ...]:
    """Stocks below their warning level."""
    c = tables.STOCKS.c
    rows = connection.execute(
        select(c.id, c.amount, c.warn_below, c.unit, c.warned).where(c.amount < c.warn_below).order_by(c.id)
    )
    return tuple(Low(row.id, row.amount, row.warn_below, row.unit, row.warned) for row in rows)


def amount_of(connection: Connection, stock: str) -> float | None:
    """What is left of a stock; None where it is not known."""
    amount: float | None = connection.execute(
        select(tables.STOCKS.c.amount).where(tables.STOCKS.c.id == stock)
    ).scalar_one_or_none()
    return amount


def used(connection: Connection) -> dict[str, tuple[float, float]]:
    """What was used of each stock, less what came back, and its cost."""
    moves, stocks = tables.STOCK_MOVES.c, tables.STOCKS.c
    total = -func.sum(moves.change)
    rows = connection.execute(
        select(stocks.id, total.label("amount"), (total * stocks.price).label("cost"))
        .join_from(tables.STOCK_MOVES, tables.STOCKS)
        .where(moves.why.in_(["used", "returned"]))
        .group_by(stocks.id, stocks.price)
        .order_by(stocks.id)
    )
    return {row.id: (row.amount, row.cost) for row in rows}


def _missing_stock(connection: Connection, needs: Mapping[str, float]) -> Iterable[Missing]:
    rows = {row.id: row for row in connection.execute(select(tables.STOCKS).order_by(tables.STOCKS.c.id))}
    left = {name: float(row.amount) for name, row in rows.items()}
    for name, needed in sorted(needs.items(), key=lambda need: need[0] not in rows):
        if name in rows:
            there, unit = left[name], rows[name].unit
            left[name] = max(there - needed, 0.0)
        else:
            found = [row for row in rows.values() if row.substance == name]
            by_unit = [
                (sum(left[row.id] for row in found if row.unit == unit), unit)
                for unit in sorted({row.unit for row in found})
            ]
            there, unit = max(by_unit, default=(0.0, ""))
        if there < needed:
            yield Missing(name, needed, there, unit)


def _missing_wares(connection: Connection, needs: Iterable[WareNeed]) -> Iterable[Missing]:
    fitting = [
        (need, [one.ware for one in wares_for(connection, need.sort, need.elements, peak_degc=need.peak_degc)])
        for need in needs
    ]
    taken: set[str] = set()
    # Who has the least choice chooses first.
    for need, wares in sorted(fitting, key=lambda one: len(one[1])):
        free = [ware for ware in wares if ware not in taken]
        taken.update(free[: need.count])
        if len(free) < need.count:
            heat = "" if need.peak_degc is None else f" for {need.peak_degc:g} degC"
            yield Missing(f"{need.sort}{heat}", need.count, len(free), "pieces")
