"""The benchmark of instruments: it must see what it is there to see."""

from __future__ import annotations

import os

os.environ.setdefault("OPHYD_CONTROL_LAYER", "dummy")

from dataclasses import replace

import pytest

from benchmarks.instruments_harness.rig import Action, all_rigs
from benchmarks.instruments_harness.torment import torment
from drivers.registry import driver_names


def test_every_driver_has_a_rig() -> None:
    assert set(all_rigs()) == set(driver_names())


@pytest.mark.system
@pytest.mark.parametrize("driver", ["text-mill", "safety-io"])
def test_a_driver_is_tormented_until_it_has_met_its_faults(driver: str) -> None:
    result = torment(all_rigs()[driver], links=2, faults=8, seed=3)
    assert result["faults"] >= 16
    assert result["looks"] > 0
    assert (result["repeated"], result["unseen"], result["stuck"]) == (0, 0, 0)


@pytest.mark.system
def test_what_is_done_more_often_than_asked_for_is_counted() -> None:
    # Each job notes its start and, when it is over, its end: both counted make two for each action.
    rig = replace(all_rigs()["text-mill"], actions=(Action("mill", "mill-2 .*"),))
    result = torment(rig, links=1, faults=6, seed=3)
    assert result["repeated"] > 0


@pytest.mark.system
def test_a_value_that_is_not_true_is_counted() -> None:
    rig = replace(all_rigs()["eurotherm-3216p"], truths={"reading_degc": lambda simulation: 5000.0})
    result = torment(rig, links=1, faults=6, seed=3)
    assert result["wrong"] > 0
