"""What every answer has, whatever was asked, and the page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from lab.console.entrance import csrf_of
from lab.console.frame import TOO_LONG
from lab.console.page import Page, static
from tests.lab.front import SECRET, Browser, Front, opened, person

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    with opened(tmp_path) as front:
        yield front


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        ("GET", "/api/nothing", None, 404, "there is no such path"),
        ("DELETE", "/api/leases", None, 405, "this path does not take that method"),
        ("HEAD", "/api/state", None, 405, ""),
        ("POST", "/api/leases", {}, 422, "device: Field required"),
        ("POST", "/api/leases", {"device": ""}, 422, "device: String should have at least 1 character"),
        ("POST", "/api/leases", {"device": "f", "mode": "x"}, 422, "mode: Extra inputs are not permitted"),
        ("POST", "/api/alarms/shelve", {"key": "a", "for_s": -1, "reason": "b"}, 422, "for_s: Input should be greater"),
        ("POST", "/api/login", {"user": "otto"}, 422, "secret: Field required"),
        ("GET", "/api/commands/c9", None, 404, "no command 'c9' is known"),
        ("POST", "/api/lockouts", {"device": "f9", "reason": "x"}, 404, "no device is named 'f9'"),
        ("POST", "/api/leases/otto%239/renew", None, 409, "there is no lease otto#9"),
    ],
)
def test_every_refusal_is_one_sentence(
    front: Front, method: str, path: str, body: object, status: int, error: str
) -> None:
    answer = front.client("otto").request(method, path, json=body)
    assert answer.status_code == status
    if method != "HEAD":
        assert answer.json().keys() <= {"error", "reasons"}
        assert error in answer.json()["error"]


def test_what_is_no_json_is_told_so(front: Front) -> None:
    for path in ("/api/leases", "/api/login"):
        answer = front.client("otto").request("POST", path, content=b"{", headers={"Content-Type": "application/json"})
        assert answer.status_code == 422
        assert "JSON" in answer.json()["error"]


def test_a_request_longer_than_any_command_is_not_read(front: Front) -> None:
    for path in ("/api/leases", "/api/login"):
        answer = front.client("otto").post(path, {"device": "x" * 70_000})
        assert (answer.status_code, answer.json()) == (413, {"error": TOO_LONG})


def test_a_request_that_does_not_say_how_long_it_is_is_not_read_to_its_end(front: Front) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            read.append(1)
            yield b" " * 1024

    read: list[int] = []
    for path in ("/api/leases", "/api/login"):
        headers = {"Content-Type": "application/json"}
        answer = front.client("otto").request("POST", path, content=endless(), headers=headers)
        assert (answer.status_code, answer.json()) == (413, {"error": TOO_LONG})
        assert len(read) < 100
        read.clear()


def test_the_page_with_its_stop_is_there_also_where_the_file_of_users_is_broken(front: Front) -> None:
    browser = front.client("otto")
    front.users.path.write_text("{", encoding="utf-8")
    answer = browser.get("/")
    assert (answer.status_code, "STOP ALL (software)" in answer.text) == (200, True)


def test_a_refusal_of_the_supervisor_carries_its_reasons(front: Front) -> None:
    front.supervisor.answers["reset"] = {"ok": False, "reasons": ["f1.over is 1200 degC", "f2.door is open"]}
    answer = front.client("otto").post("/api/reset")
    assert (answer.status_code, answer.json()["reasons"]) == (409, ["f1.over is 1200 degC", "f2.door is open"])


def test_a_defect_is_told_as_one_and_shows_nothing_of_the_inside(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> dict[str, object]:
        raise ZeroDivisionError("inside")

    monkeypatch.setattr(front.furnace, "read", broken)
    answer = front.client("otto").get("/api/state")
    assert answer.status_code == 500
    assert answer.json() == {"error": "that failed inside: the lab service's log has the trace"}


def test_a_command_that_is_sent_twice_with_one_key_is_given_once(front: Front) -> None:
    browser = front.client("otto")
    browser.headers["Idempotency-Key"] = "k1"
    first, second = (browser.post("/api/execute", {"token": "t1"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["command"] == second.json()["command"]
    other = browser.post("/api/execute", {"token": "t2"})
    assert other.status_code == 422
    del browser.headers["Idempotency-Key"]
    assert browser.post("/api/execute", {"token": "t1"}).json()["command"] != first.json()["command"]


def test_every_answer_keeps_browsers_from_mischief(front: Front) -> None:
    for path in ("/", "/api/state", "/api/nothing", "/console.js"):
        headers = front.client("otto").get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "same-origin"


# ---------------------------------------------------------------- the page


def test_the_stop_form_posts_to_the_supervisors_own_route_and_the_policy_allows_that(tmp_path: Path) -> None:
    with opened(tmp_path, lambda: "http://127.0.0.1:4711/stop") as front:
        answer = front.client().get("/")
        assert 'action="http://127.0.0.1:4711/stop?by=otto"' in front.client("otto").get("/").text
    assert '<form method="post" action="http://127.0.0.1:4711/stop">' in answer.text
    assert answer.headers["content-security-policy"].endswith("form-action 'self' http://127.0.0.1:4711")


def test_where_a_browser_cannot_reach_the_supervisor_stop_goes_through_this_service(tmp_path: Path) -> None:
    with opened(tmp_path, lambda: "http://127.0.0.1:4711/stop") as front:
        assert 'action="/api/stop"' in front.client(base_url="https://lab.example").get("/").text
    with opened(tmp_path) as front:
        assert 'action="/api/stop"' in front.client().get("/").text
    with opened(tmp_path, lambda: "https://lab.example:4711/stop") as front:
        page = front.client(base_url="https://lab.example").get("/").text
        assert 'action="https://lab.example:4711/stop"' in page


def test_the_page_shows_logging_in_to_strangers_and_the_state_to_those_who_are_known(front: Front) -> None:
    stranger, known = front.client().get("/").text, front.client("otto").get("/").text
    assert 'action="/api/login"' in stranger
    assert 'id="state"' not in stranger
    assert "otto (operator)" in known
    assert 'action="/api/login"' not in known
    for page in (stranger, known):
        assert "<title>powder-1 (SIMULATION)</title>" in page
        assert "STOP ALL (software)" in page


def test_the_page_loads_nothing_from_elsewhere_and_has_no_script_of_its_own(front: Front) -> None:
    page = front.client("otto").get("/").text
    assert set(re.findall(r'(?:src|href)="([^"]*)"', page)) == {"/console.js", "/console.css"}
    assert re.findall(r"<script[^>]*>([^<]*)</script>", page) == [""]
    assert not re.search(r"\son\w+=|style=", page)
    for name in ("console.js", "console.css"):
        assert not re.search(rb"https?://|@import|eval\(", static(name))
        assert front.client().get(f"/{name}").content == static(name)


def test_what_people_wrote_is_no_markup() -> None:
    name = "<b>&\"'"
    page = Page(name, "real", "/api/stop", person("otto"), "c", message=name).html()
    assert name not in page
    assert page.count("&lt;b&gt;&amp;&quot;&#x27;") == 3


def test_a_form_logs_in_and_out_without_any_script(front: Front) -> None:
    front.add("otto", "operator")
    browser = front.client()
    entered = _send(browser, "/api/login", user="otto", secret=SECRET)
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    cookie = entered.headers["set-cookie"].partition(";")[0]
    browser.headers["Cookie"] = cookie
    page = browser.get("/").text
    csrf = re.findall(r'name="csrf" value="(\w+)"', page)
    assert csrf == [csrf_of(cookie.partition("=")[2])]
    assert _send(browser, "/api/logout", csrf="wrong").status_code == 403
    left = _send(browser, "/api/logout", csrf=csrf[0])
    assert (left.status_code, left.headers["location"]) == (303, "/")
    assert 'action="/api/login"' in browser.get("/").text


def test_a_form_that_is_refused_comes_back_as_the_page_with_the_reason(front: Front) -> None:
    front.add("otto", "operator")
    browser = front.client()
    wrong = _send(browser, "/api/login", user="otto", secret="wrong")
    assert wrong.status_code == 401
    assert '<p role="alert">no user &#x27;otto&#x27; has that secret' in wrong.text
    empty = _send(browser, "/api/login", user="otto")
    assert empty.status_code == 422
    assert '<p role="alert">secret: Field required</p>' in empty.text


def test_a_form_sets_a_secret_of_ones_own(front: Front) -> None:
    once = front.users.add("otto", ["operator"])
    browser = front.client()
    done = _send(browser, "/api/secret", user="otto", secret=once, new_secret=SECRET)
    assert (done.status_code, "The new secret is set: log in with it." in done.text) == (200, True)
    assert _send(browser, "/api/login", user="otto", secret=SECRET).status_code == 303


def _send(browser: Browser, path: str, **fields: str) -> httpx.Response:
    return browser.request("POST", path, content=urlencode(fields), headers=FORM)
