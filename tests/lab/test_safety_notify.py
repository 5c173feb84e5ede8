from __future__ import annotations

import base64
import http.server
import json
import queue
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

import pytest

from lab.errors import LabError
from lab.safety.alarms.book import AlarmBook
from lab.safety.alarms.notify import FAILURES, Notifier
from lab.safety.alarms.notify_routes import Mail, NotifyError, Route, Secret, Webhook, routes_from_json, routes_to_json
from lab.safety.alarms.notify_send import LONGEST_LINES, Message, Notice, send
from lab.safety.alarms.states import Priority

WAIT_S = 5.0
"""Longest wait for what comes at once."""


def notice(key: str = "water", text: str = "flow is low", priority: str = "high") -> Notice:
    return Notice(key, text, Priority(priority), "open the tap", "supervisor")


def message(*notices: Notice, world: str = "real", **fields: Any) -> Message:
    return Message("powder-1", world, notices or (notice(),), **fields)


# -- messages


def test_a_message_says_where_what_and_what_to_do() -> None:
    told = message()
    assert told.subject == "[powder-1] HIGH: flow is low"
    assert told.body == "high: flow is low -> open the tap"


def test_a_simulated_lab_says_so() -> None:
    assert message(world="simulated").subject == "[powder-1, simulated] HIGH: flow is low"


def test_many_are_one_message_with_the_worst_first_and_an_end() -> None:
    many = [notice(f"a{i}", f"alarm {i}") for i in range(LONGEST_LINES + 5)]
    told = message(*many, flood="35 new alarms in 10 minutes", left_out=7)
    assert told.subject == "[powder-1] 35 alarms, the worst is high: alarm 0"
    lines = told.body.splitlines()
    assert lines[0] == "35 new alarms in 10 minutes"
    assert lines[-2:] == ["and 5 more", "7 more were not kept, because nothing could be sent for too long"]
    assert len(lines) == LONGEST_LINES + 3


def test_a_subject_is_one_short_line_whatever_an_alarm_says() -> None:
    told = message(notice(text="a\r\nBcc: eve@example.org\0 " + "x" * 500))
    assert told.subject.startswith("[powder-1] HIGH: a Bcc: eve@example.org x")
    assert len(told.subject) == 200


# -- routes and secrets


def test_routes_go_to_json_and_back() -> None:
    routes: tuple[Route, ...] = (
        Webhook("webhook-1", "https://chat.example.org/x", Priority.MEDIUM, 60.0),
        Mail("mail-2", "mail.example.org", ("ada@example.org",), "lab@example.org", 587, "lab", "env:LAB_MAIL"),
    )
    assert routes_from_json(json.loads(json.dumps(routes_to_json(routes)))) == routes


@pytest.mark.parametrize("change", [{"from_priority": "urgent"}, {"url": 3}, {"more": 1}, {"from_priority": None}])
def test_a_route_that_cannot_be_read_is_told(change: dict[str, Any]) -> None:
    (data,) = routes_to_json([Webhook("webhook-1", "https://chat.example.org/x")])
    with pytest.raises(NotifyError, match="cannot be read"):
        routes_from_json([data | change])


@pytest.mark.parametrize(
    "url", ["ftp://x/y", "file:///etc/passwd"[5:], "https://", "chat.example.org", "https://a b/", "http://[::1/x", ""]
)
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(NotifyError, match="must be https://HOST/PATH"):
        Webhook("hook", url)


