"""The main job as a person starts it: real processes, pseudo-terminals and sockets."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SEED, SAMPLES = 130, 2
"""Whose first recipes are short, one of them with a second firing: every hour in the furnace costs a test its part."""
PNG = b"\x89PNG"

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(300)]


def athanor(*words: str | Path, state: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, its locks apart from a person's."""
    environment = os.environ | {"XDG_STATE_HOME": str(state)}
    command = [sys.executable, "-m", "lab", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=check, env=environment)


@dataclass(frozen=True)
class Run:
    data: Path
    summary: dict[str, Any]

    def entries(self, kind: str) -> list[dict[str, Any]]:
        lines = (self.data / "journal.jsonl").read_text(encoding="utf-8").splitlines()
        return [entry for entry in map(json.loads, lines) if entry["kind"] == kind]


def campaign(folder: Path, name: str) -> Run:
    data = folder / name
    words: list[str | Path] = [
        "run",
        "examples/batio3.yaml",
        "--budget",
        str(SAMPLES),
        "--seed",
        str(SEED),
        "--json",
        "--data",
        data,
    ]
    done = athanor(*words, state=folder / "state")
    return Run(data, json.loads(done.stdout))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return campaign(tmp_path_factory.mktemp("demo"), "run")


def test_a_run_ends_with_the_object_that_other_programs_rely_on(run: Run) -> None:
    assert set(run.summary) == {
        "campaign",
        "world",
        "samples",
        "succeeded",
        "failed",
        "in_review",
        "best",
        "hypervolume",
        "virtual_s",
        "wall_s",
        "denied",
        "data",
    }
    assert run.summary["campaign"] == "barium titanate"
    assert run.summary["world"] == "simulated"
    assert run.summary["samples"] == SAMPLES
    assert run.summary["succeeded"] + run.summary["failed"] + run.summary["in_review"] == SAMPLES
    assert run.summary["succeeded"] >= 1
    assert run.summary["virtual_s"] > 12 * 3600
    for entry in run.summary["best"]:
        assert set(entry) == {"sample", "target", "objectives", "recipe"}
        assert 0 <= entry["objectives"]["target_fraction"]["value"] <= 1
        assert entry["objectives"]["furnace_hours"]["unit"] == "h"
        assert Path(entry["recipe"]).exists()


def test_the_data_folder_holds_all_that_happened(run: Run) -> None:
    names = [f"sample-{n:03d}" for n in range(1, SAMPLES + 1)]
    for name in names:
        assert (run.data / "recipes" / f"{name}.yaml").exists()
        assert "xrdMeasurement" in (run.data / "raw" / f"{name}.xrdml").read_text(encoding="utf-8")
        assert (run.data / "fits" / f"{name}.png").read_bytes()[:4] == PNG
    for picture in ("pareto.png", "gantt.png"):
        assert (run.data / picture).read_bytes()[:4] == PNG
    assert json.loads((run.data / "summary.json").read_text(encoding="utf-8")) == run.summary


