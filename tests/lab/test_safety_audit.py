from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError
from lab.safety.audit.chain import START, AuditError, canonical, heads_path, sealed, verify, write_head
from lab.safety.audit.log import TORN, AuditLog

DAY_S = 86400.0
NOON_S = 1_790_000_000.0
"""2026-09-21, 14:13 UTC."""


class Time:
    def __init__(self) -> None:
        self.s = NOON_S

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def opened(path: Path, now: Callable[[], float] = lambda: NOON_S, patient: bool = False) -> AuditLog:
    return AuditLog(path, version="0.2.0", rules="ab" * 32, now=now, patient=patient)


def fill(path: Path, count: int = 5) -> None:
    with opened(path) as log:
        for i in range(count):
            log.write("close", who="ada", device=f"f{i}.heater", durable=False)


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def rewrite(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


@contextmanager
def full_disk(more_bytes: int, path: Path) -> Iterator[None]:
    """No file can grow by more than that: what a full disk does to a write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + more_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


# -- what is written


def test_a_record_says_who_did_what_when_under_which_rules_and_software(path: Path) -> None:
    with opened(path) as log:
        log.write(
            "set-setpoint",
            who="ada",
            role="operator",
            session="s1",
            lease="l7",
            device="furnace-1",
            before=25.0,
            after="400 degC",
            reason="test",
            fence=3,
        )
    (record,) = records(path)
    assert {name: record[name] for name in record if name not in {"hash", "prev"}} == {
        "n": 1,
        "utc": "2026-09-21T14:13:20.000000+00:00",
        "action": "set-setpoint",
        "who": "ada",
        "role": "operator",
        "session": "s1",
        "lease": "l7",
        "device": "furnace-1",
        "before": 25.0,
        "after": "400 degC",
        "reason": "test",
        "more": {"fence": 3},
        "version": "0.2.0",
        "rules": "ab" * 32,
    }
    assert path.stat().st_mode & 0o777 == 0o600


def test_each_record_carries_the_hash_of_the_one_before(path: Path) -> None:
    fill(path)
    found = records(path)
    assert [record["prev"] for record in found] == [START, *(record["hash"] for record in found[:-1])]
    body = {name: value for name, value in found[2].items() if name != "hash"}
    assert found[2]["hash"] == hashlib.sha256(canonical(body)).hexdigest()


def test_the_chain_goes_on_after_a_restart(path: Path) -> None:
    fill(path, 3)
    fill(path, 2)
    verdict = verify(path)
    assert (verdict.records, verdict.faults, verdict.torn) == (5, (), False)
    assert verdict.head == records(path)[-1]["hash"]


def test_the_head_is_the_newest_record(path: Path) -> None:
    with opened(path) as log:
        assert log.head == (0, START)
        log.write("close", who="ada")
        assert log.head == (1, records(path)[-1]["hash"])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (frozenset({"b", "a"}), ["a", "b"]),
        ((1, True, None), [1, True, None]),
        ({1: Path("/x")}, {"1": "/x"}),
        ("a\ud800\n°", "a\\ud800\n°"),
    ],
)
def test_values_that_json_cannot_say_become_text(path: Path, value: object, said: object) -> None:
    with opened(path) as log:
        log.write("close", who="ada", after=value)
    assert records(path)[0]["after"] == said
    assert verify(path).faults == ()


def test_further_fields_cannot_take_the_place_of_the_chains_own(path: Path) -> None:
    with opened(path) as log:
        log.write("close", who="ada", n=99, prev="x", hash="y", utc="never")
    assert records(path)[0]["n"] == 1
    assert records(path)[0]["more"] == {"n": 99, "prev": "x", "hash": "y", "utc": "never"}


def test_the_rules_of_a_record_are_those_of_its_time(path: Path) -> None:
    with opened(path) as log:
        log.write("close", who="ada")
        log.rules = "cd" * 32
        log.write("close", who="ada")
    assert [record["rules"][:2] for record in records(path)] == ["ab", "cd"]


def test_durable_records_are_synced_and_others_are_not(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    fdatasync = os.fdatasync

    def counted(fd: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{fd}"))
        fdatasync(fd)

    monkeypatch.setattr("os.fdatasync", counted)
    with opened(path) as log:
        log.write("close", who="ada", durable=False)
        log.try_write("stop", who="ada")
        assert str(path) not in synced
        log.write("close", who="ada")
        assert synced.count(str(path)) == 1


# -- one writer, many threads


def test_a_second_writer_is_told_in_a_sentence(path: Path) -> None:
    with opened(path), pytest.raises(AuditError, match="another process writes this audit log") as error:
        opened(path)
    assert isinstance(error.value, LabError)
    with opened(path) as log:
        log.write("close", who="ada")


def test_threads_write_one_whole_chain(path: Path) -> None:
    def write_many(log: AuditLog, who: str) -> None:
        for _ in range(50):
            log.write("close", who=who, durable=False)

    with opened(path) as log:
        threads = [threading.Thread(target=write_many, args=(log, who)) for who in ("ada", "ben", "cid")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    verdict = verify(path)
    assert (verdict.records, verdict.faults) == (150, ())


def test_a_signal_handler_may_write_in_the_middle_of_a_record(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(path) as log:
        write = os.write

        def interrupted(fd: int, data: bytes) -> int:
            monkeypatch.setattr("os.write", write)
            signal.raise_signal(signal.SIGUSR1)
            return write(fd, data)

        before = signal.signal(signal.SIGUSR1, lambda *_: log.write("stop", who="signal"))
        try:
            monkeypatch.setattr("os.write", interrupted)
            log.write("close", who="ada")
        finally:
            signal.signal(signal.SIGUSR1, before)
    assert [(record["n"], record["action"]) for record in records(path)] == [(1, "close"), (2, "stop")]
    assert verify(path).faults == ()


# -- crashes


def test_what_a_crash_left_half_written_is_moved_aside_and_noted(path: Path) -> None:
    fill(path, 3)
    torn = b'{"action":"close","af'
    with path.open("ab") as file:
        file.write(torn)
    assert verify(path).torn
    fill(path, 1)
    aside = path.with_name("audit.jsonl.torn-4")
    assert aside.read_bytes() == torn
    noted = records(path)[3]
    assert (noted["action"], noted["more"]) == (
        TORN,
        {"file": aside.name, "bytes": len(torn), "sha256": hashlib.sha256(torn).hexdigest()},
    )
    verdict = verify(path)
    assert (verdict.records, verdict.faults, verdict.torn) == (5, (), False)


@pytest.mark.parametrize("noted_half", [False, True])
def test_a_crash_while_a_torn_line_is_moved_aside_loses_nothing(path: Path, noted_half: bool) -> None:
    fill(path, 1)
    aside = path.with_name("audit.jsonl.torn-2")
    # The bytes were kept and cut off, and then the process died, before or in the middle of noting it.
    aside.write_bytes(b"half")
    if noted_half:
        with path.open("ab") as file:
            file.write(b'{"act')
    fill(path, 1)
    assert aside.read_bytes() == (b'half{"act' if noted_half else b"half")
    assert [record["action"] for record in records(path)] == ["close", TORN, "close"]
    assert verify(path).faults == ()


def test_torn_bytes_without_any_record_are_kept_too(path: Path) -> None:
    path.write_bytes(b"\0" * 300)
    fill(path, 1)
    assert path.with_name("audit.jsonl.torn-1").read_bytes() == b"\0" * 300
    assert verify(path).faults == ()


@pytest.mark.system
@pytest.mark.timeout(60)
def test_no_record_that_was_acknowledged_is_lost_when_the_writer_is_killed(path: Path) -> None:
    writer = (
        "import sys\nfrom pathlib import Path\nfrom lab.safety.audit.log import AuditLog\n"
        f"log = AuditLog(Path({str(path)!r}), version='0', rules='r')\n"
        "for i in range(10**6):\n"
        "    log.write('close', who='ada', number=i)\n"
        "    sys.stdout.write(f'{log.head[0]}\\n')\n"
        "    sys.stdout.flush()\n"
    )
    acknowledged = 0
    for lines in (1, 7, 23):
        with subprocess.Popen([sys.executable, "-c", writer], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(lines):
                acknowledged = int(process.stdout.readline())
            process.kill()
            for line in process.stdout:
                acknowledged = int(line) if line.endswith("\n") else acknowledged
        assert len([line for line in path.read_bytes().split(b"\n")[:-1] if line]) >= acknowledged
    with opened(path) as log:
        assert log.head[0] >= acknowledged
    assert verify(path).faults == ()


def test_a_changed_last_line_is_not_continued(path: Path) -> None:
    fill(path, 2)
    rewrite(path, lambda lines: [lines[0], lines[1].replace(b"ada", b"eve")])
    with pytest.raises(AuditError, match="its last line is no audit record or was changed"):
        opened(path)


def test_a_last_line_longer_than_a_block_is_continued(path: Path) -> None:
    with opened(path) as log:
        log.write("close", who="ada")
        log.write("close", who="ada", reason="x" * 200_000)
    fill(path, 1)
    assert verify(path).faults == ()


# -- a disk that takes nothing


def test_a_record_that_does_not_fit_leaves_nothing_and_says_why(path: Path) -> None:
    fill(path, 2)
    with opened(path) as log:
        with full_disk(40, path), pytest.raises(AuditError, match=r"audit record 3 was not written \(File too large\)"):
            log.write("close", who="ada")
        assert (len(records(path)), log.head[0]) == (2, 2)
        log.write("close", who="ben")
    assert [record["who"] for record in records(path)] == ["ada", "ada", "ben"]
    assert verify(path).faults == ()


def test_what_has_happened_is_written_later_when_the_disk_is_full(path: Path) -> None:
    fill(path, 1)
    with opened(path, now := Time()) as log:
        with full_disk(0, path):
            why = log.try_write("stop", who="ada", device="f1.heater", scan=7)
            assert why is not None
            assert "File too large" in why
            assert len(log._waiting) == 1
        now.s += 60
        assert log.try_write("stop", who="ben") is None
    stop, later = records(path)[1:]
    assert (stop["who"], stop["device"], stop["more"]) == ("ada", "f1.heater", {"scan": 7})
    assert (stop["utc"], later["who"]) == ("2026-09-21T14:13:20.000000+00:00", "ben")
    assert verify(path).faults == ()


def test_a_failed_sync_is_a_record_that_was_not_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(path) as log:
        log.write("close", who="ada")

        def broken(fd: int) -> None:
            raise OSError(5, "Input/output error")

        with monkeypatch.context() as patched:
            patched.setattr("os.fdatasync", broken)
            with pytest.raises(AuditError, match="Input/output error"):
                log.write("close", who="ben")
        log.write("close", who="cid")
    assert [record["who"] for record in records(path)] == ["ada", "cid"]
    assert verify(path).faults == ()


def test_a_file_that_was_removed_refuses_what_must_be_on_the_disk(path: Path) -> None:
    with opened(path) as log:
        path.unlink()
        with pytest.raises(AuditError, match="the file was removed"):
            log.write("close", who="ada")
        assert log.try_write("stop", who="ada") is not None


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AuditError, match="make the folder writable"):
        opened(tmp_path / "file" / "audit.jsonl")


def test_a_patient_log_starts_without_a_disk_and_writes_when_there_is_one(tmp_path: Path) -> None:
    blocked = tmp_path / "folder"
    blocked.write_text("")
    log = opened(blocked / "audit.jsonl", patient=True)
    assert log.try_write("stop", who="ada") is not None
    with pytest.raises(AuditError, match="starting does not"):
        log.write("close", who="ada")
    blocked.unlink()
    log.write("close", who="ben")
    log.close()
    assert [(record["action"], record["who"]) for record in records(blocked / "audit.jsonl")] == [
        ("stop", "ada"),
        ("close", "ben"),
    ]


def test_what_a_crash_left_is_noted_first_when_the_disk_has_room_again(path: Path) -> None:
    fill(path, 2)
    with path.open("ab") as file:
        file.write(b'{"act')
    with full_disk(0, path):
        with pytest.raises(AuditError, match="File too large"):
            opened(path)
        log = opened(path, patient=True)
        assert log.try_write("stop", who="ada") is not None
    log.write("close", who="ben")
    log.close()
    assert [record["action"] for record in records(path)] == ["close", "close", TORN, "stop", "close"]
    assert path.with_name("audit.jsonl.torn-3").read_bytes() == b'{"act'
    assert verify(path).faults == ()


def test_a_line_that_could_not_be_taken_back_at_once_is_taken_back_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(path, 1)
    with opened(path) as log:

        def broken(fd: int, size: int) -> None:
            raise OSError(5, "Input/output error")

        with monkeypatch.context() as patched:
            patched.setattr("os.ftruncate", broken)
            with full_disk(40, path), pytest.raises(AuditError):
                log.write("close", who="ben")
        assert verify(path).torn
        log.write("close", who="cid")
    assert [record["who"] for record in records(path)] == ["ada", "cid"]
    assert verify(path).faults == ()


def test_a_patient_log_does_not_share_a_file(path: Path) -> None:
    with opened(path), pytest.raises(AuditError, match="one writer"):
        opened(path, patient=True)


# -- what a check finds


def altered(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[2].replace(b'"who":"ada"', b'"who":"eve"'), *lines[3:]]


def altered_and_sealed_again(lines: list[bytes]) -> list[bytes]:
    record = json.loads(lines[2])
    del record["hash"]
    return [*lines[:2], sealed({**record, "who": "eve"})[0], *lines[3:]]


def spaced(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[2].replace(b'"who":', b'"who": '), *lines[3:]]


def doubled_key(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[2].replace(b'{"action":', b'{"action":"stop","action":'), *lines[3:]]


def damaged(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], b"garbage\n", *lines[3:]]


def removed(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], *lines[3:]]


def first_removed(lines: list[bytes]) -> list[bytes]:
    return lines[1:]


def swapped(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[3], lines[2], *lines[4:]]


def inserted(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[1], *lines[2:]]


def forged_in_between(lines: list[bytes]) -> list[bytes]:
    record = json.loads(lines[1])
    forged = sealed({**record, "n": 3, "prev": record["hash"], "who": "eve"} | {"hash": ""})[0]
    return [*lines[:2], forged, *lines[2:]]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (altered, ["line 3: was altered, its hash does not fit what it says"]),
        (altered_and_sealed_again, ["line 4: does not follow from record 3: one of them was replaced"]),
        (spaced, ["line 3: was altered, its hash does not fit what it says"]),
        (doubled_key, ["line 3: was altered, its hash does not fit what it says"]),
        (damaged, ["line 3: is no audit record"]),
        (removed, ["line 3: is record 4, and 3 was expected: records are missing before it"]),
        (first_removed, ["line 1: is record 2, and 1 was expected: records are missing before it"]),
        (
            swapped,
            [
                "line 3: is record 4, and 3 was expected: records are missing before it",
                "line 4: is record 3, and 5 was expected: it was inserted or stands out of order",
            ],
        ),
        (inserted, ["line 3: is record 2, and 3 was expected: it was inserted or stands out of order"]),
    ],
)
def test_each_change_is_told_once_with_its_line(
    path: Path, change: Callable[[list[bytes]], list[bytes]], told: list[str]
) -> None:
    fill(path, 6)
    rewrite(path, change)
    assert [fault for fault in verify(path).faults if not fault.startswith("audit.heads")] == told


def test_a_forged_record_in_between_is_found(path: Path) -> None:
    fill(path, 6)
    rewrite(path, forged_in_between)
    assert any(fault.startswith(("line 3", "line 4")) for fault in verify(path).faults)


def test_every_single_changed_byte_is_found(path: Path) -> None:
    fill(path, 3)
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        verdict = verify(path)
        assert verdict.faults or verdict.torn, at


def test_a_file_that_cannot_be_read_is_told(path: Path) -> None:
    with pytest.raises(AuditError, match="cannot be read"):
        verify(path)


def test_an_empty_log_is_whole(path: Path) -> None:
    fill(path, 0)
    assert verify(path) == verify(path)
    assert (verify(path).records, verify(path).head, verify(path).faults) == (0, START, ())


# -- heads


def test_the_first_record_of_each_day_leaves_a_head(path: Path) -> None:
    now = Time()
    with opened(path, now) as log:
        for _ in range(3):
            log.write("close", who="ada")
            log.write("open", who="ada")
            now.s += DAY_S
    found = records(path)
    assert heads_path(path).read_text().splitlines() == [
        f"{day} {n} {found[n - 1]['hash']}" for day, n in [("2026-09-21", 1), ("2026-09-22", 3), ("2026-09-23", 5)]
    ]
    assert verify(path).faults == ()
    assert (verify(path).first_utc, verify(path).last_utc) == (found[0]["utc"], found[-1]["utc"])


def test_a_restart_on_the_same_day_leaves_no_second_head(path: Path) -> None:
    fill(path, 1)
    fill(path, 1)
    assert len(heads_path(path).read_text().splitlines()) == 1


def test_records_cut_off_at_the_end_are_told_by_the_heads(path: Path) -> None:
    now = Time()
    with opened(path, now) as log:
        for _ in range(3):
            log.write("close", who="ada")
            now.s += DAY_S
    rewrite(path, lambda lines: lines[:1])
    assert [fault for fault in verify(path).faults if "cut off" in fault] == [
        "audit.heads, line 2 (2026-09-22): names record 2, and the file ends at 1: records were cut off",
        "audit.heads, line 3 (2026-09-23): names record 3, and the file ends at 1: records were cut off",
    ]


def test_a_chain_that_was_written_anew_does_not_fit_a_copy_of_the_heads(path: Path, tmp_path: Path) -> None:
    fill(path, 3)
    copy = tmp_path / "elsewhere"
    copy.write_bytes(heads_path(path).read_bytes())
    path.unlink()
    heads_path(path).unlink()
    with opened(path, lambda: NOON_S) as log:
        log.write("close", who="eve", durable=False)
    assert verify(path).faults == ()
    (fault,) = verify(path, copy).faults
    assert fault.startswith("elsewhere, line 1 (2026-09-21): names another record 1")


def test_a_head_that_was_added_by_hand_pins_the_records_up_to_it(path: Path) -> None:
    fill(path, 4)
    verdict = verify(path)
    assert verdict.last_utc is not None
    write_head(path, verdict.last_utc, verdict.records, verdict.head)
    rewrite(path, lambda lines: lines[:3])
    assert any("names record 4" in fault for fault in verify(path).faults)


def test_missing_and_broken_heads_are_told(path: Path) -> None:
    fill(path, 1)
    heads_path(path).write_text("no head\n")
    assert verify(path).faults == (
        "audit.heads, line 1: is no head",
        "audit.heads: has no head of 2026-09-21, on which line 1 was written",
    )
    heads_path(path).unlink()
    assert verify(path).faults == ("audit.heads is missing: whether records were cut off at the end cannot be told",)


def test_a_head_that_the_disk_does_not_take_does_not_stop_the_record(path: Path) -> None:
    heads_path(path).mkdir(parents=True)
    with opened(path) as log:
        log.write("close", who="ada")
        heads_path(path).rmdir()
        log.write("close", who="ada")
    assert heads_path(path).read_text().split()[1] == "2"


# -- what it needs


def test_the_modules_of_the_supervisor_need_nothing_heavy() -> None:
    names = ["audit.log", "audit.chain", "alarms.book", "alarms.notify", "judging.core", "judging.desk"]
    names += ["people.users", "people.sessions", "people.tokens", "people.roles"]
    probe = (
        f"import {', '.join(f'lab.safety.{name}' for name in names)}\nimport sys\n"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    heavy = {"numpy", "pint", "ophyd", "torch", "bluesky", "argon2", "pydantic", "rich", "typer"}
    assert not set(done.stdout.split()) & heavy
