"""Events of wares: crucibles, vials, holders and tools that a barcode tells apart."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lab.records.state.events.base import Amount, Event, Name, Said, Text
from lab.records.state.words import CarryOver, WareSort


class WareTakenIn(Event):
    """A crucible, vial, holder or tool with an identity came in, clean."""

    KIND = "ware.taken-in"
    ware: Name
    sort: WareSort
    position: Name
    material: Name
    lid: bool = False
    carry_over: CarryOver = CarryOver.TRACES
    max_degc: float | None = None
    """The highest temperature that it stands; None where it must not be heated."""
    max_uses: Annotated[int, Field(gt=0, lt=2**31)] | None = None
    tare_mg: Amount | None = None


class WareMoved(Event):
    """A ware, with all that is in it, goes from one position to another."""

    KIND = "ware.moved"
    ware: Name
    source: Name
    to: Name


class WareTared(Event):
    """An empty ware was weighed."""

    KIND = "ware.tared"
    ware: Name
    tare_mg: Amount


class WareUsed(Event):
    """A sieve, tool or milling media is about to touch a portion, and takes some of it along."""

    KIND = "ware.used"
    ware: Name
    portion: Name
    task: Name | None = None


class WareFired(Event):
    """A ware, with what is in it, was in a furnace that was hot."""

    KIND = "ware.fired"
    ware: Name
    peak_degc: float
    task: Name | None = None


class WareCleaned(Event):
    """A ware or tool carries nothing over any more."""

    KIND = "ware.cleaned"
    ware: Name
    how: Text = ""


class WareRetired(Event):
    """A ware is no longer used; it must be empty, and leaves its position."""

    KIND = "ware.retired"
    ware: Name
    why: Said
