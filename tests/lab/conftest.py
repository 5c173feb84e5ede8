"""A small laboratory in files, which each test changes where it needs another one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.config.lab_file import LabConfig, load_lab, packaged_lab

if TYPE_CHECKING:
    from tests.lab.state_bases import Book

FILES = ("lab.yaml", "inventory.yaml", "interlocks.yaml", "campaign.yaml", "recipe.yaml")


class LabFolder:
    """The packaged files in a folder of their own, to be changed by replacing text."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in FILES:
            (folder / name).write_text(packaged_lab().with_name(name).read_text(encoding="utf-8"), encoding="utf-8")

    def path(self, name: str) -> Path:
        return self.folder / name

    def change(self, name: str, old: str, new: str) -> Path:
        """Replace the one place where `old` stands; a test that changes nothing is wrong."""
        text = self.path(name).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        self.path(name).write_text(text.replace(old, new), encoding="utf-8")
        return self.path(name)

    def write(self, name: str, text: str) -> Path:
        self.path(name).write_text(text, encoding="utf-8")
        return self.path(name)

    def line_of(self, name: str, text: str) -> int:
        """The line, from 1, on which `text` stands first."""
        lines = self.path(name).read_text(encoding="utf-8").splitlines()
        return next(i for i, line in enumerate(lines, start=1) if text in line)

    def load(self) -> LabConfig:
        return load_lab(self.path("lab.yaml"))


@pytest.fixture
def lab_folder(tmp_path: Path) -> LabFolder:
    return LabFolder(tmp_path)


@pytest.fixture(scope="session", params=("sqlite", "postgresql"))
def new_base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """Gives addresses of new databases for the state, of both kinds, without a row."""
    from tests.lab.state_bases import bases

    with bases(request.param, tmp_path_factory.mktemp("state")) as new:
        yield new


@pytest.fixture
def book(new_base: Callable[[], str], tmp_path: Path) -> Iterator[Book]:
    """A state of no things yet, and its journal."""
    from tests.lab.state_bases import Book

    book = Book(new_base(), tmp_path)
    yield book
    book.close()


@pytest.fixture
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Locks go to a folder of this test; gives where they are."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return lambda: tmp_path / "state" / "athanor"
