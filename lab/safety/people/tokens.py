"""Tokens for programs: ``sdl_ID_SECRET``, for a person, with few scopes, until a day.

A token never reaches further than the person it was made for, and never to what only people may decide.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.safety.people.private_file import PrivateFile, PrivateFileError
from lab.safety.people.roles import ACTIONS, SCOPES, allows, covers
from lab.safety.people.users import UserError, UserStore

LONGEST_S = 366 * 86400.0
FOR_PEOPLE = (
    "safety:",
    "bypass:approve",
    "trip:reset",
    "interlock:config",
    "manual:confirm",
    "users:",
    "config:",
)
"""Beginnings of scopes that no token can hold."""
_FORM = re.compile(r"sdl_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True)
class Token:
    """One token, without its secret; times in POSIX seconds."""

    id: str
    user: str
    name: str
    """What it is for."""
    scopes: frozenset[str]
    made_s: float
    expires_s: float
    revoked: bool = False

    def allows(self, scope: str) -> bool:
        """Whether the token itself reaches that far."""
        return not _for_people(scope) and any(covers(held, scope) for held in self.scopes)


class TokenStore:
    """Tokens in a file that only its owner may read; hashed, for they are as good as the secret of a person."""

    def __init__(self, path: Path, users: UserStore, now: Callable[[], float] = time.time) -> None:
        self.path = path
        self._users = users
        self._now = now
        self._file = PrivateFile(path)

    def add(self, user: str, name: str, scopes: Iterable[str], *, life_s: float) -> str:
        """Make a token.

        Args:
            user: The person in whose name it acts.
            name: What it is for.
            scopes: What it may do, such as ``read:*``.
            life_s: How long it is good, in seconds.

        Returns:
            The token, which is kept nowhere.

        Raises:
            UserError: Where the person does not exist or may not do that, or a scope is for people only.
        """
        owner = self._users.get(user)
        if owner is None or owner.disabled:
            raise UserError(f"a token for {user}: there is no such user, or they are disabled")
        if not 0 < life_s <= LONGEST_S:
            raise UserError(f"a token for {life_s / 86400:g} days was asked for, and at most 366 are allowed")
        wanted = frozenset(scopes)
        if not wanted:
            raise UserError("a token without scopes can do nothing: give some, such as read:*")
        for scope in sorted(wanted):
            _check(scope, user, [held for role in owner.granted for held in SCOPES[role]])
        token_id, secret, now_s = secrets.token_hex(6), secrets.token_urlsafe(32), self._now()
        with self._file.change() as data:
            data.setdefault("tokens", {})[token_id] = {
                "user": user,
                "name": name,
                "scopes": sorted(wanted),
                "made_s": now_s,
                "expires_s": now_s + life_s,
                "revoked": False,
                "hash": _hashed(secret),
            }
        return f"sdl_{token_id}_{secret}"

    def find(self, text: str) -> Token | None:
        """The token, if it is good now."""
        match = _FORM.fullmatch(text)
        entry = self._entries().get(match[1]) if match else None
        if match is None or entry is None or not hmac.compare_digest(str(entry.get("hash")), _hashed(match[2])):
            return None
        token = self._token(match[1], entry)
        good = not token.revoked and token.made_s <= self._now() < token.expires_s
        return token if good else None

    def allows(self, token: Token, scope: str) -> bool:
        """Whether a token may do something now: it reaches so far, and so does the person it acts for."""
        owner = self._users.get(token.user)
        return owner is not None and token.allows(scope) and allows(owner.roles, scope)

    def revoke(self, token_id: str) -> None:
        """Make a token worthless.

        Raises:
            UserError: Where there is none of that id.
        """
        with self._file.change() as data:
            if token_id not in data.get("tokens", {}):
                raise UserError(f"no token has the id {token_id!r}: `athanor user tokens` lists them")
            data["tokens"][token_id]["revoked"] = True

    def list(self) -> tuple[Token, ...]:
        """All that were ever made, oldest first."""
        tokens = (self._token(token_id, entry) for token_id, entry in self._entries().items())
        return tuple(sorted(tokens, key=lambda token: token.made_s))

    def _entries(self) -> Mapping[str, Any]:
        tokens = self._file.read().get("tokens", {})
        return tokens if isinstance(tokens, dict) else {}

    def _token(self, token_id: str, entry: Mapping[str, Any]) -> Token:
        try:
            return Token(
                token_id,
                entry["user"],
                entry["name"],
                frozenset(entry["scopes"]),
                float(entry["made_s"]),
                float(entry["expires_s"]),
                revoked=entry["revoked"] is not False,
            )
        except (KeyError, ValueError, TypeError):
            raise PrivateFileError(
                f"{self.path}: the entry of token {token_id} is damaged: restore the file from a copy"
            ) from None


def _check(scope: str, user: str, held: Iterable[str]) -> None:
    if _for_people(scope):
        raise UserError(f"a token cannot hold {scope!r}: that is decided by people, who log in")
    if not any(covers(own, scope) for own in held):
        raise UserError(f"a token for {user} cannot hold {scope!r}, because {user} does not")
    if not any(covers(scope, known) for known in ACTIONS.values() if known is not None):
        raise UserError(
            f"there is no scope {scope!r}: there are {', '.join(sorted({*filter(None, ACTIONS.values())}))}"
        )


def _for_people(scope: str) -> bool:
    """Also of a scope with ``*`` that holds such a one: ``bypass:*``."""
    stem = scope.removesuffix("*")
    return any(stem.startswith(kept) or (scope.endswith("*") and kept.startswith(stem)) for kept in FOR_PEOPLE)


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
