from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.safety.people.private_file import PrivateFileError
from lab.safety.people.roles import ACTIONS, Role
from lab.safety.people.tokens import FOR_PEOPLE, LONGEST_S, TokenStore
from lab.safety.people.users import Costs, UserError, UserStore

DAY_S = 86400.0
EVERY_ROLE = [role.value for role in Role]


class Time:
    def __init__(self) -> None:
        self.s = 1e9

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def now() -> Time:
    return Time()


@pytest.fixture
def users(tmp_path: Path) -> UserStore:
    users = UserStore(tmp_path / "users.json", costs=Costs(1, 8, 1))
    for name, roles in {"ada": ["operator"], "root": EVERY_ROLE, "vera": ["viewer"]}.items():
        users.add(name, roles)
        users.set_secret(name, "correct horse battery")
    return users


@pytest.fixture
def tokens(tmp_path: Path, users: UserStore, now: Time) -> TokenStore:
    return TokenStore(tmp_path / "tokens.json", users, now)


def test_a_token_reaches_as_far_as_its_scopes(tokens: TokenStore) -> None:
    text = tokens.add("ada", "logbook", ["read:*", "run:hold"], life_s=DAY_S)
    token = tokens.find(text)
    assert token is not None
    assert (token.user, token.name, text.split("_")[:2]) == ("ada", "logbook", ["sdl", token.id])
    reach = {scope for scope in ACTIONS.values() if scope and tokens.allows(token, scope)}
    assert reach == {"read:state", "read:alarms", "read:bypasses", "read:audit", "run:hold"}


def test_a_token_is_kept_hashed_in_a_file_for_its_owner_alone(tokens: TokenStore) -> None:
    text = tokens.add("ada", "logbook", ["read:*"], life_s=DAY_S)
    assert text[17:] not in tokens.path.read_text()
    assert tokens.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("change", [lambda t: t[:-1] + ("a" if t[-1] != "a" else "b"), lambda t: t + "a", str.upper])
def test_anything_else_is_no_token(tokens: TokenStore, change: object) -> None:
    text = tokens.add("ada", "logbook", ["read:*"], life_s=DAY_S)
    assert callable(change)
    assert tokens.find(change(text)) is None
    assert tokens.find("") is None
    assert tokens.find("sdl_000000000000_" + "a" * 43) is None
    assert tokens.find(text) is not None


def test_a_token_ends(tokens: TokenStore, now: Time) -> None:
    text = tokens.add("ada", "logbook", ["read:*"], life_s=DAY_S)
    now.s += DAY_S - 1
    assert tokens.find(text) is not None
    now.s += 1
    assert tokens.find(text) is None
    # A clock that was set back before it was made does not bring it back either.
    now.s = 1.0
    assert tokens.find(text) is None


def test_a_token_can_be_revoked(tokens: TokenStore) -> None:
    text = tokens.add("ada", "logbook", ["read:*"], life_s=DAY_S)
    tokens.revoke(tokens.list()[0].id)
    assert tokens.find(text) is None
    assert [token.revoked for token in tokens.list()] == [True]
    with pytest.raises(UserError, match="no token has the id 'x'"):
        tokens.revoke("x")


@pytest.mark.parametrize("life_s", [0.0, -1.0, LONGEST_S + 1, float("nan"), float("inf")])
def test_no_token_is_for_ever(tokens: TokenStore, life_s: float) -> None:
    with pytest.raises(UserError, match="at most 366 are allowed"):
        tokens.add("ada", "logbook", ["read:*"], life_s=life_s)


@pytest.mark.parametrize(
    "scope",
    [
        *("safety:lock-out", "safety:*", "bypass:approve", "bypass:*", "trip:reset", "trip:reset:low", "trip:*"),
        *("trip:reset:*", "*", "users:manage", "manual:*", "interlock:config:approve", "i*"),
    ],
)
def test_what_people_decide_no_token_can_hold(tokens: TokenStore, scope: str) -> None:
    with pytest.raises(UserError, match="that is decided by people"):
        tokens.add("root", "robot", [scope], life_s=DAY_S)
    assert tokens.list() == ()


def test_every_scope_of_an_action_is_either_for_people_or_can_be_given(tokens: TokenStore) -> None:
    given = set()
    for scope in {scope for scope in ACTIONS.values() if scope is not None}:
        if scope.startswith(FOR_PEOPLE):
            continue
        tokens.add("root", "all", [scope], life_s=DAY_S)
        given.add(scope)
    assert {"run:start", "alarm:ack", "bypass:request", "manual:low"} <= given


def test_a_token_that_was_given_more_in_the_file_reaches_no_further(tokens: TokenStore) -> None:
    text = tokens.add("root", "robot", ["read:*"], life_s=DAY_S)
    data = json.loads(tokens.path.read_text())
    next(iter(data["tokens"].values()))["scopes"] = ["*", "bypass:approve"]
    tokens.path.write_text(json.dumps(data))
    token = tokens.find(text)
    assert token is not None
    assert not tokens.allows(token, "bypass:approve")
    assert not tokens.allows(token, "trip:reset:low")


def test_a_token_holds_nothing_that_its_person_does_not(tokens: TokenStore) -> None:
    with pytest.raises(UserError, match="a token for vera cannot hold 'run:hold', because vera does not"):
        tokens.add("vera", "x", ["run:hold"], life_s=DAY_S)


def test_a_token_shrinks_with_its_person(tokens: TokenStore, users: UserStore) -> None:
    token = tokens.find(tokens.add("ada", "logbook", ["run:*", "read:*"], life_s=DAY_S))
    assert token is not None
    users.set_roles("ada", ["viewer"])
    assert (tokens.allows(token, "run:hold"), tokens.allows(token, "read:state")) == (False, True)
    users.disable("ada")
    assert not tokens.allows(token, "read:state")


@pytest.mark.parametrize(
    ("user", "scopes", "told"),
    [
        ("eve", ["read:*"], "there is no such user"),
        ("ada", [], "without scopes"),
        ("ada", ["run:everything"], "there is no scope 'run:everything'"),
    ],
)
def test_what_makes_no_sense_is_refused(tokens: TokenStore, user: str, scopes: list[str], told: str) -> None:
    with pytest.raises(UserError, match=told):
        tokens.add(user, "x", scopes, life_s=DAY_S)


def test_nobody_gets_a_token_for_a_disabled_person(tokens: TokenStore, users: UserStore) -> None:
    users.disable("ada")
    with pytest.raises(UserError, match="or they are disabled"):
        tokens.add("ada", "x", ["read:*"], life_s=DAY_S)


def test_a_damaged_entry_is_told(tokens: TokenStore) -> None:
    text = tokens.add("ada", "logbook", ["read:*"], life_s=DAY_S)
    data = json.loads(tokens.path.read_text())
    del next(iter(data["tokens"].values()))["expires_s"]
    tokens.path.write_text(json.dumps(data))
    with pytest.raises(PrivateFileError, match="is damaged"):
        tokens.find(text)
