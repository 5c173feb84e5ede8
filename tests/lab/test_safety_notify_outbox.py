from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.safety.alarms.notify_outbox import BUNDLE, FLOOD_EVERY_S, LIMIT, LONGEST_RETRY_S, Outbox
from lab.safety.alarms.notify_routes import Webhook
from lab.safety.alarms.notify_send import Notice
from lab.safety.alarms.states import Priority


def notice(key: str = "water", priority: str = "high") -> Notice:
    return Notice(key, f"{key} is low", Priority(priority), "open the tap")


def outbox(from_priority: str = "low", after_s: float = 0.0) -> Outbox:
    return Outbox(Webhook("hook", "http://localhost/", Priority(from_priority), after_s))


def due(box: Outbox, now_s: float, flood: bool = False) -> list[str]:
    return [notice.key for notice in box.due(now_s, flood)]


def deliver(box: Outbox, now_s: float, flood: bool = False) -> list[str]:
    notices = box.due(now_s, flood)
    if notices:
        box.sent(notices, now_s, flood)
    return [notice.key for notice in notices]


def test_a_notice_goes_out_once() -> None:
    box = outbox()
    assert box.wait_s(0.0, flood=False) is None
    box.offer(notice(), 0.0)
    assert box.wait_s(0.0, flood=False) == 0.0
    assert deliver(box, 0.0) == ["water"]
    box.offer(notice(), 1.0)
    assert deliver(box, 1.0) == []
    assert box.wait_s(1.0, flood=False) is None


def test_a_route_gets_what_is_urgent_enough_for_it() -> None:
    box = outbox("high")
    for priority in Priority:
        box.offer(notice(priority, priority), 0.0)
    assert [deliver(box, 0.0) for _ in range(3)] == [["critical"], ["high"], []]


def test_an_escalation_goes_out_when_nobody_has_acknowledged_in_time() -> None:
    box = outbox(after_s=600.0)
    box.offer(notice(), 100.0)
    assert box.wait_s(100.0, flood=False) == 600.0
    assert due(box, 699.0) == []
    assert due(box, 700.0) == ["water"]


def test_what_is_acknowledged_in_time_does_not_go_out() -> None:
    box = outbox(after_s=600.0)
    box.offer(notice(), 0.0)
    box.settle("water")
    assert (due(box, 1e6), box.wait_s(1e6, flood=False)) == ([], None)


def test_being_raised_again_does_not_begin_the_wait_anew() -> None:
    box = outbox(after_s=600.0)
    box.offer(notice(), 0.0)
    box.offer(notice(), 500.0)
    assert due(box, 600.0) == ["water"]


def test_it_goes_out_again_when_it_becomes_worse_or_comes_back_after_it_was_acknowledged() -> None:
    box = outbox()
    box.offer(notice(priority="medium"), 0.0)
    deliver(box, 0.0)
    box.offer(notice(priority="critical"), 1.0)
    assert deliver(box, 1.0) == ["water"]
    box.settle("water")
    box.offer(notice(priority="medium"), 2.0)
    assert deliver(box, 2.0) == ["water"]


def test_what_became_worse_while_it_was_under_way_goes_out_too() -> None:
    box = outbox()
    box.offer(notice(priority="medium"), 0.0)
    under_way = box.due(0.0, flood=False)
    box.offer(notice(priority="critical"), 1.0)
    box.sent(under_way, 2.0, flood=False)
    assert [told.priority for told in box.due(2.0, flood=False)] == ["critical"]


def test_what_was_acknowledged_while_it_was_under_way_can_come_back() -> None:
    box = outbox()
    box.offer(notice(), 0.0)
    under_way = box.due(0.0, flood=False)
    box.settle("water")
    box.sent(under_way, 1.0, flood=False)
    box.offer(notice(), 2.0)
    assert due(box, 2.0) == ["water"]


def test_the_most_urgent_goes_first() -> None:
    box = outbox()
    for key, priority in [("a", "low"), ("b", "critical"), ("c", "high")]:
        box.offer(notice(key, priority), 0.0)
    assert [deliver(box, 0.0) for _ in range(3)] == [["b"], ["c"], ["a"]]


