from __future__ import annotations

from lab.safety.commands.holds import CAMPAIGN, MANUAL, PERSON, Holds
from lab.safety.commands.leases import LeaseBook


def test_what_is_not_held_need_not_wait() -> None:
    assert Holds().why({"sample-001", "furnace-1", CAMPAIGN}) is None


def test_a_hold_is_for_its_key_and_says_why() -> None:
    holds = Holds()
    holds.hold("furnace-1", "held by ana: looks odd")
    assert holds.why({"sample-001", "furnace-1"}) == "held by ana: looks odd"
    assert holds.why({"sample-001", "furnace-2"}) is None
    assert holds.release("furnace-1")
    assert holds.why({"furnace-1"}) is None
    assert not holds.release("furnace-1")


def test_a_device_that_two_keep_waiting_goes_on_when_both_let_go() -> None:
    holds = Holds()
    holds.hold("furnace-1", "held by bob")
    holds.hold("furnace-1", "furnace-1 is driven by ana", MANUAL)
    assert holds.why({"furnace-1"}) == "held by bob; furnace-1 is driven by ana"
    holds.release("furnace-1", PERSON)
    assert holds.why({"furnace-1"}) == "furnace-1 is driven by ana"
    holds.release("furnace-1", MANUAL)
    assert holds.all() == {}


def test_everything_that_holds_a_key_can_be_let_go_at_once() -> None:
    holds = Holds()
    holds.hold(CAMPAIGN, "held by bob")
    holds.hold(CAMPAIGN, "STOP by ana", "stop")
    assert holds.release(CAMPAIGN, None)
    assert not holds.release(CAMPAIGN, None)
    assert holds.why({CAMPAIGN}) is None


def test_what_makes_things_safer_waits_for_whoever_drives_and_for_nothing_else() -> None:
    holds = Holds(lambda: frozenset({"furnace-1"}))
    holds.hold(CAMPAIGN, "STOP by ana", "stop")
    holds.hold("furnace-1", "held by bob")
    assert holds.why({CAMPAIGN, "furnace-1"}, safer=True) is None
    holds.hold("furnace-1", "furnace-1 is driven by ana", MANUAL)
    assert holds.why({CAMPAIGN, "furnace-1"}, safer=True) == "furnace-1 is driven by ana"


def test_a_hold_rule_holds_the_recipes_of_its_device_while_it_acts() -> None:
    acting = {"doser-1"}
    holds = Holds(lambda: frozenset(acting))
    assert holds.why({"doser-1", "mover-1"}) == "a rule holds recipes on doser-1"
    acting.clear()
    assert holds.why({"doser-1"}) is None


def test_a_lock_out_holds_the_recipes_of_its_device() -> None:
    leases = LeaseBook()
    holds = Holds(locks=leases.lock_outs)
    leases.lock_out("furnace-1", "ana", "changing the element")
    assert "locked out by ana" in (holds.why({"furnace-1"}) or "")
    assert holds.why({"furnace-1"}, safer=True) is None


def test_what_is_asked_of_a_contactor_waits_for_the_furnace_behind_it() -> None:
    holds = Holds(behind={"safety-1": ("furnace-1",)})
    holds.hold("furnace-1", "furnace-1 is driven by ana", MANUAL)
    assert holds.why({"safety-1"}) == "furnace-1 is driven by ana"
    assert holds.why({"safety-2"}) is None


def test_who_waits_is_woken_by_every_release() -> None:
    holds, woken = Holds(), list[str]()
    holds.hold("furnace-1", "held by ana")
    with holds.waking(lambda: woken.append("now")):
        holds.release("mover-1")
        holds.release("furnace-1")
    holds.release("furnace-1")
    assert woken == ["now", "now"]
