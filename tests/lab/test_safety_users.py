from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.safety.people import users as users_module
from lab.safety.people.private_file import PrivateFile, PrivateFileError
from lab.safety.people.roles import Role
from lab.safety.people.users import AT_ONCE, Costs, User, UserError, UserStore

CHEAP = Costs(passes=1, memory_kib=8, lanes=1)
GOOD = "correct horse battery"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "users.json"


@pytest.fixture
def users(path: Path) -> UserStore:
    return UserStore(path, costs=CHEAP)


def with_own_secret(users: UserStore, name: str = "ada", *roles: str) -> UserStore:
    users.add(name, roles or ("operator",))
    users.set_secret(name, GOOD)
    return users


# -- people and secrets


def test_a_one_time_secret_proves_who_somebody_is_and_lets_them_do_nothing(users: UserStore) -> None:
    secret = users.add("olga", ["operator", "safety-officer"])
    assert users.authenticate("olga", secret) == User(
        "olga", frozenset({Role.OPERATOR, Role.SAFETY_OFFICER}), must_change=True
    )
    user = users.authenticate("olga", secret)
    assert user is not None
    assert user.roles == frozenset()


def test_a_secret_of_ones_own_gives_the_roles_and_ends_the_one_time_secret(users: UserStore) -> None:
    first = users.add("olga", ["safety_officer"])
    users.set_secret("olga", GOOD)
    user = users.authenticate("olga", GOOD)
    assert user is not None
    assert user.roles == {Role.SAFETY_OFFICER}
    assert not user.must_change
    assert users.authenticate("olga", first) is None


def test_one_time_secrets_differ_and_are_long(users: UserStore) -> None:
    secrets = {users.add(f"user{i}", ["viewer"]) for i in range(20)}
    assert len(secrets) == 20
    assert {len(secret) for secret in secrets} == {24}


@pytest.mark.parametrize("secret", ["", "wrong", GOOD.upper(), GOOD + "x", "x" * 100_000, "\0", "\ud800"])
def test_a_wrong_secret_proves_nothing(users: UserStore, secret: str) -> None:
    assert with_own_secret(users).authenticate("ada", secret) is None


@pytest.mark.parametrize("name", ["eve", "", "ADA", "ada ", "\ud800"])
def test_an_unknown_name_proves_nothing(users: UserStore, name: str) -> None:
    assert with_own_secret(users).authenticate(name, GOOD) is None


