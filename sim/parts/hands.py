"""Grippers as they are put up, and whoever moves them about."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from sim.errors import BadOptionError
from sim.plant.hand import Hand
from sim.site import Site
from sim.spec import Instrument


@runtime_checkable
class HasHand(Protocol):
    """A simulated gripper, whatever it speaks."""

    hand: Hand


def find_hand(site: Site, instrument: Instrument, gripper: object) -> Hand | None:
    """Give the fingers of the gripper that an instrument carries; None where it names none.

    Raises:
        BadOptionError: Where there is no gripper of that name.
    """
    if gripper is None:
        return None
    found = site.instruments.get(str(gripper))
    if not isinstance(found, HasHand):
        known = ", ".join(name for name, other in site.instruments.items() if isinstance(other, HasHand)) or "none"
        raise BadOptionError(f"{instrument.name}: {gripper!r} is no gripper of this laboratory: there are {known}")
    return found.hand
