"""``athanor alarms``: what needs somebody, and taking note of it."""

from __future__ import annotations

import json
import sys
from typing import Any

from lab.cli.asked import Request, asked, lasting
from lab.cli.errors import sentences
from lab.errors import UsageError

ALL = "all"
_MARKS = {
    "critical": ("■ C", "bold red"),
    "high": ("▲ H", "dark_orange"),
    "medium": ("◆ M", "yellow"),
    "low": ("● L", "cyan"),
}
"""Shape, letter and colour of each priority: never the colour alone."""
_STATES = {
    "unacknowledged": "UNACK",
    "acknowledged": "ACK",
    "returned": "RTN-UNACK",
    "shelved": "SHELVED",
    "out-of-service": "OUT",
    "normal": "normal",
}


def show_alarms(request: Request, *, as_json: bool, history: bool = False) -> None:
    """Print the alarm list, what needs somebody first; with `history` also what is over."""
    with sentences():
        answer = asked(request, "alarms", history=history)
        if as_json:
            sys.stdout.write(json.dumps(answer["alarms"]) + "\n")
            return
        now_s = asked(request, "state")["state"]["t"]
        _print(answer["alarms"], answer.get("summary", {}), now_s)


def acknowledge(request: Request, key: str, actor: str, *, as_json: bool) -> None:
    """Take note of one alarm, or of all that are shown."""
    with sentences():
        keys = _unacknowledged(request) if key == ALL else [key]
        for each in keys:
            asked(request, "ack", key=each, actor=actor)
        said = f"acknowledged by {actor}: {', '.join(keys)}" if keys else "there was nothing to acknowledge"
        _say({"acknowledged": keys, "actor": actor}, said, as_json=as_json)


def shelve(request: Request, key: str, for_s: float, reason: str, actor: str, *, as_json: bool) -> None:
    """Put one alarm away for a time."""
    with sentences():
        _given("--reason", reason)
        asked(request, "shelve", key=key, for_s=for_s, reason=reason, actor=actor)
        said = f"{key} is shelved for {lasting(for_s)} by {actor}: {reason}"
        _say({"shelved": key, "for_s": for_s, "actor": actor}, said, as_json=as_json)


def unshelve(request: Request, key: str, actor: str, *, as_json: bool) -> None:
    """Take one alarm from the shelf."""
    with sentences():
        asked(request, "unshelve", key=key, actor=actor)
        _say({"unshelved": key, "actor": actor}, f"{key} is back on the list", as_json=as_json)


def take_out(request: Request, key: str, reason: str, actor: str, *, as_json: bool) -> None:
    """Take one alarm out of service until somebody puts it back."""
    with sentences():
        _given("--reason", reason)
        asked(request, "out-of-service", key=key, reason=reason, actor=actor)
        said = f"{key} is out of service by {actor}: {reason}"
        _say({"out_of_service": key, "actor": actor}, said, as_json=as_json)


def put_back(request: Request, key: str, actor: str, *, as_json: bool) -> None:
    """Put one alarm back into service."""
    with sentences():
        asked(request, "in-service", key=key, actor=actor)
        _say({"in_service": key, "actor": actor}, f"{key} is in service again", as_json=as_json)


def _unacknowledged(request: Request) -> list[str]:
    alarms = asked(request, "alarms", history=False)["alarms"]
    return [alarm["key"] for alarm in alarms if alarm["shown"] in {"unacknowledged", "returned"}]


def _given(option: str, text: str) -> None:
    if not text.strip():
        raise UsageError(f"{option} is empty: say why")


def _say(result: dict[str, Any], said: str, *, as_json: bool) -> None:
    sys.stdout.write((json.dumps(result) if as_json else said) + "\n")


def _print(alarms: list[dict[str, Any]], summary: dict[str, Any], now_s: float) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if summary.get("flood"):
        console.print(Text(summary["flood"], style="bold red"))
    if not alarms:
        console.print("no alarms")
        return
    table = Table("", "state", "priority", "age", "alarm", "what to do", "who")
    for alarm in alarms:
        mark, style = _MARKS[alarm["priority"]]
        table.add_row(
            "▶" if alarm["first_out"] else "",
            _STATES[alarm["shown"]] + (" CHATTERS" if alarm["chattering"] else ""),
            Text(mark, style=style),
            lasting(now_s - alarm["raised_at_s"]),
            Text(f"{alarm['key']}: {alarm['text']}"),
            Text(alarm["guidance"]),
            Text(_who(alarm, now_s)),
        )
    console.print(table)
    counts = f"{summary.get('active', 0)} active, {summary.get('unacknowledged', 0)} unacknowledged"
    console.print(f"{counts}; ▶ came first" if any(alarm["first_out"] for alarm in alarms) else counts)


def _who(alarm: dict[str, Any], now_s: float) -> str:
    if alarm["shown"] == "out-of-service":
        return f"{alarm['out_by']}: {alarm['out_reason']}"
    if alarm["shown"] == "shelved":
        left = lasting(alarm["shelved_until_s"] - now_s)
        return f"{alarm['shelved_by']}, {left} left: {alarm['shelved_reason']}"
    return alarm["acknowledged_by"] or ""