def test_an_unknown_name_costs_as_much_as_a_wrong_secret(users: UserStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from argon2 import PasswordHasher

    paid: list[str] = []
    verify = PasswordHasher.verify

    def counted(hasher: PasswordHasher, hashed: str, secret: str) -> bool:
        paid.append(hashed[: hashed.rfind("$", 0, hashed.rfind("$"))])
        return verify(hasher, hashed, secret)

    with_own_secret(users)
    monkeypatch.setattr(PasswordHasher, "verify", counted)
    users.authenticate("ada", "wrong")
    users.authenticate("eve", "wrong")
    assert paid == ["$argon2id$v=19$m=8,t=1,p=1"] * 2


def test_a_secret_is_the_same_whichever_keyboard_wrote_it(users: UserStore) -> None:
    users.add("ada", ["viewer"])
    users.set_secret("ada", "Gr\u00fcnspan und Kalk")
    assert users.authenticate("ada", "Gru\u0308nspan und Kalk") is not None


def test_a_disabled_user_proves_nothing_and_keeps_the_name(users: UserStore) -> None:
    with_own_secret(users).disable("ada")
    assert users.authenticate("ada", GOOD) is None
    user = users.get("ada")
    assert user is not None
    assert user.disabled
    assert user.roles == frozenset()
    assert user.granted == {Role.OPERATOR}
    with pytest.raises(UserError, match="user ada exists already"):
        users.add("ada", ["viewer"])


def test_a_lost_secret_is_replaced_by_a_one_time_one(users: UserStore) -> None:
    with_own_secret(users).disable("ada")
    secret = users.renew("ada")
    user = users.authenticate("ada", secret)
    assert user is not None
    assert (user.must_change, user.disabled) == (True, False)
    assert users.authenticate("ada", GOOD) is None


def test_roles_can_be_changed(users: UserStore) -> None:
    with_own_secret(users).set_roles("ada", ["viewer"])
    user = users.get("ada")
    assert user is not None
    assert user.roles == {Role.VIEWER}


def test_all_are_listed_by_name(users: UserStore) -> None:
    for name in ("cid", "ada", "ben"):
        users.add(name, ["viewer"])
    assert [user.name for user in users.list()] == ["ada", "ben", "cid"]


@pytest.mark.parametrize("name", ["", "Ada", "ada lovelace", "a" * 33, "auto", "lab", "../x", "1a", "ada\n"])
def test_names_that_cannot_be_told_apart_in_a_log_are_refused(users: UserStore, name: str) -> None:
    with pytest.raises(UserError, match="cannot name a user"):
        users.add(name, ["viewer"])
    assert users.list() == ()


def test_a_role_that_does_not_exist_is_refused(users: UserStore) -> None:
    with pytest.raises(UsageError, match="no role is named 'boss'"):
        users.add("ada", ["boss"])
    assert users.list() == ()


@pytest.mark.parametrize(
    ("secret", "told"),
    [("x" * 11, "has 11 characters, and 12 to 256"), ("x" * 257, "has 257"), ("Ada-ada-12345", "more than the name")],
)
def test_a_secret_that_is_easily_guessed_is_refused(users: UserStore, secret: str, told: str) -> None:
    users.add("ada", ["viewer"])
    with pytest.raises(UserError, match=told) as error:
        users.set_secret("ada", secret)
    assert secret not in str(error.value)


@pytest.mark.parametrize("act", ["renew", "disable"])
def test_a_user_that_does_not_exist_is_told(users: UserStore, act: str) -> None:
    users.add("ada", ["viewer"])
    does: Callable[[str], object] = getattr(users, act)
    with pytest.raises(UserError, match="no user is named 'eve': there are ada"):
        does("eve")


def test_a_hash_made_at_lower_cost_is_made_anew_at_the_next_login(path: Path) -> None:
    with_own_secret(UserStore(path, costs=CHEAP))
    dearer = UserStore(path, costs=Costs(passes=2, memory_kib=16, lanes=1))
    assert dearer.authenticate("ada", GOOD) is not None
    assert json.loads(path.read_text())["users"]["ada"]["hash"].startswith("$argon2id$v=19$m=16,t=2,p=1$")
    assert dearer.authenticate("ada", GOOD) is not None


def test_the_usual_cost_is_that_of_argon2_cffi(path: Path) -> None:
    from argon2 import PasswordHasher

    usual = PasswordHasher()
    assert (Costs().passes, Costs().memory_kib, Costs().lanes) == (
        usual.time_cost,
        usual.memory_cost,
        usual.parallelism,
    )


def test_no_more_than_two_hashes_are_computed_at_once(users: UserStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from argon2 import PasswordHasher

    with_own_secret(users)
    counting, running, most = threading.Lock(), 0, 0
    both = threading.Barrier(AT_ONCE)

    def slow(hasher: PasswordHasher, hashed: str, secret: str) -> bool:
        nonlocal running, most
        with counting:
            running += 1
            most = max(most, running)
        both.wait(5)
        with counting:
            running -= 1
        return True

    monkeypatch.setattr(PasswordHasher, "verify", slow)
    threads = [threading.Thread(target=users.authenticate, args=("ada", GOOD)) for _ in range(3 * AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == AT_ONCE


def test_who_waits_too_long_for_a_turn_is_told(users: UserStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with_own_secret(users)
    monkeypatch.setattr(users_module, "PATIENCE_S", 0.0)
    with users._turn(), users._turn(), pytest.raises(UserError, match="too many people"):
        users.authenticate("ada", GOOD)


# -- the file


def test_the_file_holds_no_secret_and_is_for_its_owner_alone(users: UserStore, path: Path) -> None:
    secret = with_own_secret(users).add("ben", ["viewer"])
    text = path.read_text()
    assert GOOD not in text
    assert secret not in text
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_others_may_read_is_refused(users: UserStore, path: Path) -> None:
    with_own_secret(users)
    path.chmod(0o640)
    with pytest.raises(PrivateFileError, match=f"has mode 0640, and a file with secrets has 0600: chmod 600 {path}"):
        UserStore(path, costs=CHEAP).authenticate("ada", GOOD)


@pytest.mark.parametrize("text", ["", "[]", '{"users"', "null"])
def test_a_damaged_file_is_told(path: Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(PrivateFileError, match="is no JSON object"):
        UserStore(path, costs=CHEAP).list()


@pytest.mark.parametrize("entry", [{}, [], "x", {"roles": ["boss"], "must_change": False, "disabled": False}, None])
def test_a_damaged_entry_lets_nobody_in(path: Path, entry: object) -> None:
    path.touch(0o600)
    path.write_text(json.dumps({"users": {"ada": entry}}))
    users = UserStore(path, costs=CHEAP)
    if entry is None:
        assert users.authenticate("ada", GOOD) is None
        return
    with pytest.raises(PrivateFileError, match="the entry of ada is damaged"):
        users.authenticate("ada", GOOD)


def test_a_damaged_hash_lets_nobody_in(users: UserStore, path: Path) -> None:
    with_own_secret(users)
    data = json.loads(path.read_text())
    data["users"]["ada"]["hash"] = "plain"
    path.write_text(json.dumps(data))
    assert users.authenticate("ada", GOOD) is None


def test_what_another_process_changed_is_seen(users: UserStore, path: Path) -> None:
    with_own_secret(users)
    assert users.authenticate("ada", GOOD) is not None
    UserStore(path, costs=CHEAP).disable("ada")
    assert users.authenticate("ada", GOOD) is None


def test_without_a_file_there_is_nobody(users: UserStore) -> None:
    assert users.list() == ()
    assert users.authenticate("ada", GOOD) is None


def test_a_change_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    file = PrivateFile(path)
    with file.change() as data:
        data["a"] = 1

    def fail() -> None:
        with file.change() as data:
            data["a"] = 2
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert file.read() == {"a": 1}
    assert PrivateFile(path).read() == {"a": 1}


def test_changes_at_the_same_time_are_all_kept(path: Path) -> None:
    def add_many(start: int) -> None:
        file = PrivateFile(path)
        for i in range(start, start + 10):
            with file.change() as data:
                data[str(i)] = i

    threads = [threading.Thread(target=add_many, args=(100 * i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(PrivateFile(path).read()) == 40


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PrivateFileError, match="was not written"), PrivateFile(tmp_path / "file" / "u.json").change():
        pass