def test_many_at_once_go_out_as_one() -> None:
    box = outbox()
    for i in range(BUNDLE + 1):
        box.offer(notice(f"a{i}"), 0.0)
    assert len(deliver(box, 0.0)) == BUNDLE + 1
    assert deliver(box, 0.0) == []


def test_a_flood_is_one_message_at_once_and_then_one_in_five_minutes() -> None:
    box = outbox()
    for i in range(12):
        box.offer(notice(f"a{i}"), 0.0)
    assert len(deliver(box, 0.0, flood=True)) == 12
    box.offer(notice("b"), 1.0)
    box.offer(notice("c"), 2.0)
    assert deliver(box, FLOOD_EVERY_S - 1, flood=True) == []
    assert box.wait_s(2.0, flood=True) == FLOOD_EVERY_S - 2.0
    assert deliver(box, FLOOD_EVERY_S, flood=True) == ["b", "c"]


def test_what_waited_during_a_flood_goes_out_after_it() -> None:
    box = outbox()
    box.offer(notice("a"), 0.0)
    deliver(box, 0.0, flood=True)
    box.offer(notice("b"), 1.0)
    assert deliver(box, 2.0, flood=True) == []
    assert deliver(box, 3.0, flood=False) == ["b"]


def test_each_failure_waits_longer_up_to_a_limit_and_success_begins_anew() -> None:
    box = outbox()
    box.offer(notice(), 0.0)
    now_s, waits = 0.0, []
    for _ in range(12):
        assert due(box, now_s) == ["water"]
        box.failed(now_s)
        wait_s = box.wait_s(now_s, flood=False)
        assert wait_s is not None
        assert due(box, now_s + wait_s - 0.1) == []
        waits.append(wait_s)
        now_s += wait_s
    assert waits[:4] == [1.0, 2.0, 4.0, 8.0]
    assert waits[-1] == LONGEST_RETRY_S
    deliver(box, now_s)
    assert box.failures == 0


def test_a_route_that_is_dead_keeps_the_most_urgent_and_counts_the_rest() -> None:
    box = outbox()
    box.offer(notice("first", "critical"), 0.0)
    for i in range(LIMIT + 10):
        box.offer(notice(f"a{i}", "low"), float(i))
    assert box.left_out == 11
    assert box.due(1e6, flood=False)[0].key == "first"
    assert len(box.due(1e6, flood=False)) == LIMIT
    deliver(box, 1e6)
    assert box.left_out == 0


@pytest.mark.parametrize("after_s", [0.0, 30.0])
@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["offer", "settle", "send", "fail"]),
            st.integers(0, 3),
            st.sampled_from(list(Priority)),
            st.floats(0.0, 100.0),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_every_notice_goes_out_in_the_end_unless_somebody_has_seen_to_it(
    after_s: float, steps: list[tuple[str, int, Priority, float, bool]]
) -> None:
    box = outbox(after_s=after_s)
    owed: dict[str, int] = {}
    now_s = 0.0
    for act, i, priority, step_s, flood in steps:
        now_s += step_s
        key = f"a{i}"
        if act == "offer":
            box.offer(notice(key, priority), now_s)
            owed[key] = max(owed.get(key, -1), priority.rank)
        elif act == "settle":
            box.settle(key)
            owed.pop(key, None)
        elif act == "send":
            box.sent(box.due(now_s, flood), now_s, flood)
        elif box.due(now_s, flood):
            box.failed(now_s)
    told: dict[str, int] = dict(box._told)
    for _ in range(100):
        wait_s = box.wait_s(now_s, flood=False)
        if wait_s is None:
            break
        now_s += wait_s + 1e-6
        for sent in box.due(now_s, flood=False):
            told[sent.key] = sent.priority.rank
        box.sent(box.due(now_s, flood=False), now_s, flood=False)
    assert {key: rank for key, rank in owed.items() if told.get(key, -1) < rank} == {}
