from __future__ import annotations

import json
import threading
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import LabError
from lab.safety.interlocks.rules import Kind, Rule
from lab.safety.judging.bypass import APPROVE_WITHIN_S, KEPT, LONGEST_S, LONGEST_TRIP_S, Bypass, BypassBook, BypassError
from lab.safety.people.roles import Role

HOUR_S = 3600.0


class Time:
    def __init__(self) -> None:
        self.s = 50.0

    def __call__(self) -> float:
        return self.s


class Never:
    """A condition that nobody evaluates here."""

    signals: frozenset[str] = frozenset()
    rises: frozenset[str] = frozenset()


def rule(
    rule_id: str = "F1-WATER", target: str = "f1.heater", kind: Kind = "interlock", bypassable: bool = True
) -> Rule:
    return Rule(rule_id, kind, target, Never(), "open the tap", bypassable=bypassable)  # type: ignore[arg-type]


@pytest.fixture
def now() -> Time:
    return Time()


@pytest.fixture
def book(now: Time) -> BypassBook:
    return BypassBook(now)


def ask(book: BypassBook, about: Rule | None = None, for_s: float = HOUR_S, who: str = "ada", **fields: str) -> Bypass:
    about = about or rule()
    texts = {"reason": "flow sensor is exchanged", "measure": "ben watches the flow", **fields}
    return book.request(about, about.id, who=who, for_s=for_s, **texts)


def test_a_request_suspends_nothing(book: BypassBook) -> None:
    bypass = ask(book)
    assert (book.active(), book.list()) == (frozenset(), (bypass,))
    assert (bypass.approver, bypass.approved_at_s, bypass.expires_s) == (None, None, None)


def test_another_persons_approval_suspends_the_rule_for_the_time_asked_for(book: BypassBook, now: Time) -> None:
    bypass = ask(book)
    now.s += 100.0
    given = book.approve(bypass.id, "olga")
    assert (given.approver, given.approved_at_s, given.expires_s) == ("olga", 150.0, 150.0 + HOUR_S)
    assert book.active() == {"F1-WATER"}
    now.s += HOUR_S - 1
    assert book.active() == {"F1-WATER"}
    now.s += 1
    assert (book.active(), book.list()) == (frozenset(), ())


def test_it_goes_to_json(book: BypassBook) -> None:
    shape = json.loads(json.dumps(asdict(book.approve(ask(book).id, "olga"))))
    assert {name: shape[name] for name in ("rule", "reason", "requester", "approver", "measure")} == {
        "rule": "F1-WATER",
        "reason": "flow sensor is exchanged",
        "requester": "ada",
        "approver": "olga",
        "measure": "ben watches the flow",
    }


@pytest.mark.parametrize("approver", ["ada", "Ada", " ada "])
def test_nobody_approves_their_own_request(book: BypassBook, approver: str) -> None:
    bypass = ask(book)
    with pytest.raises(BypassError, match="another person must approve it") as error:
        book.approve(bypass.id, approver)
    assert isinstance(error.value, LabError)
    assert book.active() == frozenset()


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.SAFETY_OFFICER])
def test_only_a_safety_officer_approves(book: BypassBook, role: Role) -> None:
    bypass = ask(book)
    with pytest.raises(BypassError, match=f"olga acts as {role}, and a bypass is approved by a safety_officer"):
        book.approve(bypass.id, "olga", role)
    assert book.active() == frozenset()


def test_a_bypass_is_approved_once(book: BypassBook, now: Time) -> None:
    bypass = ask(book)
    book.approve(bypass.id, "olga")
    now.s += 1000.0
    with pytest.raises(BypassError, match="was approved by olga already"):
        book.approve(bypass.id, "pia")
    assert book.list()[0].expires_s == 50.0 + HOUR_S


def test_a_rule_that_is_not_marked_cannot_be_bypassed(book: BypassBook) -> None:
    with pytest.raises(BypassError, match="F1-OVER may not be bypassed"):
        ask(book, rule("F1-OVER", kind="trip", bypassable=False))


def test_a_rule_that_does_not_exist_cannot_be_bypassed(book: BypassBook) -> None:
    with pytest.raises(BypassError, match="no rule is named 'F9'"):
        book.request(None, "F9", reason="x", who="ada", for_s=60.0, measure="y")


@pytest.mark.parametrize(
    ("fields", "missing"),
    [({"reason": " "}, "no reason"), ({"measure": ""}, "no compensating measure"), ({"who": " "}, "no requester")],
)
def test_reason_measure_and_requester_are_required(book: BypassBook, fields: dict[str, str], missing: str) -> None:
    with pytest.raises(BypassError, match=missing):
        ask(book, **fields)  # type: ignore[arg-type]
    assert book.list() == ()


@pytest.mark.parametrize(("kind", "longest_s"), [("interlock", LONGEST_S), ("trip", LONGEST_TRIP_S)])
def test_no_bypass_is_longer_than_its_kind_allows(book: BypassBook, kind: Kind, longest_s: float) -> None:
    for for_s in (0.0, -1.0, longest_s + 1, float("inf"), float("nan")):
        with pytest.raises(BypassError, match=f"at most {longest_s / 60:g} min"):
            ask(book, rule(kind=kind), for_s)
    assert ask(book, rule(kind=kind), longest_s).for_s == longest_s