def test_a_password_in_an_address_or_in_place_of_a_secret_is_refused_and_not_repeated() -> None:
    with pytest.raises(NotifyError, match="has a password in it: write env:NAME or file:PATH") as error:
        Webhook("hook", "https://lab:hunter2@chat.example.org/x")
    assert "hunter2" not in str(error.value)
    with pytest.raises(NotifyError, match="write env:NAME or file:PATH") as error:
        Mail("mail", "mail.example.org", ("ada@example.org",), "lab@example.org", user="lab", secret="hunter2")
    assert "hunter2" not in str(error.value)
    assert isinstance(error.value, LabError)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"to": ()}, "goes to nobody"),
        ({"to": ("ada",)}, "'ada' is no mail address"),
        ({"sender": "lab@x\r\nBcc: eve@x"}, "is no mail address"),
        ({"user": "lab"}, "user and secret belong together"),
        ({"secret": "env:X"}, "user and secret belong together"),
    ],
)
def test_a_mail_route_that_cannot_work_is_refused(fields: dict[str, Any], told: str) -> None:
    given = {"to": ("ada@example.org",), "sender": "lab@example.org", **fields}
    with pytest.raises(NotifyError, match=told):
        Mail("mail", "mail.example.org", **given)


def test_a_secret_is_read_where_it_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAB_MAIL", "hunter2")
    assert Secret("env:LAB_MAIL").read() == "hunter2"
    monkeypatch.delenv("LAB_MAIL")
    with pytest.raises(NotifyError, match="the environment variable LAB_MAIL is not set"):
        Secret("env:LAB_MAIL").read()
    file = tmp_path / "secret"
    file.touch(0o600)
    file.write_text("hunter3\n")
    assert Secret(f"file:{file}").read() == "hunter3"
    file.chmod(0o644)
    with pytest.raises(NotifyError, match="has mode 0644"):
        Secret(f"file:{file}").read()
    file.unlink()
    with pytest.raises(NotifyError, match="cannot be read"):
        Secret(f"file:{file}").read()


# -- a real web server


class Hooks(http.server.ThreadingHTTPServer):
    """Keeps what is posted; answers with `status`, or not at all."""

    daemon_threads = True

    def __init__(self) -> None:
        self.posted: queue.Queue[dict[str, Any]] = queue.Queue()
        self.status = 200
        self.trickles = False
        self.release = threading.Event()
        super().__init__(("127.0.0.1", 0), _Hook)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"


class _Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = cast(Hooks, self.server)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if server.trickles:
            # Always a little, so that no time-out of one read ever comes.
            while not server.release.wait(0.02):
                try:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n"[:1])
                except OSError:
                    return
            return
        server.posted.put({"path": self.path, "type": self.headers["Content-Type"], **body})
        self.send_response(server.status)
        if server.status == 302:
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    with Hooks() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.release.set()
        server.shutdown()
        thread.join()


@pytest.mark.system
def test_a_webhook_gets_text_for_chats_and_fields_for_programs(hooks: Hooks) -> None:
    send(Webhook("hook", hooks.url), message(notice(text="flow is 0 °C/min")))
    posted = hooks.posted.get(timeout=WAIT_S)
    assert (posted["path"], posted["type"], posted["lab"]) == ("/hook", "application/json", "powder-1")
    assert posted["text"].startswith("[powder-1] HIGH: flow is 0 °C/min\n")
    assert posted["notices"] == [
        {
            "key": "water",
            "text": "flow is 0 °C/min",
            "priority": "high",
            "guidance": "open the tap",
            "source": "supervisor",
        }
    ]


@pytest.mark.system
@pytest.mark.parametrize("status", [302, 400, 404, 500])
def test_a_server_that_does_not_take_it_is_told(hooks: Hooks, status: int) -> None:
    hooks.status = status
    with pytest.raises(NotifyError, match=f"hook: the server answered {status}"):
        send(Webhook("hook", hooks.url), message())


@pytest.mark.system
def test_a_server_that_answers_one_byte_at_a_time_is_cut_off(hooks: Hooks) -> None:
    hooks.trickles = True
    began_s = time.monotonic()
    with pytest.raises(NotifyError, match=r"no answer within 0.2 s"):
        send(Webhook("hook", hooks.url, timeout_s=0.2), message())
    assert time.monotonic() - began_s < 2.0


@pytest.mark.system
def test_a_server_that_is_not_there_is_told_without_the_address() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/secret-path"
        with pytest.raises(NotifyError, match="hook: was not reached") as error:
            send(Webhook("hook", url), message())
    assert "secret-path" not in str(error.value)


