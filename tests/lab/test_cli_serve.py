from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab.cli.serve import serve_lab
from lab.console.client import LabClient
from lab.errors import LabError, UsageError
from tests.lab.conftest import LabFolder
from tests.lab.front import Front, opened


@pytest.fixture
def nothing_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call is refused before a lab is opened."""
    monkeypatch.setattr("lab.startup.open_service", lambda *words: pytest.fail("it was opened"))


def refused(capsys: pytest.CaptureFixture[str], lab: Path | None = None, **options: Any) -> str:
    with pytest.raises(SystemExit) as caught:
        serve_lab(lab, **options)
    told = capsys.readouterr()
    assert (caught.value.code, told.out, told.err.count("\n")) == (2, "", 1)
    return told.err


@pytest.mark.usefixtures("nothing_opens")
def test_a_host_that_others_reach_is_refused_without_tls(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--host 0.0.0.0: others on the network could read passwords" in refused(capsys, host="0.0.0.0")
    assert "--host : others on the network" in refused(capsys, host="")
    assert "would trust everybody" in refused(capsys, host="0.0.0.0", behind_proxy=["0.0.0.0/0"])


@pytest.mark.usefixtures("nothing_opens")
def test_time_does_not_jump_past_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--clock jump: time would jump past everybody who is served" in refused(capsys, clock="jump")


@pytest.mark.usefixtures("nothing_opens")
def test_another_file_in_place_of_the_lab_is_named(lab_folder: LabFolder, capsys: pytest.CaptureFixture[str]) -> None:
    path = lab_folder.path("campaign.yaml")
    assert refused(capsys, path) == f"athanor: --lab {path}: is a campaign file: give a lab file\n"


@pytest.mark.usefixtures("nothing_opens")
def test_a_data_folder_that_holds_files_is_refused_and_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")
    assert "holds files already: give a new or empty folder" in refused(capsys, data=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


# ---------------------------------------------------------------- a lab that is opened


class Opening:
    """Stands in for `lab.startup.open_service`: gives a lab in memory, and notes that it was closed."""

    def __init__(self, front: Front, runtime: Path) -> None:
        self.front, self.runtime = front, runtime
        self.fails: Exception | None = None
        self.closed = False

    @contextmanager
    def __call__(self, config: Any, folder: Path, choices: Any) -> Iterator[tuple[Any, Path]]:
        if self.fails is not None:
            raise self.fails
        parts = self.front.service._parts
        yield SimpleNamespace(parts=parts, users=self.front.users, world="simulated"), self.runtime
        self.closed = True


@pytest.fixture
def opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opening]:
    (tmp_path / "runtime").mkdir()
    with opened(tmp_path) as front:
        opening = Opening(front, tmp_path / "runtime")
        monkeypatch.setattr("lab.startup.open_service", opening)
        yield opening


def tell(number: signal.Signals, when: Callable[[], bool]) -> threading.Thread:
    """Send this process a signal once something is so."""

    def wait() -> None:
        while not when():
            time.sleep(0.005)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(
    opening: Opening, tmp_path: Path, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    before = signal.getsignal(number)
    seen: list[str] = []

    def answers() -> bool:
        if not (opening.runtime / "lab.sock").exists():
            return False
        try:
            seen.append(LabClient(opening.runtime).me()["user"])
        except LabError:
            return False  # it listens, and does not answer yet
        return True

    telling = tell(number, answers)
    serve_lab(None, data=tmp_path / "data", port=0, as_json=True)
    telling.join()
    facts = json.loads(capsys.readouterr().out)
    assert (facts["lab"], facts["world"], facts["pid"]) == ("powder-1", "simulated", os.getpid())
    assert facts["url"].startswith("http://127.0.0.1:")
    assert facts["data"] == str(tmp_path / "data")
    assert len(seen) == 1
    assert opening.closed
    assert not (opening.runtime / "lab.sock").exists()
    assert signal.getsignal(number) == before


def test_where_there_is_no_user_yet_an_admin_gets_a_one_time_secret_this_once(
    opening: Opening, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served = []
    for name in ("first", "second"):
        telling = tell(signal.SIGTERM, (opening.runtime / "lab.sock").exists)
        serve_lab(None, data=tmp_path / name, port=0, as_json=name == "first")
        telling.join()
        served.append(capsys.readouterr().out)
    first = json.loads(served[0])["first_user"]
    admin = opening.front.users.authenticate("admin", first["secret"])
    assert admin is not None
    assert (admin.must_change, [str(role) for role in admin.granted]) == (True, ["admin"])
    assert "one-time secret" not in served[1]
    assert served[1].startswith("lab powder-1 (simulated) is served at http://127.0.0.1:")
    assert served[1].endswith("ending: everything is left cold\n")


def test_a_lab_that_does_not_open_leaves_no_folder_behind(
    opening: Opening, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opening.fails = UsageError("lab powder-1 is held by another process")
    assert refused(capsys, data=tmp_path / "data") == "athanor: lab powder-1 is held by another process\n"
    assert not (tmp_path / "data").exists()
    assert opening.front.users.list() == ()
