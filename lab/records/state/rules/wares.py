"""Rules of wares: where they stand, how often and how hot they were used, what they carry over."""

from __future__ import annotations

from lab.records.state import events, tables
from lab.records.state.changes import Change
from lab.records.state.errors import RefusedError
from lab.records.state.events import Place
from lab.records.state.rows import Rows
from lab.records.state.rules import places
from lab.records.state.words import CarryOver


def taken_in(rows: Rows, event: events.WareTakenIn) -> list[Change]:
    """A ware that is new here."""
    if rows.item(event.ware) is not None:
        raise RefusedError(f"{event.ware}: comes in, and is known already: give each item a name of its own")
    places.vacant(rows, event.ware, event.position)
    told = event.model_dump(mode="json", exclude={"ware", "position"})
    item = {"id": event.ware, "kind": "ware", **places.columns(Place(position=event.position)), "gone": False}
    fresh = {"uses": 0, "hottest_degc": None, "last_elements": None, "retired": None}
    return [Change(tables.ITEMS, item), Change(tables.WARES, {"id": event.ware, **told, **fresh})]


def moved(rows: Rows, event: events.WareMoved) -> list[Change]:
    """A ware at another position, and all that is in it."""
    places.expect_at(rows.ware(event.ware), Place(position=event.source))
    places.vacant(rows, event.ware, event.to, leaving={event.ware})
    return [Change(tables.ITEMS, {"position": event.to}, {"id": event.ware})]


def tared(rows: Rows, event: events.WareTared) -> list[Change]:
    """What an empty ware weighs."""
    rows.ware(event.ware)
    there = rows.inside(event.ware)
    if there is not None:
        raise RefusedError(f"{event.ware}: cannot be tared, {there.id} is in it: empty it first")
    return [Change(tables.WARES, {"tare_mg": event.tare_mg}, {"id": event.ware})]


def used(rows: Rows, event: events.WareUsed) -> list[Change]:
    """One more use of a tool, which has some of the portion on it from now on."""
    ware, portion = rows.ware(event.ware), rows.portion(event.portion)
    elements = portion.elements.split()
    places.fit(portion.id, ware, elements, "be touched by")
    return [Change(tables.WARES, {"uses": ware.uses + 1}, {"id": ware.id}), places.seen(ware, elements)]


def fired(rows: Rows, event: events.WareFired) -> list[Change]:
    """One more use, of the ware and of what is in it.

    What has happened is never refused for being too hot; whether a ware may still be used is asked before.
    """
    ware, portion = rows.ware(event.ware), rows.inside(event.ware)
    values = {"uses": ware.uses + 1, "hottest_degc": _hotter(ware.hottest_degc, event.peak_degc)}
    changes = [Change(tables.WARES, values, {"id": ware.id})]
    if portion is not None:
        row = rows.portion(portion.id)
        fired = {"firings": row.firings + 1, "hottest_degc": _hotter(row.hottest_degc, event.peak_degc)}
        changes.append(Change(tables.PORTIONS, fired, {"id": row.id}))
    return changes


def cleaned(rows: Rows, event: events.WareCleaned) -> list[Change]:
    """A ware that carries nothing over, unless it soaks in."""
    ware, there = rows.ware(event.ware), rows.inside(event.ware)
    if there is not None:
        raise RefusedError(f"{event.ware}: cannot be cleaned, {there.id} is in it: empty it first")
    kept = ware.last_elements if ware.carry_over == CarryOver.DEDICATED else None
    return [Change(tables.WARES, {"last_elements": kept}, {"id": ware.id})]


def retired(rows: Rows, event: events.WareRetired) -> list[Change]:
    """A ware that is no more."""
    rows.ware(event.ware)
    there = rows.inside(event.ware)
    if there is not None:
        raise RefusedError(
            f"{event.ware}: cannot be retired, {there.id} is in it: empty it first, or say that {there.id} is consumed"
        )
    nowhere = {"position": None, "inside": None, "inside_kind": None, "gone": True}
    return [
        Change(tables.ITEMS, nowhere, {"id": event.ware}),
        Change(tables.WARES, {"retired": event.why}, {"id": event.ware}),
    ]


def _hotter(before_degc: float | None, peak_degc: float) -> float:
    return peak_degc if before_degc is None else max(before_degc, peak_degc)
