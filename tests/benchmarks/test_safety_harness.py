"""The harness of the safety figures: a checker that sees nothing would find nothing."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.safety import percentile
from benchmarks.safety_harness.bad_inputs import Scans, random_scans
from benchmarks.safety_harness.drives import broken, drive
from benchmarks.safety_harness.reactions import jobs, undriven
from benchmarks.safety_harness.rules import Shipped, killed, shipped
from benchmarks.safety_harness.trials import Trials, side_by_side
from benchmarks.safety_harness.witness import Witness
from lab.safety.commands.judgement import Limits
from lab.safety.interlocks.rules import Signal

LIMITS = {
    "safety-1": Limits(watched=("furnace-1",)),
    "safety-2": Limits(watched=("furnace-2",)),
    **dict.fromkeys(("furnace-1", "furnace-2", "mover-1", "doser-1", "xrd-1"), Limits()),
}


@pytest.fixture(scope="module")
def rules() -> Shipped:
    return shipped()


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "plant.jsonl"


@pytest.fixture
def witness(record: Path) -> Iterator[Witness]:
    witness = Witness(record)
    yield witness
    witness.close()


def edge(monotonic_s: float, closed: bool, output: str = "contactor") -> str:
    entry = {"kind": "edge", "monotonic_s": monotonic_s, "lab_s": 0.0, "module": "m", "output": output}
    return json.dumps({**entry, "closed": closed, "why": "command"}) + "\n"


def test_a_witness_sees_what_the_plant_writes_also_in_pieces(witness: Witness, record: Path) -> None:
    line = edge(3.0, False)
    with record.open("w") as file:
        file.write(edge(1.0, True) + edge(2.0, True, "beacon") + '{"kind": "note"}\n' + line[:30])
        file.flush()
        assert witness.wait("m", "contactor", closed=True, since_s=0.5, within_s=5.0) is not None
        assert witness.wait("m", "contactor", closed=False, since_s=0.5, within_s=0.0) is None
        file.write(line[30:])
        file.flush()
        found = witness.wait("m", "contactor", closed=False, since_s=0.5, within_s=5.0)
    assert found is not None
    assert (found.monotonic_s, found.why) == (3.0, "command")
    assert [e.closed for e in witness.edges("m", "contactor")] == [True, False]
    assert witness.edges("m", "contactor", since_s=3.5) == []


def test_every_trip_that_is_shipped_can_be_brought_about(rules: Shipped) -> None:
    assert undriven(rules.interlocks) == []
    names = [name for name, _, _ in jobs(rules.interlocks)]
    assert {"F1-ESTOP", "F2-RUNAWAY", "F1-OVER (sensor broken)", "module deaf"} <= set(names)
    over = rules.interlocks.rule("F1-OVER")
    assert over is not None
    (change,) = drive(rules.interlocks, over) or ()
    assert change.signal.name == "f1.over"
    assert isinstance(change.value, float)
    assert change.value > 1150.0
    assert change.begin()["verb"] == "analogue"
    assert broken(rules.interlocks, over)[0].value is None  # type: ignore[index]


def test_every_mutant_counts_once(rules: Shipped) -> None:
    counts = killed(rules)
    assert counts["trip", True] > 50
    assert counts["trip", False] == 0


def test_bad_inputs_are_refused_and_a_believed_one_would_be_noticed(
    rules: Shipped, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = random_scans(Scans(rules.interlocks, LIMITS, rules.normal), 100, 1)
    assert good["violations"] == 0
    assert good["refused"] > 50

    def believe(signal: Signal, reading: float | None, age_s: float) -> float | bool | None:
        return None if reading is None else bool(reading) if signal.unit is None else float(reading)

    monkeypatch.setattr(Signal, "value", believe)
    assert random_scans(Scans(rules.interlocks, LIMITS, rules.normal), 100, 1)["violations"] > 10


def test_trials_of_the_same_source_are_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "trials"
    done: list[int] = []

    def work(trial: int) -> dict[str, int] | None:
        done.append(trial)
        return {"n": trial} if len(done) != 2 else None

    first = Trials(path)
    side_by_side([work], first, "kill", 3)
    assert done == [0, 1, 1, 2]
    again = Trials(path)
    assert again.missing("kill", 5) == [3, 4]
    assert again.done("kill") == first.done("kill") == {n: {"n": n} for n in range(3)}
    monkeypatch.setattr("benchmarks.safety_harness.trials.source_hash", lambda: "another")
    assert Trials(path).missing("kill", 2) == [0, 1]


def test_a_worker_that_fails_ends_the_others_and_is_told() -> None:
    def work(trial: int) -> dict[str, int] | None:
        if trial == 1:
            raise RuntimeError("no supervisor")
        return {"n": trial}

    with pytest.raises(RuntimeError, match="no supervisor"):
        side_by_side([work], Trials(None), "kill", 10)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(n) for n in range(1, 201)]
    random.Random(1).shuffle(values)
    assert percentile(values, 0.99) == 198.0
    assert percentile([7.0], 0.99) == 7.0
