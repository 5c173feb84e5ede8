"""Events of portions: what recipes become."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from lab.records.state.events.base import Amount, Elements, Event, Name, Place, Plain, Some, Text, Told
from lab.records.state.words import Fate, Outcome, Weighed


class PortionCreated(Event):
    """A recipe became powder: the portion that a sample begins with."""

    KIND = "portion.created"
    portion: Name
    mass_mg: Some
    elements: Elements
    place: Place
    recipe: Plain


class PortionMoved(Event):
    """All of a portion is poured from one place to another."""

    KIND = "portion.moved"
    portion: Name
    source: Place
    to: Place


class Child(Told):
    """What a split gives."""

    portion: Name
    mass_mg: Some
    place: Place


class PortionSplit(Event):
    """Parts of a portion become portions of their own."""

    KIND = "portion.split"
    portion: Name
    children: Annotated[tuple[Child, ...], Field(min_length=1)]
    remaining_mg: Amount = 0.0
    """What stays where it was; the portion is no more where nothing does."""
    tolerance_mg: Amount = 1.0


class PortionJoined(Event):
    """Several portions become one."""

    KIND = "portion.joined"
    portions: Annotated[tuple[Name, ...], Field(min_length=2)]
    portion: Name
    """The new one."""
    mass_mg: Some
    place: Place
    tolerance_mg: Amount = 1.0

    @field_validator("portions")
    @classmethod
    def _each_once(cls, portions: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(portions)) < len(portions):
            raise ValueError("a portion is joined with itself: name each once")
        return portions


class PortionWeighed(Event):
    """A portion was on the balance, with the ware it is in."""

    KIND = "portion.weighed"
    portion: Name
    gross_mg: Amount
    tare_mg: Amount | None = None
    """None for what the ware it is in weighed when it was empty."""
    when: Weighed = Weighed.OTHER
    tolerance_mg: Amount = 1.0
    """So far below zero the net mass of an empty ware may come out."""


class PortionOutcome(Event):
    """What a portion turned out to be."""

    KIND = "portion.outcome"
    portion: Name
    outcome: Outcome
    note: Text = ""


class PortionConsumed(Event):
    """A portion is no more."""

    KIND = "portion.consumed"
    portion: Name
    fate: Fate
    why: Text = ""
