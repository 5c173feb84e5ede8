"""The link to a folder: whole files or none, and leave for every change."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.errors import BadAddressError, GrantError, LinkError
from drivers.gate import Command, Granted
from drivers.links.folder import FolderLink, open_folder
from tests.drivers.fakes import Noted

LEAVE = Granted(Command("xrd-2", "measure"), 0.0)


@pytest.fixture
def link(tmp_path: Path, noted: Noted) -> FolderLink:
    return open_folder("xrd-2", f"dir:{tmp_path}", noted)


def test_a_file_appears_whole_and_is_noted(link: FolderLink, tmp_path: Path, noted: Noted) -> None:
    assert link.names() == frozenset()
    link.write("Job.xml", b"<Job/>", LEAVE)
    assert [path.name for path in tmp_path.iterdir()] == ["Job.xml"]
    assert (link.names(), link.read("Job.xml"), link.read("other")) == (frozenset({"Job.xml"}), b"<Job/>", None)
    assert noted.frames == [("xrd-2", "tx", b"<Job/>")]


def test_a_file_is_withdrawn_once(link: FolderLink, tmp_path: Path) -> None:
    link.write("Job.xml", b"<Job/>", LEAVE)
    assert link.withdraw("Job.xml", LEAVE)
    assert not link.withdraw("Job.xml", LEAVE)
    assert list(tmp_path.iterdir()) == []


def test_without_its_own_leave_nothing_changes(link: FolderLink, tmp_path: Path) -> None:
    forged = Granted(Command("xrd-1", "measure"), 0.0)
    with pytest.raises(GrantError):
        link.write("Job.xml", b"<Job/>", forged)
    link.write("Job.xml", b"<Job/>", LEAVE)
    with pytest.raises(GrantError):
        link.withdraw("Job.xml", forged)
    assert [path.name for path in tmp_path.iterdir()] == ["Job.xml"]


def test_a_folder_that_is_gone_is_a_broken_wire(tmp_path: Path, noted: Noted) -> None:
    link = open_folder("xrd-2", f"dir:{tmp_path}/gone", noted)
    for use in (
        link.names,
        lambda: link.read("Job.xml"),
        lambda: link.write("Job.xml", b"", LEAVE),
        lambda: link.withdraw("Job.xml", LEAVE),
    ):
        with pytest.raises(LinkError, match=r"xrd-2: dir:.*/gone cannot be .*is the share mounted"):
            use()


def test_an_address_of_another_kind_is_refused(noted: Noted) -> None:
    with pytest.raises(BadAddressError, match=r"xrd-2: 'socket://a:1' is no folder: write dir:PATH"):
        open_folder("xrd-2", "socket://a:1", noted)
