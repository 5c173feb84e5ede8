from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from lab.console import events
from lab.console.client import parse_events
from lab.console.errors import UnavailableError
from lab.console.events import Broadcast, Stream


class Lab:
    """A state that a test changes; counts how often it is looked at."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {"t": 0, "furnace-1": {"reading_degc": 20.0}}
        self.looks = 0
        self.cut: list[str] = []

    def __call__(self) -> dict[str, Any]:
        self.looks += 1
        return copy.deepcopy(self.state)


@pytest.fixture
def lab() -> Lab:
    return Lab()


def heard(stream: Stream) -> list[tuple[str, dict[str, Any]]]:
    """What a viewer was sent and has not read."""
    sent: list[tuple[str, dict[str, Any]]] = []
    while not stream.queue.empty():
        event = stream.queue.get_nowait()
        if event is None:
            sent.append(("end", {}))
        else:
            sent += parse_events([*event.decode().splitlines(), ""])
    return sent


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(main())


def test_a_viewer_sees_the_state_and_then_what_changes(lab: Lab) -> None:
    async def main() -> None:
        broadcast = Broadcast(lab)
        stream = broadcast.join(lambda: None)
        broadcast._tell(lab(), 0.0)
        lab.state["furnace-1"]["reading_degc"] = 21.0
        broadcast._tell(lab(), 0.2)
        assert heard(stream) == [
            ("snapshot", {"seq": 1, "state": {"t": 0, "furnace-1": {"reading_degc": 20.0}}}),
            ("delta", {"seq": 2, "set": {"/furnace-1/reading_degc": 21.0}}),
        ]
        broadcast.close()

    run(main)


def test_who_comes_later_gets_the_state_of_then_with_its_number(lab: Lab) -> None:
    async def main() -> None:
        broadcast = Broadcast(lab)
        first = broadcast.join(lambda: None)
        for t in range(3):
            lab.state["t"] = t
            broadcast._tell(lab(), t)
        second = broadcast.join(lambda: None)
        broadcast._tell(lab(), 3.0)
        assert [data["seq"] for _, data in heard(first)] == [1, 2, 3]
        assert heard(second) == [("snapshot", {"seq": 3, "state": lab.state})]
        broadcast.close()

    run(main)


def test_where_nothing_changes_a_beat_says_that_the_link_lives(lab: Lab) -> None:
    async def main() -> None:
        broadcast = Broadcast(lab)
        stream = broadcast.join(lambda: None)
        for t in (0.0, 0.2, 0.4, 2.1, 2.3, 4.2):
            broadcast._tell(lab(), t)
        assert heard(stream) == [
            ("snapshot", {"seq": 1, "state": lab.state}),
            ("beat", {"seq": 1}),
            ("beat", {"seq": 1}),
        ]
        broadcast.close()

    run(main)


def test_all_viewers_are_sent_the_same_bytes(lab: Lab) -> None:
    async def main() -> None:
        broadcast = Broadcast(lab)
        streams = [broadcast.join(lambda: None) for _ in range(50)]
        broadcast._tell(lab(), 0.0)
        lab.state["t"] = 1
        broadcast._tell(lab(), 0.2)
        for _ in range(2):
            assert len({id(stream.queue.get_nowait()) for stream in streams}) == 1
        broadcast.close()

    run(main)


def test_a_viewer_that_does_not_read_is_cut_off_and_the_others_go_on(lab: Lab) -> None:
    async def main() -> None:
        broadcast = Broadcast(lab)
        broadcast.join(lambda: lab.cut.append("slow"))
        quick = broadcast.join(lambda: lab.cut.append("quick"))
        for t in range(events.BEHIND + 1):
            lab.state["t"] = t
            broadcast._tell(lab(), t)
            heard(quick)
        assert (lab.cut, broadcast.viewers) == (["slow"], 1)
        lab.state["t"] = -1
        broadcast._tell(lab(), 1e3)
        assert [kind for kind, _ in heard(quick)] == ["delta"]
        broadcast.close()

    run(main)


def test_nobody_looks_at_the_laboratory_while_nobody_views(lab: Lab) -> None:
    async def main() -> None:
        broadcast = Broadcast(lab, period_s=0.1)
        assert lab.looks == 0
        stream = broadcast.join(lambda: None)
        await stream.queue.get()
        broadcast.leave(stream)
        assert broadcast._pump is not None
        await broadcast._pump
        looks = lab.looks
        await asyncio.sleep(0)
        assert lab.looks == looks
        assert broadcast._pump is None

    run(main)


def test_states_come_at_most_ten_times_a_second(lab: Lab) -> None:
    with pytest.raises(ValueError, match=r"0\.05 s between two states: at least 0\.1 s"):
        Broadcast(lab, period_s=0.05)


def test_a_look_that_breaks_ends_the_streams_and_the_next_viewer_begins_anew(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    broken = True

    def look() -> dict[str, Any]:
        if broken:
            raise RuntimeError("a driver without readings")
        return lab()

    async def main() -> None:
        nonlocal broken
        broadcast = Broadcast(look)
        stream = broadcast.join(lambda: None)
        assert await stream.queue.get() is None
        assert broadcast.viewers == 0
        broken = False
        again = broadcast.join(lambda: None)
        assert (await again.queue.get() or b"").startswith(b"event: snapshot")
        broadcast.close()

    run(main)
    assert "the live state broke" in caplog.text


def test_closing_ends_all_streams_and_takes_no_new_ones(lab: Lab) -> None:
    async def main() -> None:
        broadcast = Broadcast(lab)
        streams = [broadcast.join(lambda: None) for _ in range(3)]
        broadcast.close()
        assert [heard(stream) for stream in streams] == [[("end", {})]] * 3
        with pytest.raises(UnavailableError, match="the lab service ends"):
            broadcast.join(lambda: None)

    run(main)


def test_more_viewers_than_can_be_served_are_told_so(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST", 2)

    async def main() -> None:
        broadcast = Broadcast(lab)
        streams = [broadcast.join(lambda: None) for _ in range(2)]
        with pytest.raises(UnavailableError, match="2 view already"):
            broadcast.join(lambda: None)
        broadcast.leave(streams[0])
        broadcast.join(lambda: None)
        broadcast.close()

    run(main)
