"""Who may do what: roles hold scopes, actions need one. Stopping needs none.

An admin is no safety officer: who runs the computer does not decide what protects people.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

from lab.errors import UsageError


class Role(StrEnum):
    """What a person may be in a laboratory; one person may be several."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    SAFETY_OFFICER = "safety_officer"
    ADMIN = "admin"


_READ = frozenset({"read:*"})
SCOPES: Mapping[Role, frozenset[str]] = MappingProxyType(
    {
        Role.VIEWER: _READ,
        Role.OPERATOR: _READ
        | {
            "run:*",
            "manual:low",
            "manual:med",
            "alarm:ack",
            "alarm:shelve",
            "bypass:request",
            "trip:reset:low",
            "safety:lock-out",
        },
        Role.SAFETY_OFFICER: _READ
        | {
            "alarm:ack",
            "alarm:shelve",
            "alarm:out-of-service",
            "bypass:request",
            "bypass:approve",
            "trip:reset:low",
            "trip:reset:high",
            "interlock:config:approve",
            "manual:confirm",
            "safety:lock-out",
        },
        Role.ADMIN: _READ | {"users:manage", "config:change"},
    }
)
"""What each role holds; ``run:*`` holds every scope that begins with ``run:``."""

ACTIONS: Mapping[str, str | None] = MappingProxyType(
    {
        "stop": None,
        "login": None,
        "logout": None,
        "state": "read:state",
        "events": "read:state",
        "alarms": "read:alarms",
        "bypasses": "read:bypasses",
        "audit": "read:audit",
        "run": "run:start",
        "hold": "run:hold",
        "resume": "run:resume",
        "cancel": "run:cancel",
        "approve-suggestion": "run:approve",
        "take": "manual:low",
        "release": "manual:low",
        "arm": "manual:low",
        "execute": "manual:low",
        "arm-medium": "manual:med",
        "execute-medium": "manual:med",
        "confirm-high": "manual:confirm",
        "acknowledge": "alarm:ack",
        "shelve": "alarm:shelve",
        "unshelve": "alarm:shelve",
        "out-of-service": "alarm:out-of-service",
        "in-service": "alarm:out-of-service",
        "request-bypass": "bypass:request",
        "approve-bypass": "bypass:approve",
        "end-bypass": "read:bypasses",
        "reset": "trip:reset:low",
        "reset-high": "trip:reset:high",
        "approve-interlocks": "interlock:config:approve",
        "lock-out": "safety:lock-out",
        "remove-lock-out": "safety:lock-out",
        "users": "users:manage",
        "tokens": "users:manage",
        "configure": "config:change",
    }
)
"""Every action with the scope that it needs; None: anybody, also without having logged in."""


def allows(roles: Iterable[Role], scope: str) -> bool:
    """Whether any of the roles holds a scope.

    >>> allows([Role.OPERATOR], "run:hold"), allows([Role.ADMIN], "bypass:approve")
    (True, False)
    """
    return any(covers(held, scope) for role in roles for held in SCOPES[role])


def covers(held: str, scope: str) -> bool:
    """Whether one held scope, maybe ending in ``*``, holds another.

    >>> covers("run:*", "run:hold"), covers("run:hold", "run:*"), covers("*", "run:hold")
    (True, False, True)
    """
    return scope.startswith(held[:-1]) if held.endswith("*") else held == scope


def may(roles: Iterable[Role], action: str) -> bool:
    """Whether somebody with these roles may do something.

    Raises:
        KeyError: For an action that the table does not know: a defect, never a permission.
    """
    scope = ACTIONS[action]
    return scope is None or allows(roles, scope)


def parse_roles(names: Iterable[str]) -> frozenset[Role]:
    """Roles from what a person wrote, ``safety-officer`` too.

    Raises:
        UsageError: For a role that does not exist, or none at all.
    """
    found = set()
    for name in names:
        try:
            found.add(Role(name.strip().lower().replace("-", "_")))
        except ValueError:
            raise UsageError(f"no role is named {name!r}: there are {', '.join(Role)}") from None
    if not found:
        raise UsageError(f"no role was given: give one or more of {', '.join(Role)}")
    return frozenset(found)
