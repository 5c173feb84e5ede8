"""Where an arm reaches: the places of positions, as rules ask for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

UNKNOWN = "unknown"
"""Where an arm is after something that did not end well."""


def places(positions: Iterable[str]) -> str:
    """The places of positions, each once, parted by spaces.

    >>> places(["crucibles/1", "furnace-1/1"])
    'crucibles furnace-1'
    """
    return " ".join(dict.fromkeys(position.partition("/")[0] for position in positions))


def joined(before: str, route: Sequence[str] | None) -> str:
    """The places that an arm may be in: those from before and those of what it sets out to do, None for unknown ones.

    >>> joined("unknown", ("crucibles/1", "furnace-1/1")), joined("", None)
    ('unknown crucibles furnace-1', 'unknown')
    """
    more = UNKNOWN if route is None else places(route)
    return " ".join(dict.fromkeys([*before.split(), *more.split()]))
