"""Who is told of alarms, trips and questions: the part ``notify`` of a lab file.

    notify:
      routes:
        - {webhook: "https://chat.example.org/hooks/lab", from: high}
        - {smtp: "mail.example.org:587", to: [ada@example.org], sender: lab@example.org,
           user: lab, secret: "env:LAB_MAIL", from: medium, after: 10 min}

A route with ``after`` gets only what nobody has acknowledged by then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from lab.safety.alarms.notify_routes import MAIL_PORT, Mail, NotifyError, Route, Secret, Webhook, check_url
from lab.safety.alarms.states import Priority
from protocols.documents import FileModel, Seconds


class RouteFile(FileModel):
    """One route: a webhook or a mail server."""

    webhook: str | None = None
    smtp: str | None = None
    to: tuple[str, ...] = ()
    sender: str | None = None
    user: str | None = None
    secret: str | None = None
    from_: Priority = Field(Priority.HIGH, alias="from")
    after: Annotated[Seconds, Field(ge=0)] = 0.0

    @field_validator("webhook")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("env:", "file:")):
            _sentence(lambda: check_url(url))
        return url

    @field_validator("secret")
    @classmethod
    def _is_elsewhere(cls, secret: str | None) -> str | None:
        if secret is not None:
            _sentence(lambda: Secret(secret))
        return secret

    @model_validator(mode="after")
    def _is_one_of_both(self) -> RouteFile:
        if (self.webhook is None) == (self.smtp is None):
            raise ValueError("a route goes to a webhook or over smtp: give one of the two")
        if self.webhook is not None and (self.to or self.sender or self.user or self.secret):
            raise ValueError("to, sender, user and secret belong to smtp: leave them out for a webhook")
        if self.smtp is not None:
            _sentence(lambda: self.route("mail"))
        return self

    def route(self, name: str) -> Route:
        """The route for the supervisor.

        Raises:
            NotifyError: Where it cannot be one.
        """
        if self.webhook is not None:
            return Webhook(name, self.webhook, self.from_, self.after)
        host, port = _place(self.smtp or "")
        if self.sender is None:
            raise NotifyError(f"mail over {host} has no sender: give an address that {host} sends for")
        return Mail(name, host, self.to, self.sender, port, self.user, self.secret, self.from_, self.after)


class NotifyFile(FileModel):
    """All routes."""

    routes: tuple[RouteFile, ...] = ()

    @property
    def all(self) -> tuple[Route, ...]:
        """The routes for the supervisor, each with a name of its own."""
        return tuple(
            route.route(f"{'webhook' if route.webhook else 'mail'}-{i}") for i, route in enumerate(self.routes, start=1)
        )


def _place(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, str(MAIL_PORT)
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise NotifyError(f"smtp is {text!r}, and must be HOST:PORT, such as mail.example.org:{MAIL_PORT}")
    return host.strip("[]"), int(port)


def _sentence(make: Callable[[], object]) -> None:
    """Turn the refusal of a route into a fault of its line."""
    try:
        make()
    except NotifyError as error:
        raise ValueError(str(error)) from None
