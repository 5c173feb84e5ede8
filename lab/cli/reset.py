"""``athanor reset``: see what tripped, and clear it; gives ability back, never demand."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from lab.cli.asked import Request, asked
from lab.cli.errors import FAILED, sentences


def reset(
    request: Request,
    *,
    actor: str,
    role: str | None = None,
    yes: bool = False,
    as_json: bool = False,
    ask_person: Callable[[str], str] = input,
) -> None:
    """Show what tripped, first cause first, ask, re-arm watchdogs that have expired, and reset.

    Ends with exit code 1 where something stays tripped, with the reasons.

    Args:
        request: Passes one request on to the safety layer.
        actor: Who resets.
        role: As what.
        yes: Do not ask.
        as_json: Print one JSON document, and do not ask.
        ask_person: Puts a question to the person at the terminal.
    """
    with sentences():
        state = asked(request, "state")["state"]
        tripped, expired = state["tripped"], _expired(state)
        if not as_json:
            _show(tripped, expired)
        sure = yes or as_json or not tripped
        if not sure and ask_person("reset? [y/N] ").strip().lower() not in {"y", "yes"}:
            sys.stdout.write("nothing was reset\n")
            return
        reasons = _rearm(request, expired, actor, role)
        if tripped or expired:
            reasons += _reasons(request({"do": "reset", "actor": actor, "role": role}))
    if as_json:
        causes = [latch["cause"] for latch in tripped]
        sys.stdout.write(json.dumps({"tripped": causes, "rearmed": expired, "reset": not reasons, "reasons": reasons}))
        sys.stdout.write("\n")
    elif tripped and not reasons:
        sys.stdout.write("reset: nothing is switched on by that; give the commands again\n")
    for reason in reasons if not as_json else ():
        sys.stderr.write(f"athanor: stays tripped: {reason}\n")
    if reasons:
        raise SystemExit(FAILED)


def _expired(state: dict[str, Any]) -> list[str]:
    return [name for name, module in state.get("modules", {}).items() if module.get("watchdog") == "expired"]


def _rearm(request: Request, expired: list[str], actor: str, role: str | None) -> list[str]:
    """Re-arm watchdogs; gives why one stays expired."""
    reasons: list[str] = []
    for name in expired:
        reasons += _reasons(request({"do": "rearm", "module": name, "actor": actor, "role": role}))
    return reasons


def _reasons(answered: dict[str, Any]) -> list[str]:
    return [str(reason) for reason in answered.get("reasons", ())]


def _show(tripped: list[dict[str, Any]], expired: list[str]) -> None:
    if not tripped:
        sys.stdout.write("nothing has tripped\n")
    for i, latch in enumerate(tripped):
        mark = "first:" if i == 0 else "then: "
        sys.stdout.write(f"{mark} {latch['cause']} ({', '.join(latch['targets'])}): {latch.get('guidance', '')}\n")
    for name in expired:
        sys.stdout.write(f"the watchdog of {name} has expired and is armed again by the reset\n")
    sys.stdout.flush()