def test_every_journal_entry_says_that_it_is_simulated_and_who_acted(run: Run) -> None:
    lines = (run.data / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    assert {entry["world"] for entry in entries} == {"simulated"}
    assert all(entry["actor"] for entry in entries)
    assert [entry["n"] for entry in entries] == list(range(1, len(entries) + 1))


def test_suggestions_are_written_before_anything_moves(run: Run) -> None:
    for name in {entry["sample"] for entry in run.entries("suggested")}:
        suggested = next(e["n"] for e in run.entries("suggested") if e["sample"] == name)
        started = min(e["n"] for e in run.entries("task-started") if e["sample"] == name)
        assert suggested < started


def test_two_furnaces_work_at_the_same_time(run: Run) -> None:
    start = {e["sample"]: (e["t"], e["station"]) for e in run.entries("task-started") if e["task"] == "fire 1"}
    end = {e["sample"]: e["t"] for e in run.entries("task-done") if e["task"] == "fire 1"}
    (a_start, a), (b_start, b) = start["sample-001"], start["sample-002"]
    assert a != b
    assert max(a_start, b_start) < min(end["sample-001"], end["sample-002"])


def test_the_same_seed_gives_the_same_recipes_and_the_same_results(run: Run, tmp_path: Path) -> None:
    again = campaign(tmp_path, "again")
    for n in range(1, SAMPLES + 1):
        recipe = Path("recipes") / f"sample-{n:03d}.yaml"
        assert (run.data / recipe).read_bytes() == (again.data / recipe).read_bytes()
    seen = [[(e["sample"], e["objectives"], e["t"]) for e in r.entries("observed")] for r in (run, again)]
    assert seen[0] == seen[1]


def test_the_wire_transcript_alone_gives_the_planner_the_same_input(run: Run, tmp_path: Path) -> None:
    from lab.campaign.replayed import play_back
    from lab.campaign.session import campaign_work, reference_files, terms_of
    from lab.characterization import Characterization, analyze_file, load_references
    from lab.config.lab_file import load_lab

    lab = load_lab(ROOT / "examples" / "lab.yaml")
    work = campaign_work(ROOT / "examples" / "batio3.yaml", lab, None)
    references = load_references(reference_files(work.problem))

    class Analyst:
        def analyze(self, pattern: Path, picture: Path) -> Characterization:
            return analyze_file(pattern, references, "CuKa")[1]

    found = play_back(run.data, lab, terms_of(work, lab), Analyst(), tmp_path)
    assert found.mismatches == 0
    assert len(found.replayed) == SAMPLES
    assert found.recorded == found.replayed


def test_status_reads_an_ended_run(run: Run, tmp_path: Path) -> None:
    done = athanor("status", "--data", run.data, "--json", state=tmp_path)
    (status,) = json.loads(done.stdout)
    assert status["ended"]
    assert [sample["sample"] for sample in status["samples"]] == [f"sample-{n:03d}" for n in range(1, SAMPLES + 1)]


def test_a_dry_run_of_one_recipe_replaces_real_addresses(tmp_path: Path) -> None:
    athanor("init", tmp_path / "lab", state=tmp_path)
    lab = tmp_path / "lab" / "lab.yaml"
    real = lab.read_text(encoding="utf-8").replace("socket://sim:7101", "socket://127.0.0.1:9")
    lab.write_text(real, encoding="utf-8")
    words: list[str | Path] = [
        "dry-run",
        tmp_path / "lab" / "recipe.yaml",
        "--lab",
        lab,
        "--data",
        tmp_path / "dry",
        "--json",
    ]
    summary = json.loads(athanor(*words, state=tmp_path).stdout)
    assert summary["world"] == "simulated"
    assert (summary["samples"], summary["succeeded"]) == (1, 1)
    assert summary["hypervolume"]["value"] > 0


def test_an_address_where_nobody_answers_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        athanor("init", tmp_path / "lab", state=tmp_path)
        lab = tmp_path / "lab" / "lab.yaml"
        lab.write_text(lab.read_text(encoding="utf-8").replace("socket://sim:7101", f"socket://127.0.0.1:{port}"))
        words: list[str | Path] = [
            "run",
            tmp_path / "lab" / "campaign.yaml",
            "--lab",
            lab,
            "--data",
            tmp_path / "data",
            "--json",
        ]
        done = athanor(*words, state=tmp_path, check=False)
    assert done.returncode == 2
    assert not done.stdout
    (sentence,) = done.stderr.strip().splitlines()
    assert "mover-1" in sentence
    assert str(port) in sentence
    assert not (tmp_path / "data").exists()


def test_an_interrupt_finishes_what_is_in_work_and_keeps_it(tmp_path: Path) -> None:
    data, quick = tmp_path / "data", tmp_path / "quick.yaml"
    text = (ROOT / "examples" / "batio3.yaml").read_text(encoding="utf-8")
    for long, short in (("1 h .. 12 h", "1 h .. 2 h"), ("2 degC/min .. 10", "8 degC/min .. 10"), ("[0, 1]", "[0]")):
        assert text.count(long) == 1
        text = text.replace(long, short)
    quick.write_text(text, encoding="utf-8")
    lab = "examples/lab.yaml"
    words = ["run", str(quick), "--lab", lab, "--budget", "16", "--seed", "2", "--json", "--data", str(data)]
    command = [sys.executable, "-m", "lab", *words]
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path)}
    # Its own group, interrupted as a whole, as a terminal does on Ctrl-C.
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, start_new_session=True
    ) as process:
        wait_for(data / "journal.jsonl", '"kind":"observed"')
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=200)
    summary = json.loads(out)
    assert process.returncode == 0
    assert 1 <= summary["samples"] < 16
    assert summary["succeeded"] + summary["failed"] + summary["in_review"] == summary["samples"]
    assert '"kind":"campaign-ended"' in (data / "journal.jsonl").read_text(encoding="utf-8")


def wait_for(path: Path, text: str) -> None:
    deadline_s = time.monotonic() + 120
    while not (path.exists() and text in path.read_text(encoding="utf-8")):
        assert time.monotonic() < deadline_s, f"{text} did not appear in {path}"
        time.sleep(0.2)
