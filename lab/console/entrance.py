"""Who may come in: people by their secret, their sessions, machines by tokens, local processes by their user id."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from lab.console.errors import TooOftenError, UnknownPersonError
from lab.console.peer import Peer
from lab.console.person import Person
from lab.safety.people.roles import Role
from lab.safety.people.sessions import LoginThrottle, Sessions
from lab.safety.people.tokens import TokenStore
from lab.safety.people.users import User, UserStore

SHELL_ROLES = frozenset({Role.OPERATOR, Role.ADMIN})
"""What a process of the service's own user may do. Never a safety officer: that takes a person's secret."""


class Audit(Protocol):
    """Where it is written who came in, such as `lab.safety.audit.log.AuditLog`."""

    def try_write(self, action: str, *, who: str, **fields: Any) -> str | None:
        """Append one record; never raises."""


@dataclass(frozen=True)
class Shown:
    """What a request shows of who sends it."""

    session: str | None = None
    """Id of a session, from a cookie."""
    bearer: str | None = None
    """A machine's token."""
    peer: Peer | None = None
    """The process at the other end of a Unix socket."""
    address: str = ""
    """Where it comes from, to slow down guessing."""

    @property
    def by_browser(self) -> bool:
        """Whether it may be a browser that shows its session by itself, whoever's page makes it send something."""
        return self.session is not None and self.bearer is None


@dataclass(frozen=True)
class Entrance:
    """Tells who somebody is."""

    users: UserStore
    tokens: TokenStore
    audit: Audit
    sessions: Sessions = field(default_factory=Sessions)
    throttle: LoginThrottle = field(default_factory=LoginThrottle)

    def identify(self, shown: Shown, *, touch: bool = True) -> Person | None:
        """Who it is, None where nothing proves it; what is shown expressly counts before the peer.

        Raises:
            UnknownPersonError: For a token that is worthless: whoever shows one means it.
            LabError: Where the files of users cannot be used.
        """
        if shown.bearer is not None:
            return self._by_token(shown.bearer)
        if shown.session is not None:
            person = self._by_session(shown.session, touch=touch)
            if person is not None:
                return person
        if shown.peer is not None and shown.peer.is_ours:
            return Person(shown.peer.login, SHELL_ROLES, f"peer {shown.peer.pid}")
        return None

    def name(self, shown: Shown) -> str:
        """How to call whoever it is, from memory alone: for a STOP, which waits for no file."""
        if shown.session is not None:
            session = self.sessions.find(shown.session, touch=False)
            if session is not None:
                return session.user
        if shown.peer is not None:
            return shown.peer.login
        return f"somebody at {shown.address}" if shown.address else "somebody"

    def log_in(self, name: str, secret: str, address: str) -> tuple[str, User]:
        """Open a session; gives its id.

        Raises:
            UnknownPersonError: Where name and secret do not belong together.
            TooOftenError: Where that was tried too often.
        """
        user = self.prove(name, secret, address)
        self.audit.try_write("login", who=user.name, address=address)
        return self.sessions.open(user.name, address), user

    def log_out(self, session_id: str) -> None:
        """End a session."""
        session = self.sessions.find(session_id, touch=False)
        if session is not None:
            self.sessions.close(session_id)
            self.audit.try_write("logout", who=session.user)

    def set_secret(self, name: str, secret: str, new: str, address: str) -> None:
        """Give a person the secret of their choice; all their sessions end.

        Raises:
            UnknownPersonError, TooOftenError: As for logging in.
            UserError: Where the new secret is none to be had.
        """
        user = self.prove(name, secret, address)
        self.users.set_secret(user.name, new)
        self.sessions.close_all(user.name)
        self.audit.try_write("secret-changed", who=user.name, durable=True, address=address)

    def prove(self, name: str, secret: str, address: str) -> User:
        """Make sure that it is the person; takes half a second.

        Raises:
            UnknownPersonError: Where name and secret do not belong together.
            TooOftenError: Where that was tried too often.
        """
        right = self.attempt(name, address)
        user = self.users.authenticate(name, secret)
        if user is None:
            self.audit.try_write("login-refused", who=name, address=address)
            raise UnknownPersonError(f"no user {name!r} has that secret: an admin can give a new one-time secret")
        right()
        return user

    def attempt(self, name: str, address: str) -> Callable[[], None]:
        """Count a try to prove who one is as failed; gives what is to be called where it was right.

        Raises:
            TooOftenError: Where that was tried too often.
        """
        wait_s = self.throttle.begin(name, address)
        if wait_s > 0:
            raise TooOftenError(f"too many tries for user {name!r}: try again in {wait_s:.0f} s", wait_s)
        return lambda: self.throttle.succeeded(name, address)

    def _by_session(self, session_id: str, *, touch: bool) -> Person | None:
        session = self.sessions.find(session_id, touch=touch)
        user = None if session is None else self.users.get(session.user)
        if user is None or user.disabled:
            return None
        return Person(user.name, user.roles, f"session {_short(session_id)}")

    def _by_token(self, text: str) -> Person:
        token = self.tokens.find(text)
        user = None if token is None else self.users.get(token.user)
        if token is None or user is None or user.disabled:
            raise UnknownPersonError("this token is not good: it may have expired; `athanor user tokens` lists them")
        scopes = frozenset(scope for scope in token.scopes if token.allows(scope))
        return Person(user.name, user.roles, f"token {token.id}", scopes)


def csrf_of(session_id: str) -> str:
    """What a page of a session proves with that it is ours; a foreign page can neither read nor make it."""
    return hmac.new(session_id.encode(), b"csrf", hashlib.sha256).hexdigest()


def _short(session_id: str) -> str:
    """Tells sessions apart and gives no access."""
    return hashlib.sha256(session_id.encode()).hexdigest()[:8]
