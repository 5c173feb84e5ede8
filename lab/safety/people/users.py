"""The people of a laboratory: their roles, and how each proves who they are.

Secrets are kept as argon2id hashes. A one-time secret lets its owner set one of their own and nothing else, so that
who adds a user cannot act as that user.
"""

from __future__ import annotations

import base64
import re
import secrets
import threading
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import LabError
from lab.safety.people.private_file import PrivateFile, PrivateFileError
from lab.safety.people.roles import Role, parse_roles

if TYPE_CHECKING:
    from argon2 import PasswordHasher

AT_ONCE = 2
"""Hashes that are computed at the same time: each takes the memory that makes guessing costly."""
PATIENCE_S = 20.0
"""How long a proof waits for its turn."""
SHORTEST, LONGEST = 12, 256
"""Characters of a secret that a person chooses."""
_NAME = re.compile(r"[a-z][a-z0-9._-]{0,31}")
_TAKEN = frozenset({"auto", "manual", "lab", "supervisor", "safety", "nobody"})
"""Names by which the software itself acts."""


class UserError(LabError):
    """Something that cannot be done to a user."""


@dataclass(frozen=True)
class User:
    """One person."""

    name: str
    granted: frozenset[Role]
    """What the person may be once the secret is their own."""
    must_change: bool
    """Whether the secret is the one-time one, which somebody else has seen."""
    disabled: bool = False

    @property
    def roles(self) -> frozenset[Role]:
        """What the person may be now."""
        return frozenset() if self.must_change or self.disabled else self.granted


@dataclass(frozen=True)
class Costs:
    """What one guess costs; the defaults are those of argon2-cffi (RFC 9106, low memory)."""

    passes: int = 3
    memory_kib: int = 65536
    lanes: int = 4


