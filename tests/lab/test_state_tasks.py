from __future__ import annotations

from lab.records.state import events as e
from lab.records.state.family import family
from lab.records.state.looks import what_is_at
from lab.records.state.progress import calibration, leases, mismatches, running, unsettled
from lab.records.state.words import Fate, Repeatability, TaskState
from tests.lab.state_bases import Book, at, crucible, into, portion, refused


def task(name: str = "t1", repeatability: Repeatability = Repeatability.NEVER) -> e.TaskPlanned:
    return e.TaskPlanned(task=name, what="dose", station="doser-1", repeatability=repeatability)


class TestTasks:
    def test_what_is_done_once_is_dispatched_once(self, book: Book) -> None:
        book.tell(task(), e.TaskDispatched(task="t1"))
        refused(book, e.TaskDispatched(task="t1"), "was dispatched at 100 s, and its repeatability is never: ask")
        refused(book, e.TaskUndone(task="t1", why="the balance shows 0"), "may never be done again")
        book.tell(e.TaskAcknowledged(task="t1"), e.TaskFailed(task="t1", why="spilled"))
        refused(book, e.TaskDispatched(task="t1"), "was dispatched at 100 s")
        refused(book, task(), "is planned already")

    def test_what_did_not_happen_is_dispatched_again(self, book: Book) -> None:
        book.tell(task(repeatability=Repeatability.IF_NOT_DISPATCHED), e.TaskDispatched(task="t1"))
        refused(book, e.TaskDispatched(task="t1"), "repeatable_if_not_dispatched")
        book.tell(e.TaskUndone(task="t1", why="the arm stands at home"), e.TaskDispatched(task="t1"))
        refused(book, e.TaskDispatched(task="t1"), "was dispatched")

    def test_a_reading_is_repeated_at_will(self, book: Book) -> None:
        book.tell(task(repeatability=Repeatability.REPEATABLE), *[e.TaskDispatched(task="t1")] * 3)
        book.tell(e.TaskFailed(task="t1", why="no answer"), e.TaskDispatched(task="t1"), e.TaskAcknowledged(task="t1"))
        book.tell(e.TaskVerified(task="t1"))
        refused(book, e.TaskDispatched(task="t1"), "cannot be dispatched, it is verified")

    def test_a_held_task_goes_on_from_where_it_was(self, book: Book) -> None:
        book.tell(task(), e.TaskDispatched(task="t1"), e.TaskHeld(task="t1", why="door open"))
        refused(book, e.TaskVerified(task="t1"), "it is held")
        book.tell(e.TaskResumed(task="t1"), e.TaskVerified(task="t1"))
        refused(
            book, e.TaskHeld(task="t1", why="late"), "it is verified, and must be acknowledged, dispatched, planned"
        )
        refused(book, e.TaskResumed(task="t2"), "task t2: is not known")

    def test_what_a_crash_leaves_open(self, book: Book) -> None:
        book.tell(crucible(), portion(place=into("C-1")))
        fire = e.TaskPlanned(
            task="f",
            what="fire",
            station="furnace-1",
            repeatability=Repeatability.NEVER,
            sample="s1",
            instructions={"peak_degc": 950.0},
            portions=("s1",),
            wares=("C-1",),
        )
        book.tell(fire, task("late"), task("done"), e.TaskDispatched(task="f"), e.TaskDispatched(task="done"))
        book.tell(e.TaskVerified(task="done"), e.LeaseTaken(lease="l1", station="furnace-1", holder="f"))
        book.tell(task("held"), e.TaskHeld(task="held", why="asked to"), e.TaskAcknowledged(task="f"))
        book.tell(e.BarcodeRead(position="furnace-1/1", expected="C-1", found="C-2"))
        book.again()
        with book.state.reading() as look:
            left, now = unsettled(look), running(look)
        assert [(t.task, t.state, t.items, t.was_dispatched) for t in left.tasks] == [
            ("held", TaskState.HELD, (), False),
            ("f", TaskState.ACKNOWLEDGED, ("C-1", "s1"), True),
        ]
        assert [(t.sample, t.instructions) for t in left.tasks] == [(None, {}), ("s1", {"peak_degc": 950.0})]
        assert [(one.station, one.holder) for one in left.leases] == [("furnace-1", "f")]
        assert [(one.expected, one.found) for one in left.mismatches] == [("C-1", "C-2")]
        assert [t.task for t in now] == ["f"]

    def test_a_task_is_about_things_that_are_there(self, book: Book) -> None:
        wrong = task().model_copy(update={"portions": ("s1",)})
        refused(book, wrong, "s1: no such portion")


class TestStations:
    def test_a_station_has_one_holder(self, book: Book) -> None:
        book.tell(e.LeaseTaken(lease="l1", station="robot-1", holder="t1"))
        refused(book, e.LeaseTaken(lease="l2", station="robot-1", holder="t2"), "t1 has it since 100 s")
        book.tell(e.LeaseReturned(lease="l1"), e.LeaseTaken(lease="l2", station="robot-1", holder="t2"))
        refused(book, e.LeaseReturned(lease="l1"), "was given back at 100 s")
        refused(book, e.LeaseTaken(lease="l1", station="mill-1", holder="t2"), "was given out already")
        with book.state.reading() as look:
            assert [(one.station, one.holder) for one in leases(look)] == [("robot-1", "t2")]

    def test_a_calibration_holds_for_its_time(self, book: Book) -> None:
        silicon = e.CalibrationDone(what="xrd-1/silicon", values={"offset_deg": 0.012}, valid_for_s=86400.0)
        book.tell(silicon)
        with book.state.reading() as look:
            found = calibration(look, "xrd-1/silicon")
            assert calibration(look, "furnace-1/profile") is None
        assert found is not None
        assert (found.values, found.holds(86499.0), found.holds(86500.0)) == ({"offset_deg": 0.012}, True, False)
        book.clock.sleep_until(86500.0)
        book.tell(silicon)
        with book.state.reading() as look:
            again = calibration(look, "xrd-1/silicon")
        assert again is not None
        assert (again.done_s, again.valid_until_s) == (86500.0, 172900.0)


