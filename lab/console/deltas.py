"""From one state of the laboratory to the next: what was set, what is gone.

A state is JSON. Its leaves are named by JSON pointers (RFC 6901); lists and empty objects are leaves, so a
delta never depends on an index. ``null`` is a value here (unknown), which is why this is no merge patch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def leaves(state: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf with its pointer.

    >>> dict(leaves({"a": {"b/c": 1, "d": []}, "e": None}))
    {'/a/b~1c': 1, '/a/d': [], '/e': None}
    """
    for name, value in state.items():
        pointer = f"{prefix}/{name.replace('~', '~0').replace('/', '~1')}"
        if isinstance(value, Mapping) and value:
            yield from leaves(value, pointer)
        else:
            yield pointer, value


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What leads from the leaves `before` to the leaves `after`; empty where nothing changed.

    >>> changes({"/a": 1, "/b": 2}, {"/a": 1, "/c": 3})
    {'set': {'/c': 3}, 'gone': ['/b']}
    """
    put = {name: value for name, value in after.items() if name not in before or not _alike(before[name], value)}
    gone = [name for name in before if name not in after]
    return {**({"set": put} if put else {}), **({"gone": gone} if gone else {})}


def follow(state: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """Change a state as a delta says; what a viewer does.

    >>> state = {"a": {"b": 1}, "c": 2}
    >>> follow(state, {"set": {"/a/b": 5, "/a/d": None}, "gone": ["/c"]})
    >>> state
    {'a': {'b': 5, 'd': None}}
    """
    # First what is gone: a leaf may have become an object that holds what is set.
    for pointer in delta.get("gone", ()):
        _remove(state, _names(pointer))
    for pointer, value in delta.get("set", {}).items():
        *path, last = _names(pointer)
        holder = state
        for name in path:
            holder = holder.setdefault(name, {})
        holder[last] = value


def _alike(one: Any, other: Any) -> bool:
    # True equals 1 in Python, and not in JSON.
    return type(one) is type(other) and bool(one == other)


def _names(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _remove(state: dict[str, Any], names: list[str]) -> None:
    """Remove a leaf, and the objects that are empty without it."""
    first, *rest = names
    if rest:
        _remove(state[first], rest)
    if not rest or not state[first]:
        del state[first]