@pytest.mark.system
def test_an_address_that_is_a_secret_is_read_when_it_is_used(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", hooks.url)
    send(Webhook("hook", "env:HOOK"), message())
    assert hooks.posted.get(timeout=WAIT_S)["path"] == "/hook"
    monkeypatch.setenv("HOOK", "file:///etc/passwd")
    with pytest.raises(NotifyError, match="must be https://HOST/PATH"):
        send(Webhook("hook", "env:HOOK"), message())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate with its key, for localhost and 127.0.0.1, which nobody but this test believes."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl program is needed to make a certificate")
    folder = tmp_path_factory.mktemp("certificate")
    both = folder / "both.pem"
    make = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2"]
    subprocess.run([*make, *names, "-keyout", folder / "key", "-out", folder / "cert"], check=True, capture_output=True)
    both.write_bytes((folder / "key").read_bytes() + (folder / "cert").read_bytes())
    return both


@pytest.mark.system
def test_certificates_are_checked(hooks: Hooks, certificate: Path) -> None:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)
    hooks.socket = server_side.wrap_socket(hooks.socket, server_side=True)
    route = Webhook("hook", hooks.url.replace("http:", "https:"))
    with pytest.raises(NotifyError, match="CERTIFICATE_VERIFY_FAILED"):
        send(route, message())
    assert hooks.posted.empty()
    send(route, message(), ssl.create_default_context(cafile=str(certificate)))
    assert hooks.posted.get(timeout=WAIT_S)["lab"] == "powder-1"


# -- a real mail server


