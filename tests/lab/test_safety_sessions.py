from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.safety.people.sessions import (
    ABSOLUTE_S,
    FORGET_S,
    IDLE_S,
    LONGEST_DELAY_S,
    PER_USER,
    REMEMBERED,
    TRIES,
    TRIES_S,
    LoginThrottle,
    Sessions,
)


class Time:
    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def now() -> Time:
    return Time()


@pytest.fixture
def sessions(now: Time) -> Sessions:
    return Sessions(now)


def test_a_session_is_found_by_its_id_alone(sessions: Sessions) -> None:
    session_id = sessions.open("ada", "127.0.0.1")
    session = sessions.find(session_id)
    assert session is not None
    assert (session.user, session.address) == ("ada", "127.0.0.1")
    assert sessions.find(session_id + "x") is None
    assert sessions.find("") is None
    assert sessions.find("\ud800") is None


def test_ids_have_256_bits_and_are_kept_nowhere(sessions: Sessions) -> None:
    ids = {sessions.open(f"user{i}") for i in range(50)}
    assert len(ids) == 50
    assert {len(session_id) for session_id in ids} == {43}
    assert not ids & set(vars(sessions)["_open"])


def test_a_session_ends_when_nobody_uses_it(sessions: Sessions, now: Time) -> None:
    session_id = sessions.open("ada")
    for _ in range(5):
        now.s += IDLE_S - 1
        assert sessions.find(session_id) is not None
    now.s += IDLE_S
    assert sessions.find(session_id) is None


def test_looking_without_touching_does_not_keep_a_session_alive(sessions: Sessions, now: Time) -> None:
    session_id = sessions.open("ada")
    now.s = IDLE_S - 1
    assert sessions.find(session_id, touch=False) is not None
    now.s = IDLE_S
    assert sessions.find(session_id) is None


def test_a_session_ends_after_a_long_day_however_much_it_is_used(sessions: Sessions, now: Time) -> None:
    session_id = sessions.open("ada")
    while now.s < ABSOLUTE_S - 60:
        assert sessions.find(session_id) is not None
        now.s += 60
    assert sessions.find(session_id) is not None
    now.s = ABSOLUTE_S
    assert sessions.find(session_id) is None


def test_logging_out_ends_one_session_and_revoking_all_of_a_person(sessions: Sessions) -> None:
    first, second, other = sessions.open("ada"), sessions.open("ada"), sessions.open("ben")
    sessions.close(first)
    sessions.close(first)
    assert sessions.find(first) is None
    assert sessions.find(second) is not None
    assert sessions.close_all("ada") == 1
    assert sessions.find(second) is None
    assert [session.user for session in sessions.list()] == ["ben"]
    assert sessions.find(other) is not None


def test_a_person_has_a_limited_number_of_sessions(sessions: Sessions) -> None:
    ids = [sessions.open("ada") for _ in range(PER_USER + 3)]
    assert [sessions.find(session_id) is not None for session_id in ids] == [False] * 3 + [True] * PER_USER


# -- brakes


@pytest.fixture
def throttle(now: Time) -> LoginThrottle:
    return LoginThrottle(now)


def test_each_failure_doubles_the_wait(throttle: LoginThrottle, now: Time) -> None:
    waits = []
    for _ in range(4):
        assert throttle.begin("ada", "here") == 0.0
        waits.append(throttle.begin("ada", "here"))
        now.s += waits[-1]
    assert waits == [0.5, 1.0, 2.0, 4.0]


def test_the_wait_has_an_end(throttle: LoginThrottle, now: Time) -> None:
    for _ in range(40):
        now.s += throttle.begin("ada", "here")
        assert throttle.begin("ada", "here") <= LONGEST_DELAY_S
        now.s += LONGEST_DELAY_S
    throttle.begin("ada", "here")
    assert throttle.begin("ada", "here") == LONGEST_DELAY_S


def test_asking_while_waiting_makes_it_no_longer(throttle: LoginThrottle, now: Time) -> None:
    throttle.begin("ada", "here")
    assert [throttle.begin("ada", "here") for _ in range(5)] == [0.5] * 5


def test_a_right_secret_forgets_the_failures(throttle: LoginThrottle, now: Time) -> None:
    throttle.begin("ada", "here")
    throttle.succeeded("ada", "here")
    assert throttle.begin("ada", "here") == 0.0


def test_an_hour_forgets_the_failures(throttle: LoginThrottle, now: Time) -> None:
    for _ in range(TRIES):
        now.s += throttle.begin("ada", "here")
        throttle.begin("ada", "here")
    now.s += FORGET_S
    assert throttle.begin("ada", "here") == 0.0
    assert throttle.begin("ada", "here") == 0.5


def test_guessing_locks_out_nobody_elsewhere_and_no_other_name(throttle: LoginThrottle) -> None:
    assert throttle.begin("ada", "there") == 0.0
    assert throttle.begin("ada", "there") > 0.0
    assert throttle.begin("ada", "here") == 0.0
    assert throttle.begin("ben", "there") == 0.0


@given(st.lists(st.floats(0.0, 20.0), min_size=10, max_size=60))
def test_there_are_never_more_than_five_tries_in_a_minute(steps_s: list[float]) -> None:
    now = Time()
    throttle = LoginThrottle(now)
    tries: list[float] = []
    for step_s in steps_s:
        now.s += step_s
        if throttle.begin("ada", "here") == 0.0:
            tries.append(now.s)
    assert all(later - earlier >= TRIES_S - 1e-9 for earlier, later in zip(tries, tries[TRIES:], strict=False))


def test_names_that_nobody_has_do_not_fill_the_memory(throttle: LoginThrottle) -> None:
    for i in range(REMEMBERED + 100):
        throttle.begin(f"user{i}", "there")
    assert len(throttle._failures) == REMEMBERED
    assert throttle.begin(f"user{REMEMBERED + 99}", "there") > 0.0
