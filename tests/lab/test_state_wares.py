from __future__ import annotations

import pytest

from lab.records.state import events as e
from lab.records.state.budget import WareNeed, amount_of, low, missing, used
from lab.records.state.carry_over import Fitness
from lab.records.state.family import family
from lab.records.state.looks import blocked, elsewhere, occupied, usable, wares_for, what_is_at, where_is
from lab.records.state.words import CarryOver, Fate, WareSort
from tests.lab.state_bases import Book, at, crucible, into, lot, portion, refused


class TestStock:
    def test_never_goes_below_zero(self, book: Book) -> None:
        book.tell(lot(amount=300.0), e.StockUsed(stock="TiO2-lot3", amount=240.0))
        refused(
            book, e.StockUsed(stock="TiO2-lot3", amount=61.0), r"TiO2-lot3: 61 mg asked for, 60 mg left: take in more"
        )
        book.tell(e.StockUsed(stock="TiO2-lot3", amount=60.0))
        with book.state.reading() as look:
            assert amount_of(look, "TiO2-lot3") == 0.0

    def test_tenths_that_add_up_leave_nothing(self, book: Book) -> None:
        book.tell(lot(amount=0.3), *[e.StockUsed(stock="TiO2-lot3", amount=0.1)] * 3)
        with book.state.reading() as look:
            assert amount_of(look, "TiO2-lot3") == 0.0

    def test_no_more_comes_back_than_went_out(self, book: Book) -> None:
        book.tell(lot(), e.StockUsed(stock="TiO2-lot3", amount=10.0), e.StockReturned(stock="TiO2-lot3", amount=4.0))
        refused(book, e.StockReturned(stock="TiO2-lot3", amount=7.0), "7 mg come back, and only 6 mg are out")

    def test_what_a_person_counts_holds(self, book: Book) -> None:
        book.tell(lot())
        refused(book, e.StockCounted(stock="TiO2-lot3", amount=900.0), "is entered by the laboratory itself")
        book.tell(e.StockCounted(stock="TiO2-lot3", amount=900.0), actor="ada")
        book.tell(e.StockCounted(stock="TiO2-lot3", amount=1100.0), actor="ada")
        with book.state.reading() as look:
            assert amount_of(look, "TiO2-lot3") == 1100.0
            assert used(look) == {}

    def test_little_left_is_told_once_until_more_comes(self, book: Book) -> None:
        book.tell(lot(warn_below=500.0), e.StockUsed(stock="TiO2-lot3", amount=600.0))
        with book.state.reading() as look:
            assert [(one.stock, one.amount, one.told) for one in low(look)] == [("TiO2-lot3", 400.0, False)]
        book.tell(e.StockWarned(stock="TiO2-lot3"))
        with book.state.reading() as look:
            assert [one.told for one in low(look)] == [True]
        book.tell(lot(amount=50.0, warn_below=500.0))
        with book.state.reading() as look:
            assert [one.told for one in low(look)] == [False]

    def test_a_budget_says_what_is_missing(self, book: Book) -> None:
        book.tell(lot("TiO2-a", 100.0), lot("TiO2-b", 50.0), crucible(), crucible("C-2", "shelf/2", max_degc=900.0))
        need = WareNeed(WareSort.CRUCIBLE, 2, ("Ba", "O"), 1000.0)
        with book.state.reading() as look:
            assert missing(look, {"TiO2": 50.0, "TiO2-a": 100.0}) == ()
            assert [str(one) for one in missing(look, {"TiO2": 51.0, "TiO2-a": 100.0})] == [
                "TiO2: 51 mg needed, 50 mg there"
            ]
            told = [str(one) for one in missing(look, {"TiO2": 151.0, "BaCO3": 1.0}, [need])]
        assert told == [
            "TiO2: 151 mg needed, 150 mg there",
            "BaCO3: 1 needed, nothing of that name there",
            "crucible for 1000 degC: 2 pieces needed, 1 pieces there",
        ]

    def test_who_can_use_few_wares_chooses_first(self, book: Book) -> None:
        book.tell(crucible("C-1", max_degc=1600.0), crucible("C-2", "shelf/2", max_degc=900.0))
        cool = WareNeed(WareSort.CRUCIBLE, 1, ("Ba", "O"), 800.0)
        hot = WareNeed(WareSort.CRUCIBLE, 1, ("Ba", "O"), 1500.0)
        with book.state.reading() as look:
            assert missing(look, {}, [cool, hot]) == ()

    def test_what_was_used_costs(self, book: Book) -> None:
        book.tell(
            lot(price=0.5), e.StockUsed(stock="TiO2-lot3", amount=10.0), e.StockReturned(stock="TiO2-lot3", amount=2.0)
        )
        with book.state.reading() as look:
            assert used(look) == {"TiO2-lot3": (8.0, 4.0)}

    def test_a_name_is_not_two_things(self, book: Book) -> None:
        book.tell(lot("lot-1"))
        other = lot("lot-1").model_copy(update={"substance": "BaCO3"})
        refused(book, other, "substance BaCO3 comes in, and lot is there")
        refused(book, e.StockUsed(stock="lot-2", amount=1.0), "no such stock")


