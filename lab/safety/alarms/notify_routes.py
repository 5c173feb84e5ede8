"""Where notices go: webhooks and mail servers, from which priority on, and after how long.

No secret is in a configuration: it names an environment variable (``env:NAME``) or a file that only its owner may
read (``file:PATH``), and the secret is read when it is used.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lab.errors import LabError
from lab.safety.alarms.states import Priority
from lab.safety.people.private_file import PrivateFileError, check_private

TIMEOUT_S = 10.0
"""Nothing is sent for longer than that."""
MAIL_PORT = 587


class NotifyError(LabError):
    """A notice that did not go out, or a route that cannot be one."""


@dataclass(frozen=True)
class Secret:
    """Where a secret is: ``env:NAME`` or ``file:PATH``."""

    place: str

    def __post_init__(self) -> None:
        kind, _, name = self.place.partition(":")
        if kind not in {"env", "file"} or not name:
            # The text itself may be the secret: it is not repeated.
            raise NotifyError("a secret stands here as it is, and files are read by many: write env:NAME or file:PATH")

    def read(self) -> str:
        """The secret itself.

        Raises:
            NotifyError: Where it is not there, or others may read the file.
        """
        kind, _, name = self.place.partition(":")
        if kind == "env":
            if name not in os.environ:
                raise NotifyError(f"the environment variable {name} is not set: set it where the lab is started")
            return os.environ[name]
        try:
            with Path(name).expanduser().open(encoding="utf-8") as file:
                check_private(Path(name), os.fstat(file.fileno()))
                return file.read().strip()
        except PrivateFileError as error:
            raise NotifyError(str(error)) from None
        except (OSError, UnicodeDecodeError) as error:
            raise NotifyError(f"{name}: the secret cannot be read ({error}): give a file with it alone") from None


@dataclass(frozen=True)
class Webhook:
    """A JSON object by HTTP POST."""

    name: str
    url: str
    """``https://...`` or ``http://...``; ``env:NAME`` or ``file:PATH`` where the address is itself a secret."""
    from_priority: Priority = Priority.HIGH
    after_s: float = 0.0
    """How long an alarm must have waited for somebody before it goes out here."""
    timeout_s: float = TIMEOUT_S

    def __post_init__(self) -> None:
        if not self.url.startswith(("env:", "file:")):
            check_url(self.url)

    def address(self) -> str:
        """The address itself.

        Raises:
            NotifyError: Where it is kept elsewhere and is not there, or is no address.
        """
        if not self.url.startswith(("env:", "file:")):
            return self.url
        url = Secret(self.url).read()
        check_url(url)
        return url


@dataclass(frozen=True)
class Mail:
    """A mail by SMTP, encrypted unless the server is this computer."""

    name: str
    host: str
    to: tuple[str, ...]
    sender: str
    port: int = MAIL_PORT
    user: str | None = None
    secret: str | None = None
    """``env:NAME`` or ``file:PATH``."""
    from_priority: Priority = Priority.HIGH
    after_s: float = 0.0
    timeout_s: float = TIMEOUT_S

    def __post_init__(self) -> None:
        if (self.user is None) != (self.secret is None):
            raise NotifyError(f"mail over {self.host}: user and secret belong together: give both or none")
        if self.secret is not None:
            Secret(self.secret)
        for address in (self.sender, *self.to):
            if "@" not in address or any(char in address for char in " \r\n,;<>"):
                raise NotifyError(f"mail over {self.host}: {address!r} is no mail address: write name@host")
        if not self.to:
            raise NotifyError(f"mail over {self.host}: goes to nobody: give an address")


Route = Webhook | Mail


def check_url(url: str) -> None:
    """Refuse what is no plain web address; does not repeat it, for it may hold a secret.

    Raises:
        NotifyError: With what is allowed.
    """
    try:
        parts = urlsplit(url)
        host, user = parts.hostname, parts.username
    except ValueError:
        host = user = None
        parts = urlsplit("")
    if parts.scheme not in {"https", "http"} or not host or any(char.isspace() for char in url):
        raise NotifyError("a webhook's address must be https://HOST/PATH (or http://), or env:NAME, or file:PATH")
    if user is not None:
        raise NotifyError(f"the webhook's address at {host} has a password in it: write env:NAME or file:PATH")


def routes_to_json(routes: Iterable[Route]) -> list[dict[str, Any]]:
    """The routes as the supervisor is told them."""
    return [{"kind": "webhook" if isinstance(route, Webhook) else "mail", **asdict(route)} for route in routes]


def routes_from_json(data: Iterable[Mapping[str, Any]]) -> tuple[Route, ...]:
    """The routes that `routes_to_json` wrote.

    Raises:
        NotifyError: Where one is none.
    """
    return tuple(_route(entry) for entry in data)


def _route(entry: Mapping[str, Any]) -> Route:
    fields = {name: value for name, value in entry.items() if name != "kind"}
    try:
        fields["from_priority"] = Priority(fields["from_priority"])
        if entry["kind"] == "mail":
            return Mail(**{**fields, "to": tuple(fields["to"])})
        return Webhook(**fields)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotifyError(f"a route for notices cannot be read ({error}): check the lab file") from None
