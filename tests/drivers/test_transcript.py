"""The record of what went over the wires."""

from __future__ import annotations

import logging
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.clock import JUMP_EPOCH_S, JumpClock
from drivers.transcript import Frame, NoTranscript, ReceivedFile, TranscriptWriter, read_transcript


def test_what_was_written_is_read_back_in_lab_time(tmp_path: Path, clock: JumpClock) -> None:
    path = tmp_path / "wire.jsonl"
    with TranscriptWriter(path, clock) as transcript:
        transcript.frame("furnace-1", "tx", b"\x01\x03\x00")
        clock.sleep_until(JUMP_EPOCH_S + 60)
        transcript.frame("furnace-1", "rx", b"")
        transcript.file("xrd-1", "S1.xrdml", b"<x/>" * 1000)
    assert list(read_transcript(path)) == [
        Frame(JUMP_EPOCH_S, "furnace-1", "tx", b"\x01\x03\x00"),
        Frame(JUMP_EPOCH_S + 60, "furnace-1", "rx", b""),
        ReceivedFile(JUMP_EPOCH_S + 60, "xrd-1", "S1.xrdml", b"<x/>" * 1000),
    ]


def test_equal_runs_give_equal_bytes(tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        with TranscriptWriter(tmp_path / name, JumpClock()) as transcript:
            transcript.frame("a", "tx", b"hello")
            transcript.file("a", "f", b"content")
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]


def test_threads_do_not_tear_each_others_lines(tmp_path: Path, clock: JumpClock) -> None:
    with TranscriptWriter(tmp_path / "t", clock) as transcript:

        def write() -> None:
            for _ in range(100):
                transcript.frame("x", "tx", b"y" * 50)

        threads = [threading.Thread(target=write) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(list(read_transcript(tmp_path / "t"))) == 400


def test_a_line_cut_by_a_crash_is_left_out(tmp_path: Path, clock: JumpClock) -> None:
    path = tmp_path / "t"
    with TranscriptWriter(path, clock) as transcript:
        transcript.frame("x", "tx", b"1")
        transcript.frame("x", "tx", b"2")
    path.write_bytes(path.read_bytes()[:-5])
    assert [entry.data for entry in read_transcript(path) if isinstance(entry, Frame)] == [b"1"]


def test_an_entry_is_in_the_file_at_once(tmp_path: Path, clock: JumpClock) -> None:
    with TranscriptWriter(tmp_path / "t", clock) as transcript:
        transcript.frame("x", "tx", b"1")
        assert len(list(read_transcript(tmp_path / "t"))) == 1


def test_a_late_frame_after_the_end_is_dropped(tmp_path: Path, clock: JumpClock) -> None:
    transcript = TranscriptWriter(tmp_path / "t", clock)
    transcript.close()
    transcript.frame("x", "tx", b"1")
    NoTranscript().frame("x", "tx", b"1")
    assert list(read_transcript(tmp_path / "t")) == []


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes: writes are cut there, and then fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_told_once_and_counted_and_nothing_is_raised(
    clock: JumpClock, caplog: pytest.LogCaptureFixture
) -> None:
    with TranscriptWriter(Path("/dev/full"), clock) as transcript:
        for _ in range(3):
            transcript.frame("x", "tx", b"1")
        transcript.file("x", "f", b"content")
        assert transcript.lost == 4
    assert [(record.levelno, "No space left" in record.message) for record in caplog.records] == [(logging.ERROR, True)]
    assert "transcript /dev/full has a hole from here on, instruments go on" in caplog.text


def test_half_a_line_is_taken_back_so_that_what_follows_can_be_read(tmp_path: Path, clock: JumpClock) -> None:
    path = tmp_path / "t"
    with TranscriptWriter(path, clock) as transcript:
        transcript.frame("x", "tx", b"1")
        whole = path.stat().st_size
        with room_for(whole + 10):
            transcript.frame("x", "tx", b"2")
        assert path.stat().st_size == whole
        transcript.frame("x", "tx", b"3")
        assert transcript.lost == 1
    assert [entry.data for entry in read_transcript(path) if isinstance(entry, Frame)] == [b"1", b"3"]


def test_a_transcript_that_cannot_be_closed_is_told(
    tmp_path: Path, clock: JumpClock, caplog: pytest.LogCaptureFixture
) -> None:
    transcript = TranscriptWriter(tmp_path / "t", clock)
    os.close(transcript._file.fileno())
    transcript.close()
    assert "could not be closed, its end may be missing" in caplog.text
    transcript.frame("x", "tx", b"1")
    assert transcript.lost == 0