class TestPlaces:
    def test_one_thing_in_a_place(self, book: Book) -> None:
        book.tell(crucible(), crucible("C-2", "shelf/2"), portion())
        refused(book, crucible("C-3", "shelf/2"), "C-3: cannot go to shelf/2, C-2 is there")
        refused(book, e.WareMoved(ware="C-1", source="shelf/1", to="mill-1/1"), "s1 is there")
        book.tell(e.PortionMoved(portion="s1", source=at("mill-1/1"), to=into("C-1")))
        refused(book, portion("s2", into("C-1")), "s2: cannot go into C-1, s1 is in it")
        refused(book, portion("s1", at("pan/1")), "is known already")
        refused(book, crucible("C-1", "shelf/7"), "is known already")

    def test_what_is_in_a_ware_goes_with_it(self, book: Book) -> None:
        book.tell(crucible(), portion(place=into("C-1")), e.WareMoved(ware="C-1", source="shelf/1", to="furnace-1/3"))
        with book.state.reading() as look:
            found = where_is(look, "s1")
            assert found is not None
            assert (found.position, found.inside) == ("furnace-1/3", "C-1")
            assert what_is_at(look, "furnace-1/3") == ("C-1", "s1")
            assert what_is_at(look, "shelf/1") == ()
            assert occupied(look) == {"furnace-1/3": ("C-1", "s1")}
            assert where_is(look, "s9") is None

    def test_it_is_taken_from_where_it_is(self, book: Book) -> None:
        book.tell(crucible(), portion())
        refused(
            book, e.WareMoved(ware="C-1", source="shelf/2", to="a/1"), "to be taken from shelf/2, and it is at shelf/1"
        )
        refused(
            book, e.PortionMoved(portion="s1", source=into("C-1"), to=at("a/1")), "out of C-1, and it is at mill-1/1"
        )

    def test_nothing_goes_where_it_is_blocked(self, book: Book) -> None:
        book.tell(crucible(), e.PositionBlocked(position="furnace-1/3", why="a crucible broke"))
        move = e.WareMoved(ware="C-1", source="shelf/1", to="furnace-1/3")
        refused(book, move, r"furnace-1/3, which is blocked \(a crucible broke\): clear it first")
        with book.state.reading() as look:
            assert blocked(look) == {"furnace-1/3": "a crucible broke"}
        book.tell(
            e.PositionBlocked(position="furnace-1/3", why="still"), e.PositionCleared(position="furnace-1/3"), move
        )
        refused(book, e.PositionCleared(position="furnace-1/3"), "it is not blocked")

    def test_a_furnace_that_a_lab_file_lost_keeps_its_samples(self, book: Book) -> None:
        book.tell(crucible(position="furnace-2/1"), portion(place=into("C-1")), crucible("C-2", "shelf/1"))
        with book.state.reading() as look:
            assert elsewhere(look, {"shelf", "furnace-1"}) == {"C-1": "furnace-2/1", "s1": "furnace-2/1"}

    def test_a_portion_goes_into_vessels_only(self, book: Book) -> None:
        book.tell(crucible("sieve-1", sort=WareSort.SIEVE))
        refused(book, portion(place=into("sieve-1")), "cannot go into sieve-1, a sieve")
        refused(book, portion(place=into("C-9")), "C-9: no such ware")


