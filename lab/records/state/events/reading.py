"""From a journal entry to the event that it tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from lab.records.state.errors import StateError
from lab.records.state.events import portions, stations, stock, tasks, wares
from lab.records.state.events.base import Event

STAMPS = frozenset({"n", "t", "world", "kind", "actor"})
"""What the journal adds to the fields of an event."""
KINDS: Mapping[str, type[Event]] = {
    event.KIND: event
    for module in (stock, wares, portions, tasks, stations)
    for event in vars(module).values()
    if isinstance(event, type) and issubclass(event, Event) and event is not Event
}
"""Journal kind to event."""
_OURS = frozenset(kind.partition(".")[0] for kind in KINDS if "." in kind)


def event_of(entry: Mapping[str, Any]) -> Event | None:
    """The event that a journal entry tells, or None where it tells of something else.

    Raises:
        StateError: Where the entry is an event that this version cannot read.
    """
    kind = str(entry.get("kind"))
    event = KINDS.get(kind)
    if event is None:
        room, dot, _ = kind.partition(".")
        if dot and room in _OURS:
            raise StateError(
                f"journal entry {entry.get('n')}: kind {kind!r} is not known to this version: "
                "a newer one wrote it, go on with that one"
            )
        return None
    try:
        return event.model_validate({name: value for name, value in entry.items() if name not in STAMPS})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise StateError(
            f"journal entry {entry.get('n')}, {kind} {where}: {first['msg']} (read: {first['input']!r}): "
            "it was changed, or written by another version"
        ) from None
