"""Events of stock: what is counted or measured out without an identity of each piece."""

from __future__ import annotations

from lab.records.state.events.base import Amount, Event, Name, Some
from lab.records.state.words import StockSort, Unit


class StockTakenIn(Event):
    """A bottle, a gas cylinder or a box of labware came in, or more of one that is there."""

    KIND = "stock.taken-in"
    stock: Name
    sort: StockSort
    substance: Name
    """Formula of a lot or gas, material of media and labware."""
    unit: Unit
    amount: Some
    warn_below: Amount = 0.0
    """A person is told when less than this is left."""
    price: Amount = 0.0
    """Of one unit, in the laboratory's currency."""


class StockUsed(Event):
    """Some of a stock was used up."""

    KIND = "stock.used"
    stock: Name
    amount: Some
    portion: Name | None = None
    task: Name | None = None


class StockReturned(Event):
    """Some of what was taken came back unused."""

    KIND = "stock.returned"
    stock: Name
    amount: Some
    task: Name | None = None


class StockCounted(Event):
    """A person counted or weighed what is left; what the books said gives way."""

    KIND = "stock.counted"
    BY_A_PERSON = True
    stock: Name
    amount: Amount


class StockWarned(Event):
    """A person was told that little is left."""

    KIND = "stock.warned"
    stock: Name
