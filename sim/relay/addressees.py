"""Who of several on one wire a request is meant for."""

from __future__ import annotations

from collections.abc import Mapping

from sim.addresses import Spot
from sim.relay.framing import Framing


class Addressees:
    """The instruments on one wire; remembers who was meant last."""

    def __init__(self, spots: Mapping[str, Spot]) -> None:
        self.last = next(iter(spots))
        self._names = {ear: name for name, spot in spots.items() if (ear := _ear(spot)) is not None}

    @property
    def lettered(self) -> bool:
        """Whether somebody is called by a letter."""
        return any(ear.isalpha() for ear in self._names)

    def of(self, framing: Framing, request: bytes) -> str:
        """Give who is meant; whoever was meant before where that cannot be told."""
        if self._names and framing.whole(request):
            self.last = self._names.get(framing.ear(request, self._names) or "", self.last)
        return self.last


def _ear(spot: Spot) -> str | None:
    return spot.ear if spot.unit is None else str(spot.unit)
