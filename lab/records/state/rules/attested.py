"""Rules of attestations: what a person saw holds against what was believed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from lab.records.state import events, tables
from lab.records.state.changes import Change
from lab.records.state.errors import RefusedError
from lab.records.state.events import Place
from lab.records.state.rows import Rows
from lab.records.state.rules import places, tasks
from lab.records.state.words import VESSELS, Fate


def attested(rows: Rows, event: events.Attested) -> list[Change]:
    """A task settled, things where they were seen, a mismatch explained."""
    told = {
        "who": event.who,
        "seen": event.seen,
        "task": event.task,
        "happened": event.happened,
        "places": "; ".join(f"{p.item}: {p.place or 'gone'}" for p in event.placed),
    }
    return [
        *_task(rows, event),
        *_places(rows, event),
        *_barcode(rows, event),
        Change(tables.ATTESTATIONS, told),
    ]


def _task(rows: Rows, event: events.Attested) -> list[Change]:
    if event.task is None or event.happened is None:
        return []
    task = rows.task(event.task)
    if task is None:
        raise RefusedError(f"task {event.task}: is not known: correct its name")
    why = f"{event.who} saw: {event.seen}"
    return [Change(tables.TASKS, tasks.settled(task, event.happened, why), {"id": task.id})]


def _places(rows: Rows, event: events.Attested) -> list[Change]:
    names = {placed.item for placed in event.placed}
    away, back = [], []
    for placed in event.placed:
        item = rows.item(placed.item)
        if item is None or (item.gone and placed.place is None):
            raise RefusedError(f"{placed.item}: nothing of that name is there: correct it")
        # First out of the way under names that nothing else has, so that two can change places.
        aside = {"position": f"{placed.item}\taside", "inside": None, "inside_kind": None, "gone": False}
        away.append(Change(tables.ITEMS, aside, {"id": item.id}))
        if placed.place is None:
            back += _gone(rows, item, event)
        else:
            back += [*_put(rows, item, placed.place, names), *_found_again(rows, item)]
    wanted = [str(placed.place) for placed in event.placed if placed.place is not None]
    twice = [place for place in wanted if wanted.count(place) > 1]
    if twice:
        raise RefusedError(f"{twice[0]}: two items are attested there: say where each is")
    gone = {placed.item for placed in event.placed if placed.place is None}
    for placed in event.placed:
        if placed.place is not None and placed.place.inside in gone:
            raise RefusedError(f"{placed.item}: cannot be {placed.place}, which is attested as gone: say where it is")
    return [*away, *back]


def _put(rows: Rows, item: Row[Any], place: Place, leaving: set[str]) -> list[Change]:
    change = Change(tables.ITEMS, places.columns(place), {"id": item.id})
    if place.position is not None:
        there = rows.at(place.position)
        if there is not None and there.id not in leaving:
            raise RefusedError(
                f"{item.id}: cannot be at {place.position}, {there.id} is there: attest where that is too"
            )
        return [change]
    # One that is attested in the same breath may have been gone.
    ware = rows.find_ware(place.inside or "") if place.inside in leaving else rows.ware(place.inside or "")
    portion = rows.find_portion(item.id)
    if portion is None or ware is None or ware.sort not in VESSELS:
        raise RefusedError(f"{item.id}: cannot be in {place.inside}: only portions are in wares, attest its position")
    there = rows.inside(ware.id)
    if there is not None and there.id not in leaving:
        raise RefusedError(f"{item.id}: cannot be in {ware.id}, {there.id} is in it: attest where that is too")
    return [change, places.seen(ware, portion.elements.split())]


def _found_again(rows: Rows, item: Row[Any]) -> list[Change]:
    """What was lost or retired and is there after all; how much of it, nobody knows before it is weighed."""
    if not item.gone:
        return []
    portion = rows.find_portion(item.id)
    if portion is None:
        return [Change(tables.WARES, {"retired": None}, {"id": item.id})]
    if portion.fate != Fate.LOST:
        raise RefusedError(f"{item.id}: cannot be there, all of it was {portion.fate}: correct its name")
    return [Change(tables.PORTIONS, {"fate": None, "why": None, "mass_mg": None}, {"id": item.id})]


def _gone(rows: Rows, item: Row[Any], event: events.Attested) -> list[Change]:
    why = f"{event.who} saw: {event.seen}"
    nowhere = {"position": None, "inside": None, "inside_kind": None, "gone": True}
    left = Change(tables.ITEMS, nowhere, {"id": item.id})
    if item.kind == "portion":
        return [left, Change(tables.PORTIONS, {"fate": Fate.LOST, "why": why}, {"id": item.id})]
    there = rows.inside(item.id)
    if there is not None and there.id not in {placed.item for placed in event.placed}:
        raise RefusedError(f"{item.id}: cannot be gone, {there.id} is in it: attest where that is too")
    return [left, Change(tables.WARES, {"retired": why}, {"id": item.id})]


def _barcode(rows: Rows, event: events.Attested) -> list[Change]:
    if event.barcode is None:
        return []
    read = rows.barcode(event.barcode)
    if read is None or read.settled:
        raise RefusedError(f"journal entry {event.barcode}: is no barcode mismatch that is open: correct its number")
    return [Change(tables.BARCODES, {"settled": True}, {"read_n": event.barcode})]
