from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from lab.records.state import events as e
from lab.records.state.errors import StateError
from lab.records.state.events import Event, Place
from lab.records.state.events.reading import STAMPS
from lab.records.state.rules.decide import RULES
from tests.lab.state_bases import at, crucible, into, lot, portion

STAMPED = {"n": 1, "t": 0.0, "world": "simulated", "actor": "auto"}

EXAMPLES: tuple[Event, ...] = (
    lot(price=0.5),
    crucible(max_uses=20, lid=True),
    portion(place=into("C-1")),
    e.PortionSplit(portion="s1", children=(e.Child(portion="s2", mass_mg=1.0, place=at("a/1")),)),
    e.Attested(who="ada", seen="it", placed=(e.Placed(item="C-1", place=None),)),
    e.CalibrationDone(what="xrd-1/silicon", values={"offset_deg": 0.01}, valid_for_s=9.0),
    e.BarcodeRead(position="a/1", expected="C-1", found=None),
)


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: str(event.KIND))
def test_an_event_comes_back_from_the_journal_as_it_was(event: Event) -> None:
    entry = json.loads(json.dumps({**STAMPED, "kind": event.KIND, **event.fields()}))
    assert e.event_of(entry) == event


def test_every_event_has_a_rule_and_a_kind_of_its_own() -> None:
    assert set(RULES) == set(e.KINDS.values())
    assert len(e.KINDS) == len(Event.__subclasses__())


def test_no_field_is_named_as_a_stamp() -> None:
    for event in e.KINDS.values():
        assert not {*STAMPS, "durable"} & event.model_fields.keys()


def test_other_entries_of_the_journal_are_no_events() -> None:
    assert e.event_of({**STAMPED, "kind": "task-done", "task": "dose", "sample": "s1"}) is None
    assert e.event_of({**STAMPED, "kind": "document", "name": "start"}) is None


def test_an_event_of_a_newer_version_is_not_skipped() -> None:
    with pytest.raises(StateError, match=r"kind 'ware\.painted' is not known to this version: a newer one wrote it"):
        e.event_of({**STAMPED, "kind": "ware.painted"})


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (e.StockUsed, {"stock": "", "amount": 1.0}),
        (e.StockUsed, {"stock": "a\nb", "amount": 1.0}),
        (e.StockUsed, {"stock": "a", "amount": 0.0}),
        (e.StockUsed, {"stock": "a", "amount": float("inf")}),
        (e.PortionOutcome, {"portion": "a", "outcome": "burnt"}),
        (e.PortionOutcome, {"portion": "a", "outcome": "stuck", "note": "\0"}),
        (e.PortionOutcome, {"portion": "\ud800", "outcome": "stuck"}),
        (e.PortionJoined, {"portions": ["a", "a"], "portion": "b", "mass_mg": 1, "place": {"position": "x/1"}}),
        (e.PortionConsumed, {"portion": "a"}),
        (e.Attested, {"who": "ada", "seen": "it", "task": "t"}),
        (e.Attested, {"who": "ada", "seen": "it", "placed": [{"item": "a", "place": None}] * 2}),
        (e.Attested, {"who": "ada", "seen": "it", "barcode": 2**40}),
        (e.WareFired, {"ware": "C-1", "peak_degc": float("nan")}),
    ],
)
def test_what_no_database_should_see_is_no_event(kind: type[Event], fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        kind.model_validate(fields)


def test_a_recipe_holds_numbers_only_that_are_numbers() -> None:
    told = {**portion().model_dump(), "recipe": {"mass_mg": float("nan")}}
    with pytest.raises(ValidationError, match="JSON compliant"):
        e.PortionCreated.model_validate(told)
    with pytest.raises(ValidationError, match="must be what JSON can say"):
        e.PortionCreated.model_validate({**told, "recipe": {"mass_mg": {1, 2}}})


@pytest.mark.parametrize("told", [{}, {"position": "a/1", "inside": "C-1"}])
def test_a_place_is_one_of_two(told: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="either a position or inside a ware"):
        Place(**told)


def test_the_state_loads_no_instruments_and_no_models() -> None:
    heavy = "ophyd bluesky ax torch numpy pymatgen"
    code = f"import sys, lab.records.state.store; print(*(set('{heavy}'.split()) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not done.stdout.split()
