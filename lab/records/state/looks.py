"""Questions about things: where they are, what is at a place, what a ware may be used for.

All questions take a connection: that of `State.reading`, or of `looking` for a process that only looks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from lab.records.state import tables
from lab.records.state.carry_over import Fitness, fitness, spoils
from lab.records.state.database import open_engine, sentences, spoken, url_of
from lab.records.state.errors import StateError
from lab.records.state.migrate import of_this_version
from lab.records.state.rows import Rows
from lab.records.state.words import WareSort


@dataclass(frozen=True)
class Where:
    """Where one thing is."""

    item: str
    position: str | None
    """Of the thing, or of the ware it is in; None where it is gone."""
    inside: str | None
    """The ware that it is in."""


@dataclass(frozen=True)
class Usable:
    """Whether a ware may be used, and why not."""

    ware: str
    fitness: Fitness
    why: str = ""


@contextmanager
def looking(where: str | Path) -> Iterator[Connection]:
    """Give a connection that reads what is kept, while another process may write.

    Raises:
        StateError: Where there is no state, it is of another version, or it cannot be read.
    """
    url = url_of(where)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise StateError(f"{spoken(url)}: there is no state: is this the data folder of a run?")
    engine = open_engine(url).execution_options(reading=True)
    with sentences(url, "cannot be read"), engine.connect() as connection:
        of_this_version(connection, spoken(url))
        yield connection


def where_is(connection: Connection, item: str) -> Where | None:
    """Where a portion or ware is; None where it was never there."""
    rows = Rows(connection)
    found = rows.item(item)
    if found is None:
        return None
    ware = rows.item(found.inside) if found.inside is not None else None
    return Where(item, found.position if ware is None else ware.position, found.inside)


def what_is_at(connection: Connection, position: str) -> tuple[str, ...]:
    """What is at a position: the ware or portion, and the portion that is in the ware."""
    rows = Rows(connection)
    there = rows.at(position)
    if there is None:
        return ()
    content = rows.inside(there.id)
    return (there.id,) if content is None else (there.id, content.id)


def occupied(connection: Connection) -> dict[str, tuple[str, ...]]:
    """What is at each position that is not empty, as `what_is_at` tells it; in the order of the positions' names."""
    items = tables.ITEMS.c
    rows = connection.execute(select(items.id, items.position, items.inside).where(items.gone.is_(False))).all()
    contents = {row.inside: row.id for row in rows if row.inside is not None}
    found = {
        row.position: (row.id, contents[row.id]) if row.id in contents else (row.id,)
        for row in rows
        if row.position is not None
    }
    return dict(sorted(found.items()))


def blocked(connection: Connection) -> dict[str, str]:
    """The positions where nothing may be put, and why."""
    rows = connection.execute(
        select(tables.BLOCKED.c.position, tables.BLOCKED.c.why).order_by(tables.BLOCKED.c.position)
    )
    return {row.position: row.why for row in rows}


def elsewhere(connection: Connection, stations: Collection[str]) -> dict[str, str]:
    """Things at stations that are not among those given, and their positions.

    A lab file that lost a furnace may not lose what is in it.
    """
    return {
        item: position
        for position, items in occupied(connection).items()
        if position.partition("/")[0] not in stations
        for item in items
    }


def usable(connection: Connection, ware: str, elements: Collection[str], peak_degc: float | None = None) -> Usable:
    """Whether a ware may be used for a chemistry, and heated to a temperature where one is given.

    Raises:
        RefusedError: Where there is no such ware.
    """
    rows = Rows(connection)
    found = rows.ware(ware)
    content = rows.inside(ware)
    if content is not None:
        return Usable(ware, Fitness.NEVER, f"{content.id} is in it")
    if peak_degc is not None and (found.max_degc is None or peak_degc > found.max_degc):
        limit = "it must not be heated" if found.max_degc is None else f"it stands {found.max_degc:g} degC"
        return Usable(ware, Fitness.NEVER, f"{peak_degc:g} degC wanted, and {limit} ({found.material})")
    if found.max_degc is not None and found.hottest_degc is not None and found.hottest_degc > found.max_degc:
        return Usable(ware, Fitness.NEVER, f"it was at {found.hottest_degc:g} degC and stands {found.max_degc:g} degC")
    if found.max_uses is not None and found.uses >= found.max_uses:
        return Usable(ware, Fitness.NEVER, f"it was used {found.uses} times and may be {found.max_uses} times")
    state = fitness(found.carry_over, found.last_elements, elements)
    foreign = ", ".join(sorted(spoils(found.last_elements, elements))) or "something"
    return Usable(ware, state, "" if state is Fitness.READY else f"it has had {foreign} in it")


def wares_for(
    connection: Connection,
    sort: WareSort,
    elements: Collection[str],
    *,
    peak_degc: float | None = None,
    lid: bool | None = None,
) -> tuple[Usable, ...]:
    """The wares of a sort that may be used: first those that are ready, then those to be cleaned, used least first."""
    wares, items = tables.WARES.c, tables.ITEMS.c
    chosen = select(wares.id).join_from(tables.WARES, tables.ITEMS).where(wares.sort == sort, items.gone.is_(False))
    if lid is not None:
        chosen = chosen.where(wares.lid.is_(lid))
    names = connection.execute(chosen.order_by(wares.uses, wares.id)).scalars().all()
    found = [usable(connection, name, elements, peak_degc) for name in names]
    order = (Fitness.READY, Fitness.CLEAN_FIRST)
    return tuple(one for state in order for one in found if one.fitness is state)
