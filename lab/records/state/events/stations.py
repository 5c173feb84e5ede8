"""Events of stations, and what a person attests."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from lab.records.state.events.base import Event, Name, Place, Said, Some, Told


class LeaseTaken(Event):
    """A station is given to one holder."""

    KIND = "lease.taken"
    lease: Name
    station: Name
    holder: Name


class LeaseReturned(Event):
    """A holder gives a station back."""

    KIND = "lease.returned"
    lease: Name


class PositionBlocked(Event):
    """Nothing may be put at a position."""

    KIND = "position.blocked"
    position: Name
    why: Said


class PositionCleared(Event):
    """A position can be used again."""

    KIND = "position.cleared"
    position: Name


class BarcodeRead(Event):
    """A barcode was read at a hand-over."""

    KIND = "barcode.read"
    position: Name
    expected: Name
    found: Name | None
    """None where none could be read."""
    task: Name | None = None


class CalibrationDone(Event):
    """An instrument was compared with something known."""

    KIND = "calibration.done"
    what: Name
    """Such as ``furnace-1/profile`` or ``xrd-1/silicon``."""
    values: dict[str, float]
    """What came out; names carry the unit."""
    valid_for_s: Some


class Placed(Told):
    """Where a person saw a portion or ware; None where it is no more."""

    item: Name
    place: Place | None


class Attested(Event):
    """A person says what no instrument can settle."""

    KIND = "attested"
    BY_A_PERSON = True
    who: Name
    seen: Said
    task: Name | None = None
    happened: bool | None = None
    """Whether the task was done."""
    placed: tuple[Placed, ...] = ()
    """All of them at once, so that two can be found in each other's places."""
    barcode: Annotated[int, Field(gt=0, lt=2**31)] | None = None
    """Number of the journal entry with the mismatch that is settled."""

    @model_validator(mode="after")
    def _settles_something(self) -> Attested:
        if (self.task is None) != (self.happened is None):
            raise ValueError("a task and whether it happened belong together: write both or none")
        if len({p.item for p in self.placed}) < len(self.placed):
            raise ValueError("an item is placed twice: say of each once where it is")
        return self
