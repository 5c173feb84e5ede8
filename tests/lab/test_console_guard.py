"""What a request must show before its route is reached, as a browser or a program would send it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.console.entrance import csrf_of
from lab.console.peer import Connection, Peer
from tests.lab.front import SECRET, Browser, Front, opened

DAY_S = 86400.0
TAKE = {"device": "furnace-1"}


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    with opened(tmp_path) as front:
        yield front


def log_in(browser: Browser, name: str, secret: str = SECRET) -> dict[str, object]:
    response = browser.post("/api/login", {"user": name, "secret": secret})
    assert response.status_code == 200, response.text
    told: dict[str, object] = response.json()
    browser.headers["Cookie"] = response.headers["set-cookie"].partition(";")[0]
    return told


# ---------------------------------------------------------------- sessions


def test_who_logs_in_may_do_what_the_roles_allow_until_logging_out(front: Front) -> None:
    front.add("otto", "operator")
    browser = front.client()
    told = log_in(browser, "otto")
    assert (told["user"], told["roles"], told["must_change"]) == ("otto", ["operator"], False)
    browser.headers["X-CSRF-Token"] = str(told["csrf"])
    assert browser.post("/api/leases", TAKE).json()["holder"] == "otto"
    assert browser.get("/api/me").json() == {"user": "otto", "roles": ["operator"], "csrf": told["csrf"]}
    gone = browser.post("/api/logout")
    assert 'athanor-powder-1=""' in gone.headers["set-cookie"]
    assert "Max-Age=0" in gone.headers["set-cookie"]
    assert browser.get("/api/state").status_code == 401
    assert browser.get("/api/me").json() == {"user": None, "roles": [], "csrf": None}


def test_a_cookie_is_for_this_site_and_for_no_script(front: Front) -> None:
    front.add("otto", "operator")
    cookie = front.client().post("/api/login", {"user": "otto", "secret": SECRET}).headers["set-cookie"]
    name, *flags = cookie.split("; ")
    assert name.startswith("athanor-powder-1=")
    assert set(flags) == {"HttpOnly", "Max-Age=43200", "Path=/", "SameSite=strict"}


def test_over_tls_a_cookie_is_bound_to_tls_and_to_the_host(front: Front) -> None:
    front.add("otto", "operator")
    browser = front.client(base_url="https://lab.example")
    cookie = browser.post("/api/login", {"user": "otto", "secret": SECRET}).headers["set-cookie"]
    name, *flags = cookie.split("; ")
    assert name.startswith("__Host-athanor-powder-1=")
    assert "Secure" in flags
    assert not any(flag.startswith("Domain") for flag in flags)


def test_over_tls_a_cookie_that_is_not_bound_to_it_is_nothing(front: Front) -> None:
    session = front.client("otto").headers["Cookie"]
    browser = front.client(base_url="https://lab.example")
    browser.headers["Cookie"] = session
    assert browser.get("/api/state").status_code == 401


def test_a_wrong_secret_opens_nothing_and_many_are_slowed_down(front: Front) -> None:
    front.add("otto", "operator")
    browser = front.client()
    wrong = browser.post("/api/login", {"user": "otto", "secret": "wrong"})
    assert wrong.status_code == 401
    assert wrong.json() == {"error": "no user 'otto' has that secret: an admin can give a new one-time secret"}
    assert "set-cookie" not in wrong.headers
    soon = browser.post("/api/login", {"user": "otto", "secret": SECRET})
    assert soon.status_code == 429
    assert int(soon.headers["retry-after"]) >= 1


def test_a_one_time_secret_lets_its_owner_set_one_and_nothing_else(front: Front) -> None:
    once = front.users.add("otto", ["operator"])
    browser = front.client()
    told = log_in(browser, "otto", once)
    assert (told["roles"], told["must_change"]) == ([], True)
    assert browser.get("/api/state").status_code == 403
    own = {"user": "otto", "secret": once, "new_secret": SECRET}
    assert browser.post("/api/secret", own).json() == {"user": "otto"}
    assert browser.get("/api/state").status_code == 401
    assert log_in(browser, "otto")["roles"] == ["operator"]


# ---------------------------------------------------------------- requests that nobody meant


def test_a_post_with_a_session_needs_the_token_of_its_page(front: Front) -> None:
    browser = front.client("otto")
    for token in ("", "0" * 64, csrf_of("another session"), "ä"):
        answer = browser.post("/api/leases", TAKE, headers={"X-CSRF-Token": token.encode()})
        assert answer.status_code == 403
        assert "does not show that a page of this session sent it" in answer.json()["error"]
    del browser.headers["X-CSRF-Token"]
    assert browser.post("/api/leases", TAKE).status_code == 403
    assert front.hands.did == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Origin": "https://localhost:8765"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost:8765"},
    ],
)
def test_a_post_from_another_page_is_refused_also_with_the_right_token(front: Front, headers: dict[str, str]) -> None:
    answer = front.client("otto").post("/api/leases", TAKE, headers=headers)
    assert answer.status_code == 403
    assert "comes from another page" in answer.json()["error"]
    assert front.client().post("/api/login", {"user": "x", "secret": "y"}, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost:8765"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://name-before-the-proxy.example"},
    ],
)
def test_a_post_from_our_own_page_passes(front: Front, headers: dict[str, str]) -> None:
    assert front.client("otto").post("/api/leases", TAKE, headers=headers).status_code == 200


def test_looking_is_no_matter_of_where_the_link_was(front: Front) -> None:
    assert front.client("otto").get("/api/state", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_stopping_needs_nothing_and_is_refused_to_nobody(front: Front) -> None:
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    for browser, body in (
        (front.client(), None),
        (front.client("vera"), {"anything": [1]}),
        (front.client("otto"), "no object"),
    ):
        browser.headers.pop("X-CSRF-Token", None)
        answer = browser.post("/api/stop", body, headers=foreign)
        assert answer.json()["stopped"] is True
    form = front.client().request("POST", "/api/stop", data={"a": "b"}, headers=foreign)
    assert form.status_code == 200
    broken = {"Cookie": 'athanor-powder-1="; =', "Authorization": "Bearer nonsense"}
    assert front.client().post("/api/stop", headers=broken).status_code == 200
    actors = [message["actor"] for message in front.supervisor.asked]
    assert actors == ["somebody at 127.0.0.1", "vera", "otto", "somebody at 127.0.0.1", "somebody at 127.0.0.1"]


def test_stopping_works_where_the_file_of_users_is_broken(front: Front) -> None:
    browser = front.client("otto")
    front.users.path.write_text("{", encoding="utf-8")
    assert browser.get("/api/state").status_code == 409
    assert browser.post("/api/stop").json()["stopped"] is True


# ---------------------------------------------------------------- tokens and processes


def test_a_token_needs_no_proof_of_a_page_and_reaches_no_further_than_its_scopes(front: Front) -> None:
    front.add("otto", "operator")
    browser = front.client()
    token = front.tokens.add("otto", "night watch", ["read:*", "run:*"], life_s=DAY_S)
    browser.headers["Authorization"] = f"Bearer {token}"
    assert browser.get("/api/state").status_code == 200
    assert browser.post("/api/hold", {"reason": "night"}).json() == {"held": "campaign"}
    assert browser.post("/api/leases", TAKE).status_code == 403
    browser.headers["Authorization"] = f"Bearer {token[:-1]}"
    assert browser.get("/api/state").status_code == 401


class FromProcess:
    """An application as a process at the other end of a Unix socket reaches it."""

    def __init__(self, front: Front, peer: Peer) -> None:
        self._app, self._connection = front.app, Connection(peer, lambda: None)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app({**scope, "state": {"connection": self._connection}}, receive, send)


def test_a_process_of_our_user_is_known_by_the_kernel_and_one_of_another_is_not(front: Front) -> None:
    ours = Browser(front.runner, FromProcess(front, Peer(4711, os.getuid())), "http://lab")
    assert ours.get("/api/me").json()["roles"] == ["admin", "operator"]
    assert ours.post("/api/leases", TAKE).status_code == 200
    assert ours.post("/api/alarms/out-of-service", {"key": "a", "reason": "b"}).status_code == 403
    theirs = Browser(front.runner, FromProcess(front, Peer(4712, os.getuid() + 1)), "http://lab")
    assert theirs.get("/api/state").status_code == 401
    front.add("otto", "operator")
    theirs.headers["Authorization"] = f"Bearer {front.tokens.add('otto', 'x', ['read:*'], life_s=DAY_S)}"
    assert theirs.get("/api/state").status_code == 200


# ---------------------------------------------------------------- approving a bypass


def test_a_bypass_is_approved_with_a_secret_at_whosever_screen(front: Front) -> None:
    answer = front.client("vera").post("/api/bypasses/b1/approve", {"user": "olga", "secret": SECRET})
    assert answer.status_code == 200
    assert front.supervisor.asked == [
        {"do": "approve", "actor": "vera", "bypass": "b1", "user": "olga", "secret": SECRET}
    ]


def test_guessing_a_safety_officers_secret_is_slowed_down(front: Front) -> None:
    front.supervisor.answers["approve"] = {"ok": False, "reasons": ["the secret is wrong"]}
    browser = front.client("otto")
    proof = {"user": "olga", "secret": "guess"}
    assert browser.post("/api/bypasses/b1/approve", proof).status_code == 409
    assert browser.post("/api/bypasses/b1/approve", proof).status_code == 429
    assert len(front.supervisor.asked) == 1