class Post(socketserver.ThreadingTCPServer):
    """A mail server that keeps what it gets: who logged in, whether it was encrypted, the mail."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, certificate: Path | None) -> None:
        self.context: ssl.SSLContext | None = None
        if certificate is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate)
        self.password = base64.b64encode(b"\0lab\0hunter2").decode()
        self.refuses = ""
        self.delivered: queue.Queue[dict[str, Any]] = queue.Queue()
        super().__init__(("127.0.0.1", 0), _Letter)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Letter(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        try:
            self._talk()
        except OSError:
            return
        finally:
            # The encrypted one, which the server does not know of.
            self.rfile.close()
            self.connection.close()

    def _talk(self) -> None:
        server = cast(Post, self.server)
        said: dict[str, Any] = {"encrypted": False, "user": None, "to": []}
        self._say("220 here")
        while line := self.rfile.readline():
            words = line.decode().strip().split(" ")
            verb = words[0].upper()
            if verb == "EHLO":
                offers = ["250-here"]
                if server.context is not None and not said["encrypted"]:
                    offers.append("250-STARTTLS")
                self._say("\r\n".join([*offers, "250 AUTH PLAIN"]))
            elif verb == "STARTTLS" and server.context is not None:
                self._say("220 go on")
                self.connection = server.context.wrap_socket(self.connection, server_side=True)
                self.rfile = self.connection.makefile("rb")
                said["encrypted"] = True
            elif verb == "AUTH":
                good = words[2] == server.password
                said["user"] = "lab" if good else None
                self._say("235 come in" if good else "535 wrong")
            elif verb == "RCPT":
                refused = server.refuses and server.refuses in line.decode()
                said["to"] += [] if refused else [words[1]]
                self._say("550 nobody" if refused else "250 ok")
            elif verb == "DATA":
                self._say("354 go on")
                lines = []
                while (part := self.rfile.readline()) not in {b".\r\n", b""}:
                    lines.append(part)
                server.delivered.put({**said, "mail": message_from_bytes(b"".join(lines), policy=policy.default)})
                self._say("250 taken")
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def _say(self, text: str) -> None:
        self.connection.sendall(text.encode() + b"\r\n")


@pytest.fixture
def post() -> Iterator[Callable[[Path | None], Post]]:
    started: list[tuple[Post, threading.Thread]] = []

    def start(certificate: Path | None) -> Post:
        server = Post(certificate)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        started.append((server, thread))
        return server

    yield start
    for server, thread in started:
        server.shutdown()
        server.server_close()
        thread.join()


def mail_route(server: Post, **fields: Any) -> Mail:
    given = {"to": ("ada@example.org", "ben@example.org"), "sender": "lab@example.org", **fields}
    return Mail("mail", "127.0.0.1", port=server.port, **given)


@pytest.mark.system
def test_a_mail_goes_encrypted_to_all_with_the_secret_from_where_it_is_kept(
    post: Callable[[Path | None], Post], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_MAIL", "hunter2")
    server = post(certificate)
    believing = ssl.create_default_context(cafile=str(certificate))
    send(mail_route(server, user="lab", secret="env:LAB_MAIL"), message(notice(text="flow is 0 °")), believing)
    delivered = server.delivered.get(timeout=WAIT_S)
    assert (delivered["encrypted"], delivered["user"]) == (True, "lab")
    assert delivered["to"] == ["TO:<ada@example.org>", "TO:<ben@example.org>"]
    mail: EmailMessage = delivered["mail"]
    assert (mail["Subject"], mail["From"]) == ("[powder-1] HIGH: flow is 0 °", "lab@example.org")
    assert mail["To"] == "ada@example.org, ben@example.org"
    assert "high: flow is 0 ° -> open the tap" in mail.get_content()


@pytest.mark.system
def test_a_mail_server_whose_certificate_nobody_believes_gets_nothing(
    post: Callable[[Path | None], Post], certificate: Path
) -> None:
    server = post(certificate)
    with pytest.raises(NotifyError, match="CERTIFICATE_VERIFY_FAILED"):
        send(mail_route(server), message())
    assert server.delivered.empty()


@pytest.mark.system
def test_a_secret_never_goes_over_a_line_that_is_not_encrypted(
    post: Callable[[Path | None], Post], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_MAIL", "hunter2")
    server = post(None)
    with pytest.raises(NotifyError, match="offers no encryption"):
        send(mail_route(server, user="lab", secret="env:LAB_MAIL"), message())
    # To this computer's own mail server without a secret it may.
    send(mail_route(server), message())
    assert server.delivered.get(timeout=WAIT_S)["encrypted"] is False


@pytest.mark.system
def test_a_wrong_secret_and_a_refused_address_are_told(
    post: Callable[[Path | None], Post], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_MAIL", "hunter3")
    server = post(certificate)
    believing = ssl.create_default_context(cafile=str(certificate))
    with pytest.raises(NotifyError, match="535") as error:
        send(mail_route(server, user="lab", secret="env:LAB_MAIL"), message(), believing)
    assert "hunter3" not in str(error.value)
    server.refuses = "ben@"
    with pytest.raises(NotifyError, match=r"ben@example.org were refused"):
        send(mail_route(server), message(), believing)


@pytest.mark.system
def test_a_mail_server_that_says_nothing_is_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        route = Mail(
            "mail", "127.0.0.1", ("ada@example.org",), "lab@example.org", silent.getsockname()[1], timeout_s=0.2
        )
        with pytest.raises(NotifyError, match="mail: was not reached"):
            send(route, message())


# -- the notifier


class Routes:
    """Takes what is sent, or fails."""

    def __init__(self) -> None:
        self.sent: queue.Queue[tuple[str, Message]] = queue.Queue()
        self.broken: set[str] = set()
        self.hangs: set[str] = set()
        self.go_on = threading.Event()
        self.tried: queue.Queue[str] = queue.Queue()

    def send(self, route: Route, message: Message) -> None:
        self.tried.put(route.name)
        if route.name in self.hangs:
            self.go_on.wait(WAIT_S)
        if route.name in self.broken:
            raise NotifyError(f"{route.name}: was not reached (no way)")
        self.sent.put((route.name, message))

    def next(self) -> tuple[str, list[str]]:
        name, told = self.sent.get(timeout=WAIT_S)
        return name, [notice.key for notice in told.notices]


class Time:
    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def routes() -> Routes:
    return Routes()


@pytest.fixture
def now() -> Time:
    return Time()


@pytest.fixture
def notifier(routes: Routes, now: Time) -> Iterator[Callable[..., Notifier]]:
    made: list[Notifier] = []

    def make(*wanted: Route) -> Notifier:
        made.append(Notifier(wanted, lab="powder-1", send=routes.send, now=now))
        return made[-1]

    yield make
    routes.go_on.set()
    for each in made:
        each.close()


def hook(name: str = "one", priority: str = "low", after_s: float = 0.0) -> Webhook:
    return Webhook(name, "http://localhost/", Priority(priority), after_s)


def raised(book: AlarmBook, key: str = "water", priority: str = "high") -> None:
    book.raise_(key, text=f"{key} is low", guidance="open the tap", priority=priority, source="supervisor")


def test_an_alarm_goes_out_when_it_is_raised(notifier: Callable[..., Notifier], routes: Routes) -> None:
    book = AlarmBook(lambda: 0.0)
    notifier(hook()).watch(book)
    raised(book)
    name, told = routes.sent.get(timeout=WAIT_S)
    assert (name, told.lab, told.notices) == (
        "one",
        "powder-1",
        (Notice("water", "water is low", Priority.HIGH, "open the tap", "supervisor"),),
    )


def test_what_nobody_has_acknowledged_before_goes_out_at_the_start(
    notifier: Callable[..., Notifier], routes: Routes
) -> None:
    book = AlarmBook(lambda: 0.0)
    raised(book, "seen")
    book.acknowledge("seen", "ada")
    raised(book, "unseen")
    book.clear("unseen")
    watching = notifier(hook())
    watching.watch(book)
    assert routes.next() == ("one", ["unseen"])
    watching.close()
    assert routes.sent.empty()


def test_an_alarm_that_nobody_acknowledges_goes_to_the_next_route(
    notifier: Callable[..., Notifier], routes: Routes, now: Time
) -> None:
    book = AlarmBook(now)
    notifier(hook("chat"), hook("mail", after_s=600.0)).watch(book)
    raised(book, "water")
    assert routes.next() == ("chat", ["water"])
    raised(book, "pump")
    assert routes.next() == ("chat", ["pump"])
    book.acknowledge("water", "ada")
    now.s = 600.0
    # Anything that is offered makes every route look at its clock.
    raised(book, "gas", "low")
    assert sorted([routes.next(), routes.next()]) == [("chat", ["gas"]), ("mail", ["pump"])]


@pytest.mark.parametrize("hide", ["shelve", "take_out"])
def test_what_is_hidden_does_not_go_out_and_comes_when_it_is_back(
    notifier: Callable[..., Notifier], routes: Routes, hide: str
) -> None:
    book = AlarmBook(lambda: 0.0)
    raised(book)
    if hide == "shelve":
        book.shelve("water", "ada", 60.0, "known")
    else:
        book.take_out("water", "ada", "known")
    notifier(hook()).watch(book)
    raised(book, "pump")
    assert routes.next() == ("one", ["pump"])
    if hide == "shelve":
        book.unshelve("water", "ada")
    else:
        book.put_back("water", "ada")
    assert routes.next() == ("one", ["water"])


def test_a_notice_goes_out_until_it_is_settled(notifier: Callable[..., Notifier], routes: Routes, now: Time) -> None:
    sending = notifier(hook("chat"), hook("mail", after_s=600.0))
    sending.notify(notice("water"))
    assert routes.next() == ("chat", ["water"])
    sending.settle("water")
    now.s = 600.0
    sending.close()
    assert routes.sent.empty()


def test_a_flood_is_one_message(notifier: Callable[..., Notifier], routes: Routes, now: Time) -> None:
    book = AlarmBook(now)
    routes.hangs.add("one")
    notifier(hook()).watch(book)
    raised(book, "first")
    routes.tried.get(timeout=WAIT_S)
    for i in range(30):
        raised(book, f"alarm-{i}")
    routes.go_on.set()
    assert routes.next() == ("one", ["first"])
    _, told = routes.sent.get(timeout=WAIT_S)
    assert len(told.notices) == 30
    assert told.flood is not None
    assert told.flood.startswith("31 new alarms in 10 minutes; the first: first is low")


def test_a_route_that_hangs_delays_neither_the_caller_nor_another_route(
    notifier: Callable[..., Notifier], routes: Routes
) -> None:
    routes.hangs.add("dead")
    book = AlarmBook(lambda: 0.0)
    notifier(hook("dead"), hook("alive")).watch(book)
    raised(book, "water")
    assert routes.next() == ("alive", ["water"])
    for i in range(3):
        raised(book, f"a{i}")
        assert routes.next() == ("alive", [f"a{i}"])
    routes.go_on.set()
    assert routes.next()[0] == "dead"


def test_a_route_that_keeps_failing_is_an_alarm_over_the_others_until_it_works(
    notifier: Callable[..., Notifier], routes: Routes, now: Time
) -> None:
    book = AlarmBook(now)
    routes.broken.add("dead")
    watching = notifier(hook("dead"), hook("alive"))
    watching.watch(book)
    raised(book, "water")
    assert routes.next() == ("alive", ["water"])
    tries = 0
    while tries < FAILURES:
        if routes.tried.get(timeout=WAIT_S) == "dead":
            tries += 1
            now.s += 1000.0
            watching.settle("nothing")
            watching.notify(notice("nudge", priority="low"))
            watching.settle("nudge")
    told = routes.next()
    while told[1] != ["notify:dead"]:
        told = routes.next()
    assert told[0] == "alive"
    alarm = book.get("notify:dead")
    assert alarm is not None
    assert alarm.active
    assert "dead: was not reached (no way)" in alarm.text
    routes.broken.clear()
    cleared = threading.Event()
    book.subscribe(lambda change, alarm: cleared.set() if (change, alarm.key) == ("cleared", "notify:dead") else None)
    now.s += 1000.0
    watching.notify(notice("nudge"))
    assert cleared.wait(WAIT_S)


def test_that_all_routes_fail_makes_no_loop(notifier: Callable[..., Notifier], routes: Routes, now: Time) -> None:
    book = AlarmBook(now)
    routes.broken |= {"a", "b"}
    watching = notifier(hook("a"), hook("b"))
    watching.watch(book)
    raised(book)
    for _ in range(20):
        routes.tried.get(timeout=WAIT_S)
        now.s += 1000.0
        watching.notify(notice("nudge", priority="low"))
        watching.settle("nudge")
    assert {alarm.key for alarm in book.list()} == {"water", "notify:a", "notify:b"}
    assert all(alarm.raises == 1 for alarm in book.list())


def test_closing_tries_once_more_what_is_due_and_does_not_wait_for_ever(routes: Routes) -> None:
    notifier = Notifier([hook("one"), hook("dead")], lab="powder-1", send=routes.send)
    routes.hangs.add("dead")
    notifier.notify(notice())
    began_s = time.monotonic()
    notifier.close(wait_s=0.1)
    assert time.monotonic() - began_s < 2.0
    assert routes.next() == ("one", ["water"])
    routes.go_on.set()


@pytest.mark.system
def test_an_alarm_reaches_a_real_server(hooks: Hooks) -> None:
    book = AlarmBook(lambda: 0.0)
    notifier = Notifier([Webhook("hook", hooks.url, Priority.HIGH)], lab="powder-1", world="simulated")
    try:
        notifier.watch(book)
        raised(book, "low", "low")
        raised(book, "water")
        assert hooks.posted.get(timeout=WAIT_S)["subject"] == "[powder-1, simulated] HIGH: water is low"
    finally:
        notifier.close()
    assert hooks.posted.empty()