class UserStore:
    """Users in a file that only its owner may read."""

    def __init__(self, path: Path, *, costs: Costs = Costs()) -> None:
        self.path = path
        self._costs = costs
        self._file = PrivateFile(path)
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    def add(self, name: str, roles: Iterable[str]) -> str:
        """Add a person.

        Returns:
            A one-time secret, which is kept nowhere.

        Raises:
            UserError: Where the name exists or cannot be one.
            UsageError: For a role that does not exist.
        """
        granted = parse_roles(roles)
        if not _NAME.fullmatch(name) or name in _TAKEN:
            raise UserError(
                f"{name!r} cannot name a user: use up to 32 of a-z, 0-9, . _ and -, beginning with a letter, "
                f"and none of {', '.join(sorted(_TAKEN))}"
            )
        secret, hashed = self._one_time()
        with self._file.change() as data:
            if name in data.setdefault("users", {}):
                raise UserError(f"user {name} exists already: give another name, or reset the secret")
            data["users"][name] = {"hash": hashed, "roles": sorted(granted), "must_change": True, "disabled": False}
        return secret

    def renew(self, name: str) -> str:
        """A new one-time secret for a person who has lost theirs; also enables them again.

        Raises:
            UserError: Where there is no such user.
        """
        secret, hashed = self._one_time()
        self._update(name, hash=hashed, must_change=True, disabled=False)
        return secret

    def set_secret(self, name: str, secret: str) -> None:
        """Give a person, who has proved to be that person, a secret of their own choice.

        Raises:
            UserError: Where there is no such user, or the secret is too short, too long or the name.
        """
        if not SHORTEST <= len(secret) <= LONGEST:
            raise UserError(f"the secret has {len(secret)} characters, and {SHORTEST} to {LONGEST} are allowed")
        if name.casefold() in secret.casefold() and len(secret) < len(name) + SHORTEST:
            raise UserError(f"the secret is little more than the name {name}: choose another")
        self._update(name, hash=self._hash(secret), must_change=False)

    def set_roles(self, name: str, roles: Iterable[str]) -> None:
        """Give a person other roles.

        Raises:
            UserError: Where there is no such user.
            UsageError: For a role that does not exist.
        """
        self._update(name, roles=sorted(parse_roles(roles)))

    def disable(self, name: str) -> None:
        """Take all that a person may do; the name stays taken, for the audit log names it.

        Raises:
            UserError: Where there is no such user.
        """
        self._update(name, disabled=True)

    def get(self, name: str) -> User | None:
        """One person, None where there is none of that name."""
        entry = self._entries().get(name)
        return None if entry is None else self._user(name, entry)

    def list(self) -> tuple[User, ...]:
        """All of them, by name."""
        return tuple(self._user(name, entry) for name, entry in sorted(self._entries().items()))

    def authenticate(self, name: str, secret: str) -> User | None:
        """The person, if the secret is theirs; takes as long for a name that does not exist.

        Takes about half a second of one core: not to be called where something waits for it.

        Raises:
            UserError: Where too many are proving who they are at the same time.
            PrivateFileError: Where the file cannot be used.
        """
        entry = self._entries().get(name)
        user = None if entry is None else self._user(name, entry)
        right = self._verify(self._nobody() if entry is None else str(entry.get("hash")), secret)
        if entry is None or user is None or not right or user.disabled:
            return None
        if self._hasher().check_needs_rehash(entry["hash"]):
            self._update(name, hash=self._hash(secret))
        return user

    def _one_time(self) -> tuple[str, str]:
        secret = "-".join(base64.b32encode(secrets.token_bytes(5)).decode().lower()[:4] for _ in range(5))
        return secret, self._hash(secret)

    def _update(self, name: str, **fields: object) -> None:
        with self._file.change() as data:
            if name not in data.get("users", {}):
                known = ", ".join(data.get("users", {})) or "none"
                raise UserError(f"no user is named {name!r}: there are {known}")
            data["users"][name] |= fields

    def _entries(self) -> Mapping[str, Any]:
        users = self._file.read().get("users", {})
        return users if isinstance(users, dict) else {}

    def _user(self, name: str, entry: Mapping[str, Any]) -> User:
        try:
            roles = frozenset(Role(role) for role in entry["roles"])
            user = User(name, roles, must_change=entry["must_change"] is not False)
            return replace(user, disabled=entry["disabled"] is not False)
        except (KeyError, ValueError, TypeError):
            raise PrivateFileError(
                f"{self.path}: the entry of {name} is damaged: restore the file from a copy"
            ) from None

    def _hasher(self) -> PasswordHasher:
        # Late: the supervisor needs it for approvals only.
        from argon2 import PasswordHasher

        return PasswordHasher(self._costs.passes, self._costs.memory_kib, self._costs.lanes)

    def _hash(self, secret: str) -> str:
        with self._turn():
            return self._hasher().hash(_bytes(secret))

    def _verify(self, hashed: str, secret: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        with self._turn():
            try:
                return self._hasher().verify(hashed, _bytes(secret))
            except (InvalidHashError, VerificationError):
                return False

    def _nobody(self) -> str:
        """A hash that no secret has, at the price of a real one."""
        salt, digest = (base64.b64encode(bytes(size)).decode().rstrip("=") for size in (16, 32))
        costs = self._costs
        return f"$argon2id$v=19$m={costs.memory_kib},t={costs.passes},p={costs.lanes}${salt}${digest}"

    def _turn(self) -> _Turn:
        return _Turn(self._turns)


def _bytes(secret: str) -> bytes:
    """The secret whichever keyboard wrote it; a longer one than allowed is nobody's and would only cost time."""
    return unicodedata.normalize("NFC", secret[: LONGEST + 1]).encode("utf-8", "surrogatepass")


class _Turn:
    """Waits for its turn, but not for ever."""

    def __init__(self, turns: threading.BoundedSemaphore) -> None:
        self._turns = turns

    def __enter__(self) -> None:
        if not self._turns.acquire(timeout=PATIENCE_S):
            raise UserError("too many people are proving who they are at the same time: try again in a minute")

    def __exit__(self, *_: object) -> None:
        self._turns.release()
