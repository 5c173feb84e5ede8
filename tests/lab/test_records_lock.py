from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.records.lock import held_labs, hold_lab, lock_folder

StateFolder = Callable[[], Path]


def test_a_real_lab_is_held_once(state_folder: StateFolder, tmp_path: Path) -> None:
    with (
        hold_lab("powder-1", tmp_path, shared=True),
        pytest.raises(UsageError, match="lab powder-1 is held by another process"),
        hold_lab("powder-1", tmp_path, shared=True),
    ):
        pytest.fail("two hold one lab")
    assert lock_folder() == state_folder()


def test_a_refused_second_holder_leaves_the_first_its_lock(state_folder: StateFolder, tmp_path: Path) -> None:
    with hold_lab("powder-1", tmp_path, shared=True):
        for _ in range(2):
            with pytest.raises(UsageError), hold_lab("powder-1", tmp_path / "other", shared=True):
                pass
        (held,) = held_labs()
        assert (held["lab"], held["pid"], held["data"]) == ("powder-1", os.getpid(), str(tmp_path))
        assert Path(str(held["runtime"])).is_dir()


def test_what_only_one_run_needs_is_gone_with_it_and_what_outlives_it_stays(
    state_folder: StateFolder, tmp_path: Path
) -> None:
    with hold_lab("powder-1", tmp_path, shared=False) as own, hold_lab("powder-1", tmp_path, shared=True) as common:
        assert own != common
        assert common.stat().st_mode & 0o777 == 0o700
    assert (own.exists(), common.exists()) == (False, True)


def test_labs_of_other_names_do_not_hinder_each_other(state_folder: StateFolder, tmp_path: Path) -> None:
    with hold_lab("powder-1", tmp_path, shared=True), hold_lab("powder-2", tmp_path, shared=True):
        assert [lab["lab"] for lab in held_labs()] == ["powder-1", "powder-2"]


def test_a_simulated_run_does_not_hinder_the_real_lab(state_folder: StateFolder, tmp_path: Path) -> None:
    with hold_lab("powder-1", tmp_path, shared=False), hold_lab("powder-1", tmp_path, shared=True):
        assert len(held_labs()) == 2


def test_simulated_runs_of_two_processes_have_a_lock_each(
    state_folder: StateFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hold_lab("powder-1", tmp_path, shared=False):
        monkeypatch.setattr(os, "getpid", lambda: 1)
        with hold_lab("powder-1", tmp_path, shared=False):
            assert len(held_labs()) == 2


def test_a_lab_is_free_again_after_the_block_even_after_a_failure(state_folder: StateFolder, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), hold_lab("powder-1", tmp_path, shared=True):
        raise RuntimeError
    assert held_labs() == []
    with hold_lab("powder-1", tmp_path, shared=True):
        assert len(held_labs()) == 1
    assert list(state_folder().glob("*.lock")) == []


def test_a_lock_that_nobody_holds_is_left_over_and_removed(state_folder: StateFolder, tmp_path: Path) -> None:
    state_folder().mkdir(parents=True)
    left = state_folder() / "powder-1.lock"
    left.write_text('{"lab": "powder-1", "pid": 1, "data": "/gone"}', encoding="utf-8")
    assert held_labs() == []
    assert not left.exists()


def test_a_place_for_locks_that_cannot_be_written_is_told_with_what_to_set(
    state_folder: StateFolder, tmp_path: Path
) -> None:
    state_folder().parent.write_text("a file", encoding="utf-8")
    with (
        pytest.raises(UsageError, match=r"lock cannot be written \(.*\): set XDG_STATE_HOME to a folder") as caught,
        hold_lab("powder-1", tmp_path, shared=True),
    ):
        pytest.fail("held without a lock")
    assert str(state_folder() / "powder-1.lock") in str(caught.value)
    assert held_labs() == []


def test_a_lock_that_cannot_be_opened_is_passed_over(state_folder: StateFolder, tmp_path: Path) -> None:
    with hold_lab("powder-1", tmp_path, shared=True):
        (state_folder() / "other.lock").mkdir()
        assert [lab["lab"] for lab in held_labs()] == ["powder-1"]


def test_where_nothing_ever_ran_nothing_is_held(state_folder: StateFolder) -> None:
    assert held_labs() == []
    assert not state_folder().exists()


def test_the_lock_tells_the_data_folder_absolutely(
    state_folder: StateFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with hold_lab("powder-1", Path("runs/a"), shared=True):
        assert held_labs()[0]["data"] == str(tmp_path / "runs" / "a")
