"""``athanor bypass``: a rule suspended for a time, by one person's request and another's approval."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Callable
from typing import Any

from lab.cli.asked import Request, asked, lasting
from lab.cli.errors import sentences
from lab.errors import UsageError


def request_bypass(
    request: Request, rule: str, *, reason: str, for_s: float, measure: str, actor: str, as_json: bool
) -> None:
    """Ask for a rule to be suspended; nothing is suspended yet."""
    with sentences():
        for option, text in (("--reason", reason), ("--measure", measure)):
            if not text.strip():
                raise UsageError(f"{option} is empty: a bypass says why, and what is done in place of the rule")
        answer = asked(request, "bypass", rule=rule, reason=reason, actor=actor, for_s=for_s, measure=measure)
        bypass_id = str(answer["bypass"])
        said = (
            f"bypass {bypass_id} of {rule} for {lasting(for_s)} waits for a safety officer other than {actor}: "
            f"`athanor bypass approve {bypass_id}`"
        )
        _say({"bypass": bypass_id, "rule": rule, "for_s": for_s, "approved": False}, said, as_json=as_json)


def approve_bypass(
    request: Request,
    bypass_id: str,
    *,
    as_json: bool,
    ask_name: Callable[[str], str] = input,
    ask_secret: Callable[[str], str] = getpass.getpass,
) -> None:
    """Suspend the rule: asks a safety officer for name and secret on the terminal."""
    with sentences():
        found = {bypass["id"]: bypass for bypass in _bypasses(request)}
        if bypass_id not in found:
            raise UsageError(f"there is no bypass {bypass_id!r}: there are {', '.join(found) or 'none'}")
        bypass = found[bypass_id]
        sys.stderr.write(f"{bypass['rule']}: {bypass['reason']} (asked by {bypass['requester']})\n")
        sys.stderr.write(f"in its place: {bypass['measure']}\n")
        name = ask_name("safety officer: ")
        asked(request, "approve", bypass=bypass_id, user=name, secret=ask_secret("secret: "))
        said = f"{bypass['rule']} is bypassed for {lasting(bypass['for_s'])}, approved by {name}"
        _say({"bypass": bypass_id, "rule": bypass["rule"], "approved": True}, said, as_json=as_json)


def end_bypass(request: Request, bypass_id: str, *, actor: str, as_json: bool) -> None:
    """Have the rule act again; anybody may."""
    with sentences():
        asked(request, "end-bypass", bypass=bypass_id, actor=actor)
        _say({"bypass": bypass_id, "ended": True}, f"bypass {bypass_id} has ended: its rule acts", as_json=as_json)


def list_bypasses(request: Request, *, as_json: bool) -> None:
    """Print what is bypassed and what waits for approval."""
    with sentences():
        bypasses = _bypasses(request)
        if as_json:
            sys.stdout.write(json.dumps(bypasses) + "\n")
            return
        _print(bypasses)


def _bypasses(request: Request) -> list[dict[str, Any]]:
    """All of them, given and asked for."""
    found: list[dict[str, Any]] = asked(request, "state")["state"]["bypasses"]
    return found


def _say(result: dict[str, Any], said: str, *, as_json: bool) -> None:
    sys.stdout.write((json.dumps(result) if as_json else said) + "\n")


def _print(bypasses: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not bypasses:
        console.print("nothing is bypassed")
        return
    table = Table("id", "rule", "state", "reason", "in its place", "asked by", "approved by")
    for bypass in bypasses:
        given = bypass["left_s"] is not None
        state = f"BYPASSED, {lasting(bypass['left_s'])} left" if given else "waits for approval"
        table.add_row(
            bypass["id"],
            bypass["rule"],
            Text(state, style="bold red" if given else ""),
            Text(bypass["reason"]),
            Text(bypass["measure"]),
            bypass["requester"],
            bypass["approver"] or "",
        )
    console.print(table)
