"""The simulated mover: every line of its protocol, in lab time."""

from collections.abc import Callable

import pytest

from sim.instruments.text_mover import TextMover
from sim.plant import Plant

Wait = Callable[[float], None]


class Console:
    def __init__(self, plant: Plant) -> None:
        self.locked = False
        self._mover = TextMover("mover-1", plant, lambda furnace: self.locked and furnace == "furnace-1")

    def say(self, line: str) -> str:
        heard: list[str] = []
        self._mover.command(line, heard.append)
        assert len(heard) == 1, "one reply line for each command line"
        return heard[0]


@pytest.fixture
def console(plant: Plant) -> Console:
    return Console(plant)


def test_it_identifies_itself(console: Console) -> None:
    assert console.say("ID?") == "ID text-mover 1 SN-mover-1"


def test_a_job_is_busy_then_done_and_takes_effect_at_its_end(console: Console, wait: Wait) -> None:
    assert console.say("MOVE vials/1 mill-1/1") == "JOB 1"
    assert console.say("JOB? 1") == "JOB 1 BUSY"
    assert console.say("AT? vials/1") == "AT vials/1 V001"
    wait(60.0)
    assert console.say("JOB? 1") == "JOB 1 DONE"
    assert console.say("AT? vials/1") == "AT vials/1 -"
    assert console.say("AT? mill-1/1") == "AT mill-1/1 V001"


def test_one_job_at_a_time(console: Console) -> None:
    console.say("MOVE vials/1 mill-1/1")
    assert console.say("CLEAN vials/2") == "ERR busy"


def test_stop_finishes_nothing(console: Console, wait: Wait) -> None:
    console.say("MOVE vials/1 mill-1/1")
    assert console.say("STOP") == "STOPPED"
    assert console.say("JOB? 1") == "JOB 1 FAILED stopped"
    wait(60.0)
    assert console.say("AT? vials/1") == "AT vials/1 V001"
    assert console.say("MOVE vials/1 mill-1/1") == "JOB 2"


def test_doors_move_and_stay_halfway_when_stopped(console: Console, wait: Wait) -> None:
    assert console.say("DOOR? furnace-1") == "DOOR furnace-1 CLOSED"
    console.say("DOOR furnace-1 OPEN")
    assert console.say("DOOR? furnace-1") == "DOOR furnace-1 MOVING"
    console.say("STOP")
    wait(60.0)
    assert console.say("DOOR? furnace-1") == "DOOR furnace-1 MOVING"
    console.say("DOOR furnace-1 OPEN")
    wait(60.0)
    assert console.say("DOOR? furnace-1") == "DOOR furnace-1 OPEN"
    console.say("DOOR furnace-1 CLOSE")
    wait(60.0)
    assert console.say("DOOR? furnace-1") == "DOOR furnace-1 CLOSED"


def test_a_locked_door_does_not_open(console: Console) -> None:
    console.locked = True
    assert console.say("DOOR furnace-1 OPEN") == "ERR furnace-1 door locked"


def test_heads_go_on_and_back(console: Console, plant: Plant, wait: Wait) -> None:
    assert console.say("HEAD doser-1 2") == "JOB 1"
    wait(60.0)
    assert plant.dosers["doser-1"].mounted == 2
    console.say("HEAD doser-1 0")
    wait(60.0)
    assert plant.dosers["doser-1"].mounted is None
    assert console.say("HEAD doser-1 9") == "ERR no head 9 in the rack of doser-1"


def test_mixing_and_cleaning_are_jobs(console: Console, wait: Wait) -> None:
    console.say("MOVE vials/1 mill-1/1")
    wait(60.0)
    assert console.say("MIX mill-1/1 600 300 ball-mill") == "JOB 2"
    wait(599.0)
    assert console.say("JOB? 2") == "JOB 2 BUSY"
    wait(60.0)
    assert console.say("JOB? 2") == "JOB 2 DONE"
    assert console.say("CLEAN mill-1/1") == "JOB 3"


def test_what_became_impossible_meanwhile_fails(console: Console, plant: Plant, wait: Wait) -> None:
    console.say("MOVE vials/1 mill-1/1")
    plant.move("vials/2", "mill-1/1")
    wait(60.0)
    assert console.say("JOB? 1") == "JOB 1 FAILED mill-1/1 is occupied"


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("move vials/1 mill-1/1", "ERR unknown command"),
        ("", "ERR unknown command"),
        ("MOVE vials/1", "ERR bad arguments of MOVE"),
        ("MOVE mill-1/1 vials/1", "ERR mill-1/1 is empty"),
        ("MOVE vials/1 vials/2", "ERR vials/2 is occupied"),
        ("MOVE vials/1 furnace-1/1", "ERR furnace-1 door closed"),
        ("POUR vials/1 vials/2 ALL", "ERR vials/1 holds no powder"),
        ("POUR vials/1 vials/2 much", "ERR much is no number"),
        ("MIX vials/1 60 300 ball-mill", "ERR vials/1 is no mill station"),
        ("MIX mill-1/1 60 300 spoon", "ERR unknown method spoon"),
        ("MIX mill-1/1 nan 300 shake", "ERR nan is out of range"),
        ("DOOR furnace-9 OPEN", "ERR unknown furnace furnace-9"),
        ("DOOR furnace-1 AJAR", "ERR bad arguments of DOOR"),
        ("HEAD doser-9 1", "ERR unknown doser doser-9"),
        ("AT? nowhere/1", "ERR unknown position nowhere/1"),
        ("JOB? 1", "ERR no such job"),
        ("JOB? x", "ERR no such job"),
    ],
)
def test_what_cannot_be_is_refused_at_once_with_the_reason(console: Console, line: str, reply: str) -> None:
    assert console.say(line) == reply