def test_a_device_has_one_bypass_at_a_time(book: BypassBook) -> None:
    first = ask(book)
    with pytest.raises(BypassError, match=f"F1-WATER on f1 is bypassed or asked for already \\({first.id} by ada\\)"):
        ask(book, rule("F1-EXHAUST", "f1.heater"))
    ask(book, rule("F2-WATER", "f2.heater"))
    ask(book, rule("ROOM-O2", "oxygen is low", kind="alarm"))
    book.end(first.id)
    ask(book, rule("F1-EXHAUST", "f1.heater"))
    assert len(book.list()) == 3


def test_a_request_that_nobody_approves_is_void(book: BypassBook, now: Time) -> None:
    bypass = ask(book)
    now.s += APPROVE_WITHIN_S
    with pytest.raises(BypassError, match=f"there is no bypass '{bypass.id}', or it has ended: there are none"):
        book.approve(bypass.id, "olga")


def test_anybody_ends_a_bypass(book: BypassBook) -> None:
    bypass = book.approve(ask(book).id, "olga")
    assert book.end(bypass.id) == bypass
    assert book.active() == frozenset()
    with pytest.raises(BypassError, match="or it has ended"):
        book.end(bypass.id)


def test_a_bypass_ends_when_its_input_is_good_again_and_a_request_does_not(book: BypassBook) -> None:
    book.approve(ask(book).id, "olga")
    waiting = ask(book, rule("F2-WATER", "f2.heater"))
    book.recovered("F1-WATER")
    book.recovered("F2-WATER")
    assert book.list() == (waiting,)


def test_nothing_survives_a_restart(book: BypassBook, now: Time) -> None:
    book.approve(ask(book).id, "olga")
    assert BypassBook(now).active() == frozenset()


def test_how_each_ended_is_told_once(book: BypassBook, now: Time) -> None:
    targets = ["f1", "f2", "f3", "f4"]
    bypasses = [ask(book, rule(f"{target}-WATER", f"{target}.heater"), for_s=600.0) for target in targets]
    for bypass in bypasses[:3]:
        book.approve(bypass.id, "olga")
    book.recovered("f1-WATER")
    book.end(bypasses[1].id, "ended by ben")
    assert [(ended.bypass.rule, ended.why) for ended in book.ended()] == [
        ("f1-WATER", "the input is good again"),
        ("f2-WATER", "ended by ben"),
    ]
    now.s += 600.0
    assert [ended.why for ended in book.ended()] == ["its time of 10 min is over"]
    now.s += APPROVE_WITHIN_S
    assert [ended.why for ended in book.ended()] == ["nobody approved it within 30 min"]
    assert book.ended() == ()


def test_what_ended_is_not_kept_without_end(book: BypassBook) -> None:
    for _ in range(KEPT + 5):
        book.end(ask(book).id)
    assert len(book.ended()) == KEPT


@given(
    st.lists(st.tuples(st.sampled_from(["ask", "approve", "end", "recover", "wait"]), st.integers(0, 3)), max_size=40)
)
def test_whatever_people_do_nothing_is_bypassed_longer_or_more_than_allowed(steps: list[tuple[str, int]]) -> None:
    now = Time()
    book = BypassBook(now)
    people = ["ada", "ben", "olga", "pia"]
    for act, i in steps:
        live = book.list()
        try:
            if act == "ask":
                ask(book, rule(f"R{i}", f"f{i // 2}.heater", "trip"), LONGEST_TRIP_S, people[i])
            elif act == "wait":
                now.s += 400.0 * i
            elif act == "recover":
                book.recovered(f"R{i}")
            elif live and act == "approve":
                book.approve(live[i % len(live)].id, people[i])
            elif live:
                book.end(live[i % len(live)].id)
        except BypassError:
            continue
        for bypass in book.list():
            if bypass.approver is not None:
                assert bypass.approver != bypass.requester
                assert bypass.expires_s is not None
                assert now.s < bypass.expires_s <= now.s + LONGEST_TRIP_S
        assert len({bypass.target for bypass in book.list()}) == len(book.list())


def test_two_who_approve_at_once_are_one_after_the_other(book: BypassBook, monkeypatch: pytest.MonkeyPatch) -> None:
    bypass = ask(book)
    inside, go_on = threading.Event(), threading.Event()
    given: list[str] = []
    get = book._get

    def slow(bypass_id: str) -> Bypass:
        found = get(bypass_id)
        inside.set()
        assert go_on.wait(5.0)
        return found

    def approve(who: str) -> None:
        try:
            book.approve(bypass.id, who)
        except BypassError:
            return
        given.append(who)

    monkeypatch.setattr(book, "_get", slow)
    first, second = (threading.Thread(target=approve, args=(who,)) for who in ("ben", "cleo"))
    first.start()
    assert inside.wait(5.0)
    second.start()
    second.join(0.02)
    go_on.set()
    first.join()
    second.join()
    assert given == ["ben"]
