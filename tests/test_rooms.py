"""The rules of the rooms that an import linter cannot say."""

from __future__ import annotations

import ast
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("protocols", "drivers", "generator", "planner", "sim", "lab")


def imports(folder: str) -> Iterator[tuple[Path, str]]:
    """Every module that a room's files import, with the file."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield path, node.module


def of_ours(name: str) -> bool:
    return name.split(".")[0] in ROOMS


@pytest.mark.parametrize("room", ROOMS)
def test_no_dependency_owns_the_name_of_a_room(room: str) -> None:
    assert set(packages_distributions().get(room, ["athanor"])) == {"athanor"}


def test_the_simulator_imports_the_clock_and_nothing_else_of_ours() -> None:
    foreign = {(path.name, name) for path, name in imports("sim") if of_ours(name) and not name.startswith("sim")}
    assert {name for _, name in foreign} == {"drivers.clock"}


def test_one_module_imports_the_simulator() -> None:
    who = {
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        if room != "sim"
        for path, name in imports(room)
        if name.split(".")[0] == "sim"
    }
    assert who == {"lab/simulation.py"}


@pytest.mark.parametrize("reader", ["planner", "generator", "lab/characterization"])
def test_the_tables_of_the_truth_are_read_by_the_simulator_alone(reader: str) -> None:
    assert "xraydb" in {name.split(".")[0] for _, name in imports("sim")}
    assert not {name for _, name in imports(reader) if name.split(".")[0] in {"xraydb", "sim"}}
    assert "pymatgen" not in {name.split(".")[0] for _, name in imports("sim")}


def test_no_data_file_is_in_the_simulator_and_outside_it() -> None:
    def hashes(folder: str) -> set[str]:
        files = [
            p for p in (ROOT / folder).rglob("*") if p.is_file() and p.suffix in {".json", ".cif", ".yaml", ".csv"}
        ]
        assert files
        return {hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    assert not hashes("sim") & (hashes("generator") | hashes("lab"))


def modules_after(code: str) -> set[str]:
    """Names of the top-level modules that a fresh interpreter has after running `code`."""
    probe = f"{code}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_codecs_links_clock_and_gate_need_neither_ophyd_nor_numpy_nor_pint() -> None:
    light = modules_after(
        "import drivers.clock, drivers.gate, drivers.links, drivers.transcript, drivers.safety_module\n"
        "import drivers.codecs.eurotherm, drivers.codecs.safety_io, drivers.registry"
    )
    assert not light & {"ophyd", "bluesky", "numpy", "pint", "torch", "ax"}
    assert "pymodbus" in light


def test_the_process_that_runs_a_lab_imports_neither_ax_nor_torch() -> None:
    loaded = modules_after("import lab.startup, lab.campaign.session, lab.campaign.summary, planner.types")
    assert not loaded & {"ax", "torch", "botorch", "gpytorch"}
    assert "bluesky" in loaded


def test_help_needs_nothing_heavy() -> None:
    loaded = modules_after("import lab.cli.app")
    assert not loaded & {"numpy", "pydantic", "pint", "ophyd", "bluesky", "pymatgen", "scipy", "matplotlib"}
