"""Sends one message over one route: HTTP POST with certificates checked, or SMTP with STARTTLS.

Every send has a deadline for the whole of it: a time-out alone would let a server that answers one byte at a time
hold the line for ever.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import smtplib
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from typing import Any

from lab.safety.alarms.notify_routes import Mail, NotifyError, Route, Secret, Webhook
from lab.safety.alarms.states import Priority

LONGEST_LINES = 30
LONGEST_SUBJECT = 200
SMTPS_PORT = 465


@dataclass(frozen=True)
class Notice:
    """One thing that somebody must know of."""

    key: str
    text: str
    priority: Priority
    guidance: str = ""
    source: str = ""


@dataclass(frozen=True)
class Message:
    """What goes out at once."""

    lab: str
    world: str
    notices: tuple[Notice, ...]
    """The most urgent first."""
    flood: str | None = None
    """Where there are more alarms than anybody can read one by one: a line about them."""
    left_out: int = 0
    """How many more there were than could be kept."""

    @property
    def subject(self) -> str:
        """One line."""
        where = self.lab if self.world == "real" else f"{self.lab}, {self.world}"
        first = self.notices[0]
        if len(self.notices) == 1:
            return _one_line(f"[{where}] {first.priority.upper()}: {first.text}")
        return _one_line(f"[{where}] {len(self.notices)} alarms, the worst is {first.priority}: {first.text}")

    @property
    def body(self) -> str:
        """Every notice with what to do."""
        lines = [self.flood] if self.flood else []
        for notice in self.notices[:LONGEST_LINES]:
            lines.append(f"{notice.priority}: {notice.text}" + (f" -> {notice.guidance}" if notice.guidance else ""))
        missing = len(self.notices) - LONGEST_LINES
        if missing > 0:
            lines.append(f"and {missing} more")
        if self.left_out:
            lines.append(f"{self.left_out} more were not kept, because nothing could be sent for too long")
        return "\n".join(map(_printable, lines))

    def to_json(self) -> dict[str, Any]:
        """What a webhook gets; ``text`` is what chat services show."""
        return {
            "text": f"{self.subject}\n{self.body}",
            "subject": self.subject,
            "lab": self.lab,
            "world": self.world,
            "flood": self.flood,
            "notices": [asdict(notice) for notice in self.notices],
        }


def send(route: Route, message: Message, context: ssl.SSLContext | None = None) -> None:
    """Send a message, within the route's time.

    Args:
        route: Where to.
        message: What.
        context: Which certificates are believed; None: those that this computer believes.

    Raises:
        NotifyError: Where it did not arrive.
    """
    # Every fault of a wire, of a server and of a certificate is one of these.
    try:
        if isinstance(route, Webhook):
            _post(route, message, context or ssl.create_default_context())
        else:
            _mail(route, message, context or ssl.create_default_context())
    except urllib.error.HTTPError as error:
        error.close()
        raise NotifyError(f"{route.name}: the server answered {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException, smtplib.SMTPException, ValueError) as error:
        raise NotifyError(f"{route.name}: was not reached ({_told(error)})") from None


def _post(route: Webhook, message: Message, context: ssl.SSLContext) -> None:
    request = urllib.request.Request(
        route.address(),
        data=json.dumps(message.to_json()).encode(),
        headers={"Content-Type": "application/json", "User-Agent": "athanor"},
        method="POST",
    )
    made: list[http.client.HTTPConnection] = []
    opener = _opener(context, made)
    with (
        _deadline(route.timeout_s, lambda: made[-1].sock if made else None),
        opener.open(request, timeout=route.timeout_s),
    ):
        pass


def _opener(context: ssl.SSLContext, made: list[http.client.HTTPConnection]) -> urllib.request.OpenerDirector:
    """Opens web addresses only, follows no redirection, and tells its connections."""

    def plain(host: str, **options: Any) -> http.client.HTTPConnection:
        made.append(http.client.HTTPConnection(host, **options))
        return made[-1]

    def encrypted(host: str, **options: Any) -> http.client.HTTPSConnection:
        connection = http.client.HTTPSConnection(host, context=context, **options)
        made.append(connection)
        return connection

    class Http(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(plain, req)

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(encrypted, req)

    opener = urllib.request.OpenerDirector()
    error, default = urllib.request.HTTPErrorProcessor, urllib.request.HTTPDefaultErrorHandler
    for handler in (urllib.request.ProxyHandler(), Http(), Https(), default(), error()):
        opener.add_handler(handler)
    return opener


def _mail(route: Mail, message: Message, context: ssl.SSLContext) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = message.subject, route.sender, ", ".join(route.to)
    mail.set_content(f"{message.subject}\n\n{message.body}\n")
    secret = Secret(route.secret).read() if route.secret is not None else None
    made: list[smtplib.SMTP] = []
    with _deadline(route.timeout_s, lambda: made[-1].sock if made else None):
        server = _Encrypted(route, made, context) if route.port == SMTPS_PORT else _Plain(route, made)
        try:
            if route.port != SMTPS_PORT:
                _encrypt(server, route, context)
            if route.user is not None and secret is not None:
                server.login(route.user, secret)
            refused = server.send_message(mail)
            if refused:
                raise NotifyError(f"{route.name}: {', '.join(refused)} were refused by {route.host}")
            with suppress(smtplib.SMTPException, OSError):
                server.quit()
        finally:
            server.close()


class _Plain(smtplib.SMTP):
    """Tells of itself before it connects, so that connecting can be cut short too."""

    def __init__(self, route: Mail, made: list[smtplib.SMTP]) -> None:
        made.append(self)
        super().__init__(route.host, route.port, socket.gethostname(), timeout=route.timeout_s)


class _Encrypted(smtplib.SMTP_SSL):
    """The same, encrypted from the first byte."""

    def __init__(self, route: Mail, made: list[smtplib.SMTP], context: ssl.SSLContext) -> None:
        made.append(self)
        super().__init__(route.host, route.port, socket.gethostname(), timeout=route.timeout_s, context=context)


def _encrypt(server: smtplib.SMTP, route: Mail, context: ssl.SSLContext) -> None:
    server.ehlo_or_helo_if_needed()
    if server.has_extn("starttls"):
        server.starttls(context=context)
    elif route.user is not None or not _is_here(route.host):
        raise NotifyError(f"{route.name}: {route.host} offers no encryption (STARTTLS), so nothing was sent to it")


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def _deadline(seconds: float, sock: Callable[[], socket.socket | None]) -> Iterator[None]:
    """Cut the line when the time is over, wherever the work inside waits."""
    over = threading.Event()

    def cut() -> None:
        over.set()
        line = sock()
        if line is not None:
            with suppress(OSError):
                # Of the plain socket: one with encryption would take it from under the reader.
                socket.socket.shutdown(line, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException, smtplib.SMTPException):
        if over.is_set():
            raise TimeoutError(f"no answer within {seconds:g} s") from None
        raise
    finally:
        timer.cancel()


def _told(error: Exception) -> str:
    """What an error says, in one line; never an address, which may hold a secret."""
    if isinstance(error, urllib.error.URLError):
        return _one_line(str(error.reason))
    if isinstance(error, OSError | smtplib.SMTPException):
        return _one_line(str(error)) or type(error).__name__
    return type(error).__name__


def _one_line(text: str) -> str:
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= LONGEST_SUBJECT else line[: LONGEST_SUBJECT - 1] + "…"


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
