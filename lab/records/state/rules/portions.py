"""Rules of portions: in exactly one place until consumed, and masses that balance."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Row

from lab.records.state import events, tables
from lab.records.state.carry_over import elements_text
from lab.records.state.changes import Change, Entry
from lab.records.state.errors import RefusedError
from lab.records.state.events import Place
from lab.records.state.rows import Rows
from lab.records.state.rules import places
from lab.records.state.words import Fate, Outcome

_HELD_FAST = frozenset({Outcome.STUCK, Outcome.MELTED})
_NOWHERE = {"position": None, "inside": None, "inside_kind": None, "gone": True}


def created(rows: Rows, event: events.PortionCreated) -> list[Change]:
    """The portion that a sample begins with."""
    _unknown(rows, event.portion)
    entered = places.enter(rows, event.portion, event.place, event.elements)
    recipe = json.dumps(event.recipe, sort_keys=True, separators=(",", ":"))
    new = _new(event.portion, event.portion, event.mass_mg, event.elements, event.place, recipe=recipe)
    return [*new, *entered]


def moved(rows: Rows, event: events.PortionMoved) -> list[Change]:
    """A portion in another place."""
    portion = rows.portion(event.portion)
    places.expect_at(portion, event.source)
    _pourable(portion)
    entered = places.enter(rows, portion.id, event.to, portion.elements.split(), leaving={portion.id})
    return [Change(tables.ITEMS, places.columns(event.to), {"id": portion.id}), *entered]


def split(rows: Rows, event: events.PortionSplit) -> list[Change]:
    """Children with masses of their own, and what remains of the parent."""
    parent = rows.portion(event.portion)
    _pourable(parent)
    _balance(parent, event)
    changes = [_taken_away(parent.id)] if event.remaining_mg == 0 else []
    leaving = {parent.id} if event.remaining_mg == 0 else set()
    elements = parent.elements.split()
    _apart([child.portion for child in event.children], [child.place for child in event.children])
    for child in event.children:
        _unknown(rows, child.portion)
        entered = places.enter(rows, child.portion, child.place, elements, leaving)
        changes += [*_new(child.portion, parent.sample, child.mass_mg, elements, child.place, like=parent), *entered]
        changes.append(_line(parent.id, child.portion, child.mass_mg))
    if event.remaining_mg == 0:
        return [*changes, _fate(parent.id, Fate.DIVIDED)]
    return [*changes, Change(tables.PORTIONS, {"mass_mg": event.remaining_mg}, {"id": parent.id})]


def joined(rows: Rows, event: events.PortionJoined) -> list[Change]:
    """One portion of several; a sample's name stays where all are of that sample."""
    parents = [rows.portion(name) for name in event.portions]
    for parent in parents:
        _pourable(parent)
    masses = [_mass(parent) for parent in parents]
    if abs(sum(masses) - event.mass_mg) > event.tolerance_mg:
        parts = " + ".join(f"{mass:g}" for mass in masses)
        raise RefusedError(
            f"{event.portion}: {event.mass_mg:g} mg joined of {parts} mg, allowed is a difference of "
            f"{event.tolerance_mg:g} mg: weigh again, or say what was lost"
        )
    _unknown(rows, event.portion)
    elements = sorted({symbol for parent in parents for symbol in parent.elements.split()})
    entered = places.enter(rows, event.portion, event.place, elements, leaving={parent.id for parent in parents})
    samples = {parent.sample for parent in parents}
    sample = samples.pop() if len(samples) == 1 else event.portion
    changes = [change for parent in parents for change in (_taken_away(parent.id), _fate(parent.id, Fate.DIVIDED))]
    hottest = max(parents, key=lambda parent: (parent.firings, parent.hottest_degc or 0.0))
    changes += [*_new(event.portion, sample, event.mass_mg, elements, event.place, like=hottest), *entered]
    lines = zip(parents, masses, strict=True)
    return [*changes, *[_line(parent.id, event.portion, mass) for parent, mass in lines]]


