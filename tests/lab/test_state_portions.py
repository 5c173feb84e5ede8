from __future__ import annotations

import pytest

from lab.records.state import events as e
from lab.records.state.family import family, sample_yield, samples
from lab.records.state.looks import what_is_at
from lab.records.state.words import Fate, Outcome, Weighed
from tests.lab.state_bases import Book, at, crucible, into, portion, refused


class TestPortions:
    def test_masses_balance_in_a_split(self, book: Book) -> None:
        book.tell(portion(), crucible())
        parts = e.PortionSplit(
            portion="s1",
            children=(e.Child(portion="s1.a", mass_mg=500.0, place=into("C-1")),),
            remaining_mg=290.0,
        )
        refused(book, parts, "800 mg split into 500 mg with 290 mg remaining, allowed is a difference of 1 mg")
        book.tell(parts.model_copy(update={"tolerance_mg": 10.0}))
        with book.state.reading() as look:
            tree = family(look, "s1")
            assert tree is not None
            assert [(m.portion, m.mass_mg) for m in tree.walk()] == [("s1", 290.0), ("s1.a", 500.0)]

    def test_a_portion_that_is_split_up_frees_its_place(self, book: Book) -> None:
        book.tell(portion(), crucible())
        children = (
            e.Child(portion="s1.a", mass_mg=500.0, place=into("C-1")),
            e.Child(portion="s1.b", mass_mg=300.0, place=at("mill-1/1")),
        )
        book.tell(e.PortionSplit(portion="s1", children=children))
        refused(book, e.PortionMoved(portion="s1", source=at("mill-1/1"), to=at("a/1")), r"is no more \(divided\)")
        with book.state.reading() as look:
            assert what_is_at(look, "mill-1/1") == ("s1.b",)

    def test_two_children_are_not_in_one_place(self, book: Book) -> None:
        book.tell(portion())
        two = tuple(e.Child(portion=name, mass_mg=400.0, place=at("a/1")) for name in ("x", "y"))
        refused(book, e.PortionSplit(portion="s1", children=two), "a/1: is named for two children")

    def test_what_is_joined_balances_and_knows_its_parents(self, book: Book) -> None:
        book.tell(crucible(), portion("s1", into("C-1"), 100.0), portion("s2", at("a/1"), 300.0, "Zr", "O"))
        joined = e.PortionJoined(portions=("s1", "s2"), portion="s3", mass_mg=405.0, place=into("C-1"))
        refused(book, joined, r"405 mg joined of 100 \+ 300 mg")
        book.tell(joined.model_copy(update={"mass_mg": 400.0}))
        with book.state.reading() as look:
            made = sample_yield(look, "s1")
            tree = family(look, "s2")
        assert made is not None
        assert made.there_mg == pytest.approx(100.0)
        assert tree is not None
        assert tree.children[0].parents == ("s1", "s2")

    def test_what_came_of_a_joined_portion_counts_in_part(self, book: Book) -> None:
        book.tell(portion("s1", at("a/1"), 100.0), portion("s2", at("a/2"), 300.0))
        book.tell(e.PortionJoined(portions=("s1", "s2"), portion="s3", mass_mg=400.0, place=at("a/1")))
        children = (
            e.Child(portion="s3.a", mass_mg=240.0, place=at("b/1")),
            e.Child(portion="s3.b", mass_mg=160.0, place=at("b/2")),
        )
        book.tell(e.PortionSplit(portion="s3", children=children))
        with book.state.reading() as look:
            made = [sample_yield(look, name) for name in ("s1", "s2")]
            assert samples(look) == ("s1", "s2")
        assert [one.there_mg for one in made if one is not None] == pytest.approx([100.0, 300.0])

    def test_yield_of_each_firing_and_of_the_sample(self, book: Book) -> None:
        book.tell(crucible(), portion(place=into("C-1"), mass_mg=1000.0))
        weigh = e.PortionWeighed(portion="s1", gross_mg=5990.0, when=Weighed.BEFORE_FIRING)
        book.tell(weigh, e.WareFired(ware="C-1", peak_degc=950.0))
        book.tell(e.PortionWeighed(portion="s1", gross_mg=5840.0, when=Weighed.AFTER_FIRING))
        to_xrd = e.Child(portion="s1.xrd", mass_mg=40.0, place=at("xrd-1/2"))
        book.tell(e.PortionSplit(portion="s1", children=(to_xrd,), remaining_mg=800.0))
        book.tell(e.PortionConsumed(portion="s1.xrd", fate=Fate.USED))
        with book.state.reading() as look:
            made = sample_yield(look, "s1")
        assert made is not None
        assert [(f.before_mg, f.after_mg) for f in made.firings] == [(990.0, 840.0)]
        assert made.fraction == pytest.approx(0.84)
        assert made.unknown == ()

    def test_less_than_nothing_is_not_weighed(self, book: Book) -> None:
        book.tell(crucible(), portion(place=into("C-1")))
        refused(book, e.PortionWeighed(portion="s1", gross_mg=4990.0), "so less than nothing: weigh again, or tare C-1")
        book.tell(e.PortionWeighed(portion="s1", gross_mg=4999.5))
        book.tell(crucible("C-2", "shelf/2", tare_mg=None), portion("s2", into("C-2")))
        refused(book, e.PortionWeighed(portion="s2", gross_mg=5000.0), "the tare of C-2 is not known")
        refused(book, e.WareTared(ware="C-2", tare_mg=1.0), "s2 is in it")

    @pytest.mark.parametrize("outcome", [Outcome.STUCK, Outcome.MELTED])
    def test_what_holds_fast_is_not_poured(self, book: Book, outcome: Outcome) -> None:
        book.tell(crucible(), portion(place=into("C-1")), e.PortionOutcome(portion="s1", outcome=outcome))
        pour = e.PortionMoved(portion="s1", source=into("C-1"), to=at("mill-1/1"))
        refused(book, pour, f"s1: is {outcome} in C-1 and cannot be poured")
        book.tell(e.WareMoved(ware="C-1", source="shelf/1", to="shelf/2"))
        book.tell(e.PortionOutcome(portion="s1", outcome=Outcome.FREE, note="knocked out"), actor="ada")
        book.tell(pour)

    def test_after_a_spill_nobody_knows_how_much_is_left(self, book: Book) -> None:
        book.tell(portion(), e.PortionOutcome(portion="s1", outcome=Outcome.SPILLED))
        part = e.Child(portion="x", mass_mg=1.0, place=at("a/1"))
        refused(book, e.PortionSplit(portion="s1", children=(part,)), r"not known \(spilled\): weigh it first")
        with book.state.reading() as look:
            made = sample_yield(look, "s1")
            assert made is not None
            assert made.unknown == ("s1",)
        book.tell(e.PortionWeighed(portion="s1", gross_mg=1.0), e.PortionSplit(portion="s1", children=(part,)))