class TestWares:
    def test_a_crucible_counts_uses_and_the_hottest(self, book: Book) -> None:
        book.tell(crucible(), portion(place=into("C-1")))
        book.tell(e.WareFired(ware="C-1", peak_degc=950.0), e.WareFired(ware="C-1", peak_degc=900.0))
        with book.state.reading() as look:
            tree = family(look, "s1")
            assert tree is not None
            assert tree.hottest_degc == 950.0

    def test_another_chemistry_waits_for_cleaning(self, book: Book) -> None:
        book.tell(crucible(), portion(place=into("C-1")), e.PortionConsumed(portion="s1", fate=Fate.USED))
        book.tell(portion("s2", into("C-1")), e.PortionConsumed(portion="s2", fate=Fate.USED))
        other = portion("s3", into("C-1"), 500.0, "Ba", "Zr", "O")
        refused(book, other, "cannot go into C-1, which has had Ti in it since it was cleaned: clean it first")
        with book.state.reading() as look:
            assert usable(look, "C-1", ["Ba", "Zr"]).fitness is Fitness.CLEAN_FIRST
            assert usable(look, "C-1", ["Ba", "Ti", "Zr"]).fitness is Fitness.READY
        book.tell(e.WareCleaned(ware="C-1"), other)
        refused(book, e.WareCleaned(ware="C-1"), "s3 is in it")

    def test_a_sieve_takes_some_along(self, book: Book) -> None:
        book.tell(crucible("sieve-1", sort=WareSort.SIEVE), portion(), portion("s2", at("a/1"), 500.0, "Ba", "Zr", "O"))
        book.tell(e.WareUsed(ware="sieve-1", portion="s1"), e.WareUsed(ware="sieve-1", portion="s1"))
        use = e.WareUsed(ware="sieve-1", portion="s2")
        refused(book, use, "s2: cannot be touched by sieve-1, which has had Ti in it since it was cleaned: clean it")
        book.tell(e.WareCleaned(ware="sieve-1"), use)
        with book.state.reading() as look:
            assert usable(look, "sieve-1", ["Ba", "Ti", "O"]).fitness is Fitness.CLEAN_FIRST

    @pytest.mark.parametrize(
        ("carry_over", "same", "other", "cleaned"),
        [
            (CarryOver.NONE, Fitness.READY, Fitness.READY, Fitness.READY),
            (CarryOver.TRACES, Fitness.READY, Fitness.CLEAN_FIRST, Fitness.READY),
            (CarryOver.ALWAYS, Fitness.CLEAN_FIRST, Fitness.CLEAN_FIRST, Fitness.READY),
            (CarryOver.DEDICATED, Fitness.READY, Fitness.NEVER, Fitness.NEVER),
        ],
    )
    def test_each_class_of_carry_over(
        self, book: Book, carry_over: CarryOver, same: Fitness, other: Fitness, cleaned: Fitness
    ) -> None:
        book.tell(crucible(carry_over=carry_over), portion(place=into("C-1")))
        book.tell(e.PortionConsumed(portion="s1", fate=Fate.USED))
        with book.state.reading() as look:
            assert usable(look, "C-1", ["Ba", "Ti", "O"]).fitness is same
            assert usable(look, "C-1", ["Y", "Ba"]).fitness is other
        book.tell(e.WareCleaned(ware="C-1", how="by hand"))
        with book.state.reading() as look:
            assert usable(look, "C-1", ["Y", "Ba"]).fitness is cleaned

    def test_which_wares_may_be_used(self, book: Book) -> None:
        book.tell(
            crucible("C-1", "shelf/1", max_uses=1), crucible("C-2", "shelf/2"), crucible("C-3", "shelf/3", lid=True)
        )
        book.tell(portion(place=into("C-2")), crucible("C-4", "shelf/4", max_degc=None))
        book.tell(e.WareFired(ware="C-1", peak_degc=900.0), crucible("C-5", "shelf/5"))
        book.tell(e.WareFired(ware="C-5", peak_degc=1300.0))
        with book.state.reading() as look:
            why = {name: usable(look, name, ["Ba"], 1000.0).why for name in ("C-1", "C-2", "C-3", "C-4", "C-5")}
            assert [one.ware for one in wares_for(look, WareSort.CRUCIBLE, ["Ba"], peak_degc=1000.0)] == ["C-3"]
            assert wares_for(look, WareSort.CRUCIBLE, ["Ba"], peak_degc=1000.0, lid=False) == ()
            assert "1300 degC wanted, and it stands 1200 degC (alumina)" in usable(look, "C-3", ["Ba"], 1300.0).why
        assert why == {
            "C-1": "it was used 1 times and may be 1 times",
            "C-2": "s1 is in it",
            "C-3": "",
            "C-4": "1000 degC wanted, and it must not be heated (alumina)",
            "C-5": "it was at 1300 degC and stands 1200 degC",
        }

    def test_a_retired_ware_leaves_its_place(self, book: Book) -> None:
        book.tell(crucible(), portion(place=into("C-1")))
        refused(book, e.WareRetired(ware="C-1", why="cracked"), "s1 is in it")
        book.tell(e.PortionConsumed(portion="s1", fate=Fate.WASTE), e.WareRetired(ware="C-1", why="cracked"))
        refused(book, e.WareFired(ware="C-1", peak_degc=100.0), r"C-1: is retired \(cracked\)")
        book.tell(crucible("C-2"))
