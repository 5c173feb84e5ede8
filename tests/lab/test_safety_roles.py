from __future__ import annotations

import pytest

from lab.errors import UsageError
from lab.safety.people.roles import ACTIONS, SCOPES, Role, allows, covers, may, parse_roles

EVERYBODY = frozenset({"stop", "login", "logout"})
LOOK = frozenset({"state", "events", "alarms", "bypasses", "audit", "end-bypass"})
MAY = {
    Role.VIEWER: EVERYBODY | LOOK,
    Role.OPERATOR: EVERYBODY
    | LOOK
    | {
        *("run", "hold", "resume", "cancel", "approve-suggestion"),
        *("take", "release", "arm", "execute", "arm-medium", "execute-medium", "lock-out", "remove-lock-out"),
        *("acknowledge", "shelve", "unshelve", "request-bypass", "reset"),
    },
    Role.SAFETY_OFFICER: EVERYBODY
    | LOOK
    | {
        *("acknowledge", "shelve", "unshelve", "out-of-service", "in-service"),
        *("request-bypass", "approve-bypass", "reset", "reset-high", "approve-interlocks", "confirm-high"),
        *("lock-out", "remove-lock-out"),
    },
    Role.ADMIN: EVERYBODY | LOOK | {"users", "tokens", "configure"},
}


@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_do_exactly_what_the_table_says(role: Role) -> None:
    assert {action for action in ACTIONS if may([role], action)} == MAY[role]


def test_stopping_needs_no_role() -> None:
    assert may([], "stop")
    assert {action for action in ACTIONS if may([], action)} == EVERYBODY


def test_roles_add_up_and_an_admin_is_no_safety_officer() -> None:
    assert not may([Role.ADMIN, Role.OPERATOR], "approve-bypass")
    assert may([Role.ADMIN, Role.SAFETY_OFFICER], "approve-bypass")


def test_every_action_can_be_done_by_somebody() -> None:
    assert {action for action in ACTIONS if not may(list(Role), action)} == set()


def test_every_scope_that_a_role_holds_is_one_that_an_action_needs() -> None:
    needed = {scope for scope in ACTIONS.values() if scope is not None}
    held = {scope for scopes in SCOPES.values() for scope in scopes}
    assert {scope for scope in held if not any(covers(scope, action) for action in needed)} == set()


def test_an_action_that_the_table_does_not_know_is_a_defect() -> None:
    with pytest.raises(KeyError):
        may(list(Role), "open-everything")


@pytest.mark.parametrize(
    ("held", "scope", "covered"),
    [
        ("run:*", "run:hold", True),
        ("run:*", "runner:hold", False),
        ("run:hold", "run:*", False),
        ("trip:reset:low", "trip:reset:high", False),
        ("trip:reset:low", "trip:reset:low", True),
        ("", "run:hold", False),
    ],
)
def test_only_a_star_at_the_end_stands_for_more(held: str, scope: str, covered: bool) -> None:
    assert covers(held, scope) is covered


def test_an_unknown_scope_is_held_by_nobody() -> None:
    assert not allows(list(Role), "safety:off")


def test_roles_are_read_as_people_write_them() -> None:
    assert parse_roles(["Safety-Officer", "operator", "operator"]) == {Role.SAFETY_OFFICER, Role.OPERATOR}


def test_a_role_that_does_not_exist_is_told() -> None:
    with pytest.raises(UsageError, match="no role is named 'boss': there are viewer, operator, safety_officer, admin"):
        parse_roles(["operator", "boss"])
    with pytest.raises(UsageError, match="no role was given"):
        parse_roles([])
