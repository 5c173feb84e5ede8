from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.cli.user import (
    add_token,
    add_user,
    change_secret,
    disable_user,
    list_tokens,
    list_users,
    renew_user,
    revoke_token,
    set_roles,
)
from lab.safety.people.roles import Role
from lab.safety.people.tokens import TokenStore
from lab.safety.people.users import Costs, UserStore

CHEAP = Costs(1, 8, 1)
SECRET = "correct horse battery"
DAY_S = 86400.0


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "users.json"


def users(store: Path) -> UserStore:
    return UserStore(store, costs=CHEAP)


def added(store: Path, capsys: pytest.CaptureFixture[str], name: str = "ada", *roles: str) -> str:
    add_user(name, roles or ["operator"], store=store, as_json=True, costs=CHEAP)
    return str(json.loads(capsys.readouterr().out)["secret"])


def typing(*answers: str) -> Callable[[str], str]:
    given: Iterator[str] = iter(answers)
    return lambda prompt: next(given)


def test_a_new_user_gets_a_one_time_secret_that_is_shown_once(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_user("ada", ["operator", "safety-officer"], store=store, as_json=False, costs=CHEAP)
    secret, told = capsys.readouterr().out.splitlines()
    assert told == "this one-time secret of ada is shown this once: with it ada sets one of their own"
    user = users(store).authenticate("ada", secret)
    assert user is not None
    assert user.must_change
    assert user.granted == {Role.OPERATOR, Role.SAFETY_OFFICER}
    assert secret not in store.read_text()


def test_a_person_sets_a_secret_of_their_own(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = added(store, capsys)
    change_secret("ada", store=store, as_json=False, ask_secret=typing(first, SECRET, SECRET), costs=CHEAP)
    assert capsys.readouterr().out == "ada has a secret of their own\n"
    user = users(store).authenticate("ada", SECRET)
    assert user is not None
    assert user.roles == {Role.OPERATOR}


@pytest.mark.parametrize(
    ("answers", "code", "told"),
    [
        (("wrong", SECRET, SECRET), 1, "the secret is wrong"),
        (("", SECRET, SECRET + "x"), 2, "the two new secrets differ: nothing was changed"),
        (("", "short", "short"), 1, "the secret has 5 characters"),
    ],
)
def test_a_secret_that_is_not_changed_stays(
    store: Path, capsys: pytest.CaptureFixture[str], answers: tuple[str, ...], code: int, told: str
) -> None:
    first = added(store, capsys)
    ask = typing(answers[0] or first, *answers[1:])
    with pytest.raises(SystemExit) as ended:
        change_secret("ada", store=store, as_json=False, ask_secret=ask, costs=CHEAP)
    assert ended.value.code == code
    assert told in capsys.readouterr().err
    assert users(store).authenticate("ada", first) is not None


def test_a_lost_secret_is_replaced(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = added(store, capsys)
    renew_user("ada", store=store, as_json=True, costs=CHEAP)
    second = json.loads(capsys.readouterr().out)["secret"]
    assert users(store).authenticate("ada", first) is None
    assert users(store).authenticate("ada", second) is not None


def test_users_are_listed_with_what_they_are(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    list_users(store=store, as_json=False)
    assert "there are no users" in capsys.readouterr().out
    for name in ("ada", "ben", "cid"):
        added(store, capsys, name, "viewer", "admin")
    users(store).set_secret("ben", SECRET)
    disable_user("cid", store=store, as_json=False)
    set_roles("ben", ["operator"], store=store, as_json=False)
    assert capsys.readouterr().out == "cid can do nothing any more\nben is operator\n"
    list_users(store=store, as_json=False)
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert [[cell.strip() for cell in row.split("│")[1:-1]] for row in rows] == [
        ["ada", "admin, viewer", "has a one-time secret"],
        ["ben", "operator", ""],
        ["cid", "admin, viewer", "disabled"],
    ]
    list_users(store=store, as_json=True)
    assert json.loads(capsys.readouterr().out)[1] == {
        "user": "ben",
        "roles": ["operator"],
        "must_change": False,
        "disabled": False,
    }


@pytest.mark.parametrize(
    ("name", "roles", "code", "told"),
    [
        ("ada", ["operator"], 1, "user ada exists already"),
        ("Ada!", ["operator"], 1, "'Ada!' cannot name a user"),
        ("ben", ["boss"], 2, "no role is named 'boss'"),
        ("ben", [], 2, "no role was given"),
    ],
)
def test_a_user_that_cannot_be_is_told_in_a_sentence(
    store: Path, capsys: pytest.CaptureFixture[str], name: str, roles: list[str], code: int, told: str
) -> None:
    added(store, capsys)
    with pytest.raises(SystemExit) as ended:
        add_user(name, roles, store=store, as_json=False, costs=CHEAP)
    said = capsys.readouterr()
    assert (ended.value.code, said.out, said.err.count("\n")) == (code, "", 1)
    assert told in said.err


def test_a_token_is_shown_once_listed_and_revoked(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    added(store, capsys)
    users(store).set_secret("ada", SECRET)
    add_token("ada", "logbook", ["read:*"], life_s=30 * DAY_S, store=store, as_json=False)
    text, told = capsys.readouterr().out.splitlines()
    assert told == "it is shown this once; it acts for ada and is good for 30 days"
    tokens = TokenStore(store.with_name("tokens.json"), users(store))
    token = tokens.find(text)
    assert token is not None
    list_tokens(store=store, as_json=True)
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["id"], listed["user"], listed["scopes"], listed["good"]) == (token.id, "ada", ["read:*"], True)
    revoke_token(token.id, store=store, as_json=False)
    assert tokens.find(text) is None
    capsys.readouterr()
    list_tokens(store=store, as_json=False)
    printed = capsys.readouterr().out
    assert "worthless" in printed
    assert text[17:] not in printed


def test_a_token_for_what_people_decide_is_refused(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    added(store, capsys, "olga", "safety_officer")
    with pytest.raises(SystemExit) as ended:
        add_token("olga", "robot", ["bypass:approve"], life_s=DAY_S, store=store, as_json=False)
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        "athanor: a token cannot hold 'bypass:approve': that is decided by people, who log in\n"
    )