class TestAttested:
    def test_a_person_settles_a_task(self, book: Book) -> None:
        once = task("b", Repeatability.IF_NOT_DISPATCHED)
        book.tell(task("a"), once, task("c"), *[e.TaskDispatched(task=name) for name in "abc"])
        seen = e.Attested(who="ada", seen="the vial is full", task="a", happened=True)
        refused(book, seen, "attested: is entered by the laboratory itself: a person must say that")
        for name, happened in (("a", True), ("b", False), ("c", False)):
            book.tell(seen.model_copy(update={"task": name, "happened": happened}), actor="ada")
        refused(book, seen, "cannot be attested, it is verified", actor="ada")
        book.tell(e.TaskDispatched(task="b"))
        refused(book, e.TaskDispatched(task="c"), "was dispatched")

    def test_two_in_each_others_places(self, book: Book) -> None:
        book.tell(crucible(), crucible("C-2", "shelf/2"), portion("s1", into("C-1")), portion("s2", into("C-2")))
        one = e.Placed(item="C-1", place=at("shelf/2"))
        refused(book, e.Attested(who="ada", seen="swapped", placed=(one,)), "C-2 is there: attest where", actor="ada")
        both = (one, e.Placed(item="C-2", place=at("shelf/1")))
        book.tell(e.Attested(who="ada", seen="swapped", placed=both), actor="ada")
        contents = (e.Placed(item="s1", place=into("C-2")), e.Placed(item="s2", place=into("C-1")))
        book.tell(e.Attested(who="ada", seen="and so is the powder", placed=contents), actor="ada")
        with book.state.reading() as look:
            assert (what_is_at(look, "shelf/1"), what_is_at(look, "shelf/2")) == (("C-2", "s1"), ("C-1", "s2"))

    def test_what_is_lost_with_its_crucible(self, book: Book) -> None:
        book.tell(crucible(), portion(place=into("C-1")))
        gone = e.Placed(item="C-1", place=None)
        refused(book, e.Attested(who="ada", seen="on the floor", placed=(gone,)), "s1 is in it", actor="ada")
        both = (gone, e.Placed(item="s1", place=None))
        book.tell(e.Attested(who="ada", seen="on the floor", placed=both), actor="ada")
        with book.state.reading() as look:
            assert what_is_at(look, "shelf/1") == ()

    def test_what_was_lost_is_found_again(self, book: Book) -> None:
        book.tell(crucible(), portion(place=into("C-1")))
        lost = tuple(e.Placed(item=name, place=None) for name in ("C-1", "s1"))
        book.tell(e.Attested(who="ada", seen="not in the furnace", placed=lost), actor="ada")
        refused(book, e.Attested(who="ada", seen="no", placed=lost), "nothing of that name is there", actor="ada")
        found = (e.Placed(item="s1", place=into("C-1")), e.Placed(item="C-1", place=at("shelf/4")))
        book.tell(e.Attested(who="ada", seen="behind the furnace", placed=found), actor="ada")
        with book.state.reading() as look:
            assert what_is_at(look, "shelf/4") == ("C-1", "s1")
            tree = family(look, "s1")
        assert tree is not None
        assert (tree.fate, tree.mass_mg) == (None, None)
        book.tell(e.PortionWeighed(portion="s1", gross_mg=5500.0), e.WareFired(ware="C-1", peak_degc=900.0))
        book.tell(e.PortionConsumed(portion="s1", fate=Fate.USED))
        back = e.Attested(who="ada", seen="here", placed=(e.Placed(item="s1", place=at("a/1")),))
        refused(book, back, "s1: cannot be there, all of it was used", actor="ada")

    def test_a_wrong_barcode_stops_the_task(self, book: Book) -> None:
        book.tell(task(), e.TaskDispatched(task="t1"))
        book.tell(e.BarcodeRead(position="furnace-1/1", expected="C-1", found="C-2", task="t1"))
        number = book.entries[-1]["n"]
        stops = rf"task t1: stops, C-2 was read at furnace-1/1 and C-1 expected \(journal entry {number}\)"
        refused(book, e.TaskVerified(task="t1"), stops)
        book.tell(e.TaskHeld(task="t1", why="C-2 instead of C-1"))
        refused(book, e.TaskResumed(task="t1"), stops)
        book.tell(e.Attested(who="ada", seen="labels swapped", barcode=number), actor="ada")
        book.tell(e.TaskResumed(task="t1"), e.TaskVerified(task="t1"))

    def test_an_odd_barcode_is_explained(self, book: Book) -> None:
        book.tell(e.BarcodeRead(position="a/1", expected="C-1", found=None))
        number = book.entries[-1]["n"]
        book.tell(e.Attested(who="ada", seen="the label came off, it is C-1", barcode=number), actor="ada")
        with book.state.reading() as look:
            assert mismatches(look) == ()
        refused(book, e.Attested(who="ada", seen="again", barcode=number), "no barcode mismatch", actor="ada")
