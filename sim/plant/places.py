"""Where a piece of labware can be: racks, pans, furnace slots, diffractometer belts, the bin."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sim.chemistry.powder import Powder

RACK_SIZE = 200


class Impossible(Exception):  # noqa: N818 - read as a sentence: "this is impossible: vials/3 is empty"
    """A thing that cannot be done with hands either; the text is the reason in a few words."""


class Kind(StrEnum):
    """What labware there is."""

    VIAL = "vial"
    CRUCIBLE = "crucible"
    HOLDER = "holder"


class DoorState(StrEnum):
    """Where a door is; a door that was stopped halfway stays moving."""

    OPEN = "OPEN"
    CLOSED = "CLOSED"
    MOVING = "MOVING"


@dataclass
class Labware:
    """One vessel and the powder in it."""

    barcode: str
    kind: Kind
    tare_mg: float
    powder: Powder
    since_s: float
    """Lab time up to which the powder has lived through its surroundings."""
    uses: int = 0

    @property
    def gross_mg(self) -> float:
        """What a balance would show without tare, in milligrams."""
        return self.tare_mg + self.powder.mass_mg


class Place:
    """Positions ``name/first`` to ``name/last`` that labware can stand at, in room air."""

    def __init__(self, name: str, first: int = 1, last: int = RACK_SIZE) -> None:
        self.name = name
        self.numbers = range(first, last + 1)
        self.holds: dict[int, Labware] = {}

    def blocked(self, number: int) -> str | None:
        """Why a hand cannot reach this position now, or None where it can."""

    def disturb(self, now_s: float) -> None:
        """Let the place feel that something was put there, taken away or poured; most do not care."""

    def live(self, labware: Labware, now_s: float) -> None:
        """Let the powder at this place live through the time since it was last looked at."""

    def put(self, number: int, labware: Labware) -> None:
        """Take labware in at a position that is free."""
        self.holds[number] = labware

    def take(self, number: int) -> Labware:
        """Give labware out."""
        return self.holds.pop(number)


class Bin(Place):
    """Swallows what is put into it."""

    def put(self, number: int, labware: Labware) -> None:
        """Keep nothing."""


def split_position(position: str) -> tuple[str, int]:
    """Take a position apart.

    Raises:
        Impossible: It has not the form ``place/number``.

    >>> split_position("furnace-1/3")
    ('furnace-1', 3)
    """
    place, slash, number = position.rpartition("/")
    if not slash or not number.isdecimal():
        raise Impossible(f"{position} is no position")
    return place, int(number)
