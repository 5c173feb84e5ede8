"""``athanor user``: who may do what, and tokens for programs. Works on the files, with or without a running lab."""

from __future__ import annotations

import getpass
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.cli.errors import sentences
from lab.errors import LabError, UsageError

if TYPE_CHECKING:
    from lab.safety.people.tokens import TokenStore
    from lab.safety.people.users import Costs, UserStore


def add_user(name: str, roles: Iterable[str], *, store: Path, as_json: bool, costs: Costs | None = None) -> None:
    """Add a person and print a one-time secret, this once."""
    with sentences():
        secret = _users(store, costs).add(name, roles)
        _secret(name, secret, as_json=as_json)


def renew_user(name: str, *, store: Path, as_json: bool, costs: Costs | None = None) -> None:
    """Print a new one-time secret for a person who has lost theirs."""
    with sentences():
        secret = _users(store, costs).renew(name)
        _secret(name, secret, as_json=as_json)


def change_secret(
    name: str,
    *,
    store: Path,
    as_json: bool,
    ask_secret: Callable[[str], str] = getpass.getpass,
    costs: Costs | None = None,
) -> None:
    """Have a person replace their secret, which they must know."""
    with sentences():
        users = _users(store, costs)
        if users.authenticate(name, ask_secret(f"present secret of {name}: ")) is None:
            raise LabError(f"{name} is no user, is disabled, or the secret is wrong: ask an admin for a new one")
        secret = ask_secret("new secret: ")
        if ask_secret("new secret again: ") != secret:
            raise UsageError("the two new secrets differ: nothing was changed")
        users.set_secret(name, secret)
        _say({"user": name, "changed": True}, f"{name} has a secret of their own", as_json=as_json)


def set_roles(name: str, roles: Iterable[str], *, store: Path, as_json: bool) -> None:
    """Give a person other roles."""
    with sentences():
        users = _users(store)
        users.set_roles(name, roles)
        user = users.get(name)
        now = sorted(user.granted) if user is not None else []
        _say({"user": name, "roles": now}, f"{name} is {', '.join(now)}", as_json=as_json)


def disable_user(name: str, *, store: Path, as_json: bool) -> None:
    """Take all that a person may do."""
    with sentences():
        _users(store).disable(name)
        _say({"user": name, "disabled": True}, f"{name} can do nothing any more", as_json=as_json)


def list_users(*, store: Path, as_json: bool) -> None:
    """Print all people with their roles."""
    with sentences():
        found: list[dict[str, Any]] = [
            {
                "user": user.name,
                "roles": sorted(user.granted),
                "must_change": user.must_change,
                "disabled": user.disabled,
            }
            for user in _users(store).list()
        ]
        if as_json:
            sys.stdout.write(json.dumps(found) + "\n")
            return
        rows = [(u["user"], ", ".join(u["roles"]), _standing(u)) for u in found]
        _table(("user", "roles", ""), rows, "there are no users: `athanor user add NAME --role ROLE`")


def add_token(user: str, name: str, scopes: Iterable[str], *, life_s: float, store: Path, as_json: bool) -> None:
    """Print a token for a program that acts for a person, this once."""
    with sentences():
        token = _tokens(store).add(user, name, scopes, life_s=life_s)
        said = f"{token}\nit is shown this once; it acts for {user} and is good for {life_s / 86400:g} days"
        _say({"user": user, "name": name, "token": token, "life_s": life_s}, said, as_json=as_json)


def list_tokens(*, store: Path, as_json: bool) -> None:
    """Print all tokens, without what makes them work."""
    with sentences():
        now_s = time.time()
        found: list[dict[str, Any]] = [
            {
                "id": token.id,
                "user": token.user,
                "name": token.name,
                "scopes": sorted(token.scopes),
                "expires": datetime.fromtimestamp(token.expires_s, UTC).isoformat(timespec="seconds"),
                "good": not token.revoked and now_s < token.expires_s,
            }
            for token in _tokens(store).list()
        ]
        if as_json:
            sys.stdout.write(json.dumps(found) + "\n")
            return
        rows = [(t["id"], t["user"], t["name"], ", ".join(t["scopes"]), t["expires"], _good(t)) for t in found]
        _table(("id", "for", "name", "scopes", "expires", ""), rows, "there are no tokens")


def revoke_token(token_id: str, *, store: Path, as_json: bool) -> None:
    """Make a token worthless."""
    with sentences():
        _tokens(store).revoke(token_id)
        _say({"token": token_id, "revoked": True}, f"token {token_id} is worthless now", as_json=as_json)


def _users(store: Path, costs: Costs | None = None) -> UserStore:
    from lab.safety.people.users import UserStore

    return UserStore(store) if costs is None else UserStore(store, costs=costs)


def _tokens(store: Path) -> TokenStore:
    from lab.safety.people.tokens import TokenStore

    return TokenStore(store.with_name("tokens.json"), _users(store))


def _secret(name: str, secret: str, *, as_json: bool) -> None:
    said = f"{secret}\nthis one-time secret of {name} is shown this once: with it {name} sets one of their own"
    _say({"user": name, "secret": secret, "must_change": True}, said, as_json=as_json)


def _say(result: dict[str, Any], said: str, *, as_json: bool) -> None:
    sys.stdout.write((json.dumps(result) if as_json else said) + "\n")


def _standing(user: dict[str, Any]) -> str:
    if user["disabled"]:
        return "disabled"
    return "has a one-time secret" if user["must_change"] else ""


def _good(token: dict[str, Any]) -> str:
    return "" if token["good"] else "worthless"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], empty: str) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not rows:
        console.print(empty)
        return
    table = Table(*head)
    for row in rows:
        table.add_row(*row)
    console.print(table)
