"""Every route of the lab service, and the action that somebody must be allowed to take it.

The app refuses to start with a route that is not here, so nothing is reachable that nobody thought about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Access:
    """Who may use a route."""

    action: str | None
    """A key of `lab.safety.people.roles.ACTIONS`; None: anybody, for pages that show nothing of the laboratory."""
    guarded: bool = True
    """Whether a POST must prove that no foreign page made the browser send it."""


ROUTES: Mapping[tuple[str, str], Access] = MappingProxyType(
    {
        ("GET", "/"): Access(None),
        ("GET", "/console.js"): Access(None),
        ("GET", "/console.css"): Access(None),
        ("GET", "/api/me"): Access(None),
        ("POST", "/api/login"): Access("login"),
        ("POST", "/api/secret"): Access("login"),
        ("POST", "/api/logout"): Access("logout"),
        # Stopping needs nothing: that a foreign page can stop the laboratory is the smaller evil.
        ("POST", "/api/stop"): Access("stop", guarded=False),
        ("GET", "/api/state"): Access("state"),
        ("GET", "/api/events"): Access("events"),
        ("GET", "/api/leases"): Access("state"),
        ("POST", "/api/leases"): Access("take"),
        ("POST", "/api/leases/{lease}/renew"): Access("take"),
        ("POST", "/api/leases/{lease}/release"): Access("release"),
        ("POST", "/api/arm"): Access("arm"),
        ("POST", "/api/execute"): Access("execute"),
        ("GET", "/api/commands/{command}"): Access("state"),
        ("POST", "/api/hold"): Access("hold"),
        ("POST", "/api/resume"): Access("resume"),
        ("GET", "/api/lockouts"): Access("state"),
        ("POST", "/api/lockouts"): Access("lock-out"),
        ("POST", "/api/lockouts/remove"): Access("remove-lock-out"),
        ("GET", "/api/alarms"): Access("alarms"),
        ("POST", "/api/alarms/ack"): Access("acknowledge"),
        ("POST", "/api/alarms/shelve"): Access("shelve"),
        ("POST", "/api/alarms/unshelve"): Access("unshelve"),
        ("POST", "/api/alarms/out-of-service"): Access("out-of-service"),
        ("POST", "/api/alarms/in-service"): Access("in-service"),
        ("GET", "/api/bypasses"): Access("bypasses"),
        ("POST", "/api/bypasses"): Access("request-bypass"),
        # The approver proves who it is with a secret in the request itself, at whosever screen that is.
        ("POST", "/api/bypasses/{bypass}/approve"): Access("bypasses"),
        ("POST", "/api/bypasses/{bypass}/end"): Access("end-bypass"),
        ("POST", "/api/reset"): Access("reset"),
        ("POST", "/api/rearm"): Access("reset"),
        ("GET", "/api/audit"): Access("audit"),
    }
)
