"""One request to the safety layer, and its answer or its reasons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.errors import LabError

Request = Callable[[dict[str, Any]], dict[str, Any]]
"""Passes one request of the supervisor's protocol on and gives the answer."""


class RefusedError(LabError):
    """What the safety layer does not do, with its reasons."""


def asked(request: Request, do: str, **fields: object) -> dict[str, Any]:
    """Ask for one thing.

    Raises:
        RefusedError: Where it is not done.
    """
    answer = request({"do": do, **fields})
    if answer.get("ok") is not True:
        reasons = answer.get("reasons") or [f"{do} was refused without a reason: look at the supervisor's log"]
        raise RefusedError("; ".join(str(reason) for reason in reasons))
    return answer


def lasting(seconds: float) -> str:
    """A time as people say it.

    >>> lasting(42.0), lasting(95.0), lasting(7300.0), lasting(400000.0)
    ('42 s', '1 min', '2 h', '4 d')
    """
    for size, name in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {name}"
    return f"{max(0.0, seconds):.0f} s"
