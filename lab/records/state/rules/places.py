"""Rules of places: one thing in a place, nothing where it is blocked, nothing into what would spoil it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Row

from lab.records.state import tables
from lab.records.state.carry_over import Fitness, fitness, spoils
from lab.records.state.changes import Change
from lab.records.state.errors import RefusedError
from lab.records.state.events import Place
from lab.records.state.rows import Rows
from lab.records.state.words import VESSELS


def columns(place: Place) -> dict[str, Any]:
    """A place as the table of items keeps it."""
    kind = None if place.inside is None else "ware"
    return {"position": place.position, "inside": place.inside, "inside_kind": kind}


def place_of(row: Row[Any]) -> Place:
    """Where an item that is there is."""
    return Place(position=row.position, inside=row.inside)


def expect_at(row: Row[Any], source: Place) -> None:
    """Hold an event against what is known.

    Raises:
        RefusedError: Where the item is somewhere else.
    """
    there = place_of(row)
    if there != source:
        raise RefusedError(
            f"{row.id}: to be taken {_from(source)}, and it is {_at(there)}: look where it is and attest it"
        )


def vacant(rows: Rows, what: str, position: str, leaving: Collection[str] = ()) -> None:
    """Make sure that something can be put at a position.

    Args:
        rows: The state.
        what: The item that shall go there.
        position: The position.
        leaving: The items that are gone before it comes.

    Raises:
        RefusedError: Where the position is blocked or taken.
    """
    blocked = rows.blocked(position)
    if blocked is not None:
        raise RefusedError(f"{what}: cannot go to {position}, which is blocked ({blocked.why}): clear it first")
    there = rows.at(position)
    if there is not None and there.id not in leaving:
        raise RefusedError(
            f"{what}: cannot go to {position}, {there.id} is there: move that first, or attest where it is"
        )


def enterable(
    rows: Rows, what: str, ware: str, elements: Collection[str], leaving: Collection[str] = ()
) -> list[Change]:
    """Make sure that a portion can go into a ware, and give what that does to the ware.

    Raises:
        RefusedError: Where the ware is unknown, no vessel, taken, or spoils the portion.
    """
    vessel = rows.ware(ware)
    if vessel.sort not in VESSELS:
        raise RefusedError(f"{what}: cannot go into {ware}, a {vessel.sort}: use a {', '.join(sorted(VESSELS))}")
    there = rows.inside(ware)
    if there is not None and there.id not in leaving:
        raise RefusedError(f"{what}: cannot go into {ware}, {there.id} is in it: empty it first, or attest where it is")
    # What leaves for this one has come in here already, and is part of what comes.
    if there is None:
        fit(what, vessel, elements, "go into")
    return [seen(vessel, elements)]


def fit(what: str, ware: Row[Any], elements: Collection[str], to: str) -> None:
    """Make sure that what a ware carries over does not spoil a portion.

    Raises:
        RefusedError: Where it does.
    """
    state = fitness(ware.carry_over, ware.last_elements, elements)
    if state is Fitness.READY:
        return
    foreign = ", ".join(sorted(spoils(ware.last_elements, elements))) or ware.last_elements
    cure = "take another" if state is Fitness.NEVER else "clean it first"
    raise RefusedError(f"{what}: cannot {to} {ware.id}, which has had {foreign} in it since it was cleaned: {cure}")


def seen(vessel: Row[Any], elements: Collection[str]) -> Change:
    """A ware that has had some elements in it."""
    last = " ".join(sorted({*(vessel.last_elements or "").split(), *elements}))
    return Change(tables.WARES, {"last_elements": last}, {"id": vessel.id})


def enter(
    rows: Rows, what: str, place: Place, elements: Collection[str], leaving: Collection[str] = ()
) -> list[Change]:
    """Make sure that a portion can go to a place, and give what that does to a ware it goes into.

    Raises:
        RefusedError: Where it cannot.
    """
    if place.inside is not None:
        return enterable(rows, what, place.inside, elements, leaving)
    if place.position is not None:
        vacant(rows, what, place.position, leaving)
    return []


def _from(place: Place) -> str:
    return f"from {place.position}" if place.position is not None else f"out of {place.inside}"


def _at(place: Place) -> str:
    return f"at {place.position}" if place.position is not None else f"in {place.inside}"
