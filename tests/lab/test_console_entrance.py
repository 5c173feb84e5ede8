from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.console.entrance import Entrance, Shown, csrf_of
from lab.console.errors import NotAllowedError, TooOftenError, UnknownPersonError
from lab.console.peer import Peer
from lab.console.person import Person
from lab.safety.people.roles import Role
from lab.safety.people.sessions import LoginThrottle, Sessions
from lab.safety.people.tokens import TokenStore
from lab.safety.people.users import UserError, UserStore
from tests.lab.front import CHEAP, SECRET, Notes

DAY_S = 86400.0
MINE = Peer(4711, os.getuid())
OTHERS = Peer(4712, os.getuid() + 1 or 1)


class Time:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def entrance(tmp_path: Path, time: Time) -> Entrance:
    users = UserStore(tmp_path / "users.json", costs=CHEAP)
    for name, role in (("otto", "operator"), ("olga", "safety_officer")):
        users.add(name, [role])
        users.set_secret(name, SECRET)
    tokens = TokenStore(tmp_path / "tokens.json", users)
    return Entrance(users, tokens, Notes(), Sessions(time), LoginThrottle(time))


def notes(entrance: Entrance) -> list[str]:
    assert isinstance(entrance.audit, Notes)
    return entrance.audit.actions


def able(found: Person, *actions: str) -> set[str]:
    return {action for action in actions if found.may(action)}


def test_who_logs_in_is_known_by_the_session(entrance: Entrance) -> None:
    session, user = entrance.log_in("otto", SECRET, "127.0.0.1")
    found = entrance.identify(Shown(session=session))
    assert found is not None
    assert (found.name, set(found.roles)) == ("otto", {Role.OPERATOR})
    assert not user.must_change
    assert session not in repr(found)
    assert notes(entrance) == ["login"]


def test_a_wrong_secret_and_an_unknown_name_are_refused_in_the_same_words(entrance: Entrance, time: Time) -> None:
    told = []
    for name in ("otto", "nobody-here"):
        with pytest.raises(UnknownPersonError) as caught:
            entrance.log_in(name, "wrong", "127.0.0.1")
        told.append(str(caught.value).replace(name, "NAME"))
    assert told == ["no user 'NAME' has that secret: an admin can give a new one-time secret"] * 2
    assert notes(entrance) == ["login-refused"] * 2


def test_guessing_is_slowed_down_also_where_the_next_guess_is_right(entrance: Entrance, time: Time) -> None:
    for _ in range(4):
        with pytest.raises(UnknownPersonError):
            entrance.log_in("otto", "wrong", "10.0.0.9")
        time.now_s += 5.0
    with pytest.raises(UnknownPersonError):
        entrance.log_in("otto", "wrong", "10.0.0.9")
    with pytest.raises(TooOftenError, match="too many tries for user 'otto': try again in") as caught:
        entrance.log_in("otto", SECRET, "10.0.0.9")
    assert caught.value.retry_after_s > 0
    # Somebody else's guesses do not lock the person out.
    entrance.log_in("otto", SECRET, "127.0.0.1")


def test_a_session_ends_with_logging_out_and_with_its_time(entrance: Entrance, time: Time) -> None:
    first, _ = entrance.log_in("otto", SECRET, "")
    second, _ = entrance.log_in("otto", SECRET, "")
    entrance.log_out(first)
    assert entrance.identify(Shown(session=first)) is None
    assert entrance.identify(Shown(session=second)) is not None
    time.now_s += 12 * 3600.0
    assert entrance.identify(Shown(session=second)) is None
    entrance.log_out("nothing")
    assert notes(entrance) == ["login", "login", "logout"]


def test_only_looking_does_not_keep_a_session_alive(entrance: Entrance, time: Time) -> None:
    session, _ = entrance.log_in("otto", SECRET, "")
    for _ in range(3):
        time.now_s += 700.0
        found = entrance.identify(Shown(session=session), touch=False)
    assert found is None


def test_whoever_is_disabled_is_nobody_at_once(entrance: Entrance) -> None:
    session, _ = entrance.log_in("otto", SECRET, "")
    entrance.users.disable("otto")
    assert entrance.identify(Shown(session=session)) is None


def test_roles_that_change_change_at_once(entrance: Entrance) -> None:
    session, _ = entrance.log_in("otto", SECRET, "")
    entrance.users.set_roles("otto", ["viewer"])
    found = entrance.identify(Shown(session=session))
    assert found is not None
    with pytest.raises(NotAllowedError, match=r"otto \(viewer\) may not take: that needs the scope manual:low"):
        found.require("take")


