"""Somebody who asks the lab service for something."""

from __future__ import annotations

from dataclasses import dataclass

from lab.console.errors import NotAllowedError
from lab.safety.people.roles import ACTIONS, Role, covers, may

_RANKS = (Role.SAFETY_OFFICER, Role.OPERATOR, Role.ADMIN, Role.VIEWER)


@dataclass(frozen=True)
class Person:
    """Who asks, as far as was proved."""

    name: str
    roles: frozenset[Role]
    session: str | None = None
    """Which of the person's sessions it is, in words that give no access: ``peer 4711``, ``token a1``."""
    scopes: frozenset[str] | None = None
    """What a machine's token is limited to; None: whatever the roles hold."""

    @property
    def role(self) -> str | None:
        """In which role the person acts, for records: the one that reaches furthest."""
        return next((str(role) for role in _RANKS if role in self.roles), None)

    def may(self, action: str) -> bool:
        """Whether the person may take an action of `lab.safety.people.roles.ACTIONS`."""
        scope = ACTIONS[action]
        if scope is None or self.scopes is None:
            return may(self.roles, action)
        return may(self.roles, action) and any(covers(held, scope) for held in self.scopes)

    def require(self, action: str) -> None:
        """Make sure that the person may.

        Raises:
            NotAllowedError: Where not, with the scope that is missing.
        """
        if not self.may(action):
            roles = ", ".join(sorted(self.roles)) or "no role"
            raise NotAllowedError(
                f"{self.name} ({roles}) may not {action.replace('-', ' ')}: that needs the scope {ACTIONS[action]}"
            )