def weighed(rows: Rows, event: events.PortionWeighed) -> list[Change]:
    """A mass that was measured."""
    portion = rows.portion(event.portion)
    tare_mg = event.tare_mg if event.tare_mg is not None else _tare_mg(rows, portion)
    net_mg = event.gross_mg - tare_mg
    if net_mg < -event.tolerance_mg:
        raise RefusedError(
            f"{portion.id}: weighs {event.gross_mg:g} mg with a tare of {tare_mg:g} mg, so less than nothing: "
            f"weigh again, or tare {portion.inside or 'the pan'} again"
        )
    mass_mg = max(net_mg, 0.0)
    weighing = {
        "portion": portion.id,
        "gross_mg": event.gross_mg,
        "tare_mg": tare_mg,
        "mass_mg": mass_mg,
        "moment": event.when,
    }
    return [
        Change(tables.WEIGHINGS, weighing),
        Change(tables.PORTIONS, {"mass_mg": mass_mg}, {"id": portion.id}),
    ]


def outcome(rows: Rows, event: events.PortionOutcome) -> list[Change]:
    """What a portion turned out to be; how much is left after a spill nobody knows before it is weighed."""
    portion = rows.portion(event.portion)
    values: dict[str, Any] = {"outcome": event.outcome}
    if event.outcome is Outcome.SPILLED:
        values["mass_mg"] = None
    told = {"portion": portion.id, "outcome": event.outcome, "note": event.note}
    return [Change(tables.OUTCOMES, told), Change(tables.PORTIONS, values, {"id": portion.id})]


def consumed(rows: Rows, event: events.PortionConsumed) -> list[Change]:
    """A portion that is no more."""
    rows.portion(event.portion)
    return [_taken_away(event.portion), _fate(event.portion, event.fate, event.why)]


def _unknown(rows: Rows, name: str) -> None:
    if rows.item(name) is not None:
        raise RefusedError(f"{name}: is to be new, and is known already: give each item a name of its own")


def _pourable(portion: Row[Any]) -> None:
    if portion.outcome in _HELD_FAST:
        raise RefusedError(
            f"{portion.id}: is {portion.outcome} in {portion.inside or portion.position} and cannot be poured: "
            "loosen it and say so, or consume it"
        )


def _mass(portion: Row[Any]) -> float:
    if portion.mass_mg is None:
        raise RefusedError(f"{portion.id}: how much is left of it is not known ({portion.outcome}): weigh it first")
    return float(portion.mass_mg)


def _balance(parent: Row[Any], event: events.PortionSplit) -> None:
    before_mg = _mass(parent)
    parts = [child.mass_mg for child in event.children]
    if abs(sum(parts) + event.remaining_mg - before_mg) > event.tolerance_mg:
        listed = " + ".join(f"{part:g}" for part in parts)
        raise RefusedError(
            f"{parent.id}: {before_mg:g} mg split into {listed} mg with {event.remaining_mg:g} mg remaining, allowed "
            f"is a difference of {event.tolerance_mg:g} mg: weigh again, or say what was lost"
        )


def _apart(names: Collection[str], where: Collection[Place]) -> None:
    for what in (names, where):
        twice = [one for one in what if list(what).count(one) > 1]
        if twice:
            raise RefusedError(
                f"{twice[0]}: is named for two children of one split: give each a name and place of its own"
            )


def _tare_mg(rows: Rows, portion: Row[Any]) -> float:
    if portion.inside is None:
        return 0.0
    ware = rows.ware(portion.inside)
    if ware.tare_mg is None:
        raise RefusedError(
            f"{portion.id}: cannot be weighed, the tare of {ware.id} is not known: say it, or tare it empty"
        )
    return float(ware.tare_mg)


def _new(
    name: str,
    sample: str,
    mass_mg: float,
    elements: Iterable[str],
    place: Place,
    *,
    recipe: str | None = None,
    like: Row[Any] | None = None,
) -> list[Change]:
    portion = {
        "id": name,
        "sample": sample,
        "recipe": recipe,
        "elements": elements_text(elements),
        "made_mg": mass_mg,
        "made_s": Entry.TIME,
        "mass_mg": mass_mg,
        "outcome": Outcome.FREE,
        "fate": None,
        "why": None,
        "firings": 0 if like is None else like.firings,
        "hottest_degc": None if like is None else like.hottest_degc,
    }
    item = {"id": name, "kind": "portion", **places.columns(place), "gone": False}
    return [Change(tables.ITEMS, item), Change(tables.PORTIONS, portion)]


def _line(parent: str, child: str, mass_mg: float) -> Change:
    return Change(tables.LINEAGE, {"parent": parent, "child": child, "mass_mg": mass_mg})


def _taken_away(name: str) -> Change:
    return Change(tables.ITEMS, _NOWHERE, {"id": name})


def _fate(name: str, fate: Fate, why: str = "") -> Change:
    return Change(tables.PORTIONS, {"fate": fate, "why": why}, {"id": name})
