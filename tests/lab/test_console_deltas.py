from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lab.console.deltas import changes, follow, leaves

VALUES = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from([0.0, 1.0, 2.5, "x", ""])
STATES = st.dictionaries(
    st.sampled_from(["a", "b/c", "~", "d~1"]),
    st.recursive(
        VALUES | st.lists(VALUES, max_size=2),
        lambda inner: st.dictionaries(st.sampled_from(["a", "b/c", "~"]), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


@given(before=STATES, after=STATES)
def test_a_viewer_who_follows_the_changes_sees_what_is(before: dict[str, Any], after: dict[str, Any]) -> None:
    seen = copy.deepcopy(before)
    follow(seen, changes(dict(leaves(before)), dict(leaves(after))))
    assert repr(_sorted(seen)) == repr(_sorted(after))


@given(state=STATES)
def test_where_nothing_changed_nothing_is_said(state: dict[str, Any]) -> None:
    assert changes(dict(leaves(state)), dict(leaves(copy.deepcopy(state)))) == {}


def test_a_value_that_becomes_unknown_is_set_to_null_and_not_removed() -> None:
    assert changes({"/f1.over": 20.0}, {"/f1.over": None}) == {"set": {"/f1.over": None}}


def test_true_is_not_the_number_one() -> None:
    assert changes({"/door": 1}, {"/door": True}) == {"set": {"/door": True}}


def test_an_object_that_loses_its_last_member_goes_with_it() -> None:
    state = {"locks": {"furnace-1": "vera"}, "t": 1}
    follow(state, {"gone": ["/locks/furnace-1"]})
    assert state == {"t": 1}


def _sorted(value: Any) -> Any:
    """Equal for equal JSON: True and 1 differ, the order of members does not matter."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value