def test_a_secret_of_ones_own_ends_all_sessions(entrance: Entrance) -> None:
    session, _ = entrance.log_in("otto", SECRET, "")
    with pytest.raises(UnknownPersonError):
        entrance.set_secret("otto", "wrong", "another horse battery", "10.0.0.9")
    with pytest.raises(UserError, match="12 to 256 are allowed"):
        entrance.set_secret("otto", SECRET, "short", "")
    assert entrance.identify(Shown(session=session)) is not None
    entrance.set_secret("otto", SECRET, "another horse battery", "127.0.0.1")
    assert entrance.identify(Shown(session=session)) is None
    entrance.log_in("otto", "another horse battery", "127.0.0.1")


def test_a_process_of_the_services_own_user_is_operator_and_admin_but_no_safety_officer(entrance: Entrance) -> None:
    found = entrance.identify(Shown(peer=MINE))
    assert found is not None
    assert (found.name, found.session) == (MINE.login, "peer 4711")
    assert able(found, "take", "reset", "users", "approve-bypass", "reset-high", "out-of-service") == {
        "take",
        "reset",
        "users",
    }


def test_a_process_of_another_user_must_show_something(entrance: Entrance) -> None:
    assert entrance.identify(Shown(peer=OTHERS)) is None
    session, _ = entrance.log_in("otto", SECRET, "")
    found = entrance.identify(Shown(session=session, peer=OTHERS))
    assert found is not None
    assert found.name == "otto"


def test_what_is_shown_expressly_counts_more_than_the_peer(entrance: Entrance) -> None:
    session, _ = entrance.log_in("olga", SECRET, "")
    found = entrance.identify(Shown(session=session, peer=MINE))
    assert found is not None
    assert found.roles == {Role.SAFETY_OFFICER}
    with pytest.raises(UnknownPersonError, match="this token is not good"):
        entrance.identify(Shown(bearer="sdl_0_0", peer=MINE))


def test_a_token_reaches_as_far_as_its_scopes_and_its_person(entrance: Entrance) -> None:
    text = entrance.tokens.add("otto", "night watch", ["read:*", "run:hold"], life_s=DAY_S)
    found = entrance.identify(Shown(bearer=text))
    assert found is not None
    assert (found.name, found.session) == ("otto", f"token {text.split('_')[1]}")
    assert able(found, "state", "hold", "take", "reset") == {"state", "hold"}
    entrance.users.set_roles("otto", ["viewer"])
    now = entrance.identify(Shown(bearer=text))
    assert now is not None
    assert able(now, "state", "hold") == {"state"}


def test_a_token_of_somebody_who_is_disabled_is_worthless(entrance: Entrance) -> None:
    text = entrance.tokens.add("otto", "night watch", ["read:*"], life_s=DAY_S)
    entrance.users.disable("otto")
    with pytest.raises(UnknownPersonError, match="this token is not good"):
        entrance.identify(Shown(bearer=text))


def test_whoever_stops_is_named_without_a_look_at_any_file(entrance: Entrance, tmp_path: Path) -> None:
    session, _ = entrance.log_in("otto", SECRET, "")
    entrance.users.path.write_text("{", encoding="utf-8")
    assert entrance.name(Shown(session=session)) == "otto"
    assert entrance.name(Shown(peer=MINE)) == MINE.login
    assert entrance.name(Shown(session="gone", address="10.0.0.9")) == "somebody at 10.0.0.9"
    assert entrance.name(Shown(bearer="sdl_0_0")) == "somebody"


def test_a_user_id_without_a_name_is_shown_as_a_number() -> None:
    assert Peer(1, 4_000_000_000).login == "uid-4000000000"


def test_pages_of_two_sessions_prove_themselves_differently() -> None:
    assert csrf_of("a" * 43) != csrf_of("b" * 43)
    assert len(csrf_of("a" * 43)) == 64


@pytest.mark.parametrize(
    ("roles", "role"),
    [
        ({Role.VIEWER, Role.OPERATOR}, "operator"),
        ({Role.OPERATOR, Role.SAFETY_OFFICER}, "safety_officer"),
        (set(), None),
    ],
)
def test_records_name_the_role_that_reaches_furthest(roles: set[Role], role: str | None) -> None:
    assert Person("otto", frozenset(roles)).role == role


def test_an_action_that_no_table_knows_is_a_defect_and_no_permission() -> None:
    with pytest.raises(KeyError):
        Person("adam", frozenset(Role)).may("open-the-pod-bay-doors")
