from __future__ import annotations

from pathlib import Path

from lab.campaign.session import take_back

OURS = ("recipes", "raw", "fits")


def begin(folder: Path) -> None:
    for name in OURS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in ("journal.jsonl", "transcript.jsonl", "log.txt"):
        (folder / name).write_text("{}\n", encoding="utf-8")


def test_a_run_that_never_started_leaves_no_folder(tmp_path: Path) -> None:
    begin(tmp_path / "run")
    take_back(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_what_was_in_the_data_folder_before_stays(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "old.xrdml").write_text("a pattern", encoding="utf-8")
    begin(tmp_path)
    take_back(tmp_path)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [
        "raw",
        "raw/old.xrdml",
        "thesis.tex",
    ]
