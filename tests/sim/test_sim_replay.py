"""A recorded transcript answers clients without any plant."""

import base64
import gzip
import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import serial

from drivers.clock import JUMP_EPOCH_S, JumpClock
from sim import Replay, SimError, serve_transcript

pytestmark = pytest.mark.system

LINKS = {
    "doser-1": {"model": "quantos", "address": "pty:sim/doser-1"},
    "xrd-1": {"model": "aeris", "address": "socket://sim:7702"},
}
HEADER: dict[str, object] = {"header": {"links": LINKS}}
Wait = Callable[[float], None]


def tx(text: str, seconds: float = 0.0, link: str = "doser-1") -> dict[str, object]:
    return {"t": JUMP_EPOCH_S + seconds, "link": link, "dir": "tx", "hex": text.encode().hex()}


def rx(text: str, seconds: float = 0.0, link: str = "doser-1") -> dict[str, object]:
    return tx(text, seconds, link) | {"dir": "rx"}


def replay(folder: Path, clock: JumpClock, *entries: dict[str, object], tail: str = "") -> Replay:
    path = folder / "wire.jsonl"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries) + tail, encoding="utf-8")
    return serve_transcript(path, clock, folder / "wires")


def open_balance(played: Replay) -> serial.Serial:
    return serial.Serial(played.endpoints["doser-1"], 9600, timeout=0.3)


def test_replies_follow_their_requests(tmp_path: Path, clock: JumpClock) -> None:
    talk = [tx("I4\r\n"), rx('I4 A "7"\r\n'), tx("S\r\n"), rx("S S 1.0 g\r\n")]
    with replay(tmp_path, clock, HEADER, *talk) as played, open_balance(played) as port:
        assert port.read(1) == b""
        port.write(b"I4\r\n")
        assert port.readline() == b'I4 A "7"\r\n'
        assert not played.finished
        port.write(b"S\r")
        port.write(b"\n")
        assert port.readline() == b"S S 1.0 g\r\n"
        assert played.finished
        assert played.mismatches == []


def test_late_replies_come_at_their_lab_time(tmp_path: Path, clock: JumpClock, wait: Wait) -> None:
    talk = [
        tx("QRA 61 1\r\n"),
        rx("QRA 61 1 B\r\n"),
        rx("QRA 61 1 A\r\n", 45.0),
        tx("S\r\n", 46.0),
        rx("S I\r\n", 46.0),
    ]
    with replay(tmp_path, clock, HEADER, *talk) as played, open_balance(played) as port:
        port.write(b"QRA 61 1\r\n")
        assert port.readline() == b"QRA 61 1 B\r\n"
        assert port.readline() == b""
        wait(45.0)
        assert port.readline() == b"QRA 61 1 A\r\n"
        wait(1.0)
        port.write(b"S\r\n")
        assert port.readline() == b"S I\r\n"


def test_another_request_silences_the_link_and_is_kept(tmp_path: Path, clock: JumpClock, wait: Wait) -> None:
    talk = [tx("S\r\n"), rx("S S 1.0 g\r\n"), tx("T\r\n"), rx("T S 1.0 g\r\n")]
    with replay(tmp_path, clock, HEADER, *talk) as played, open_balance(played) as port:
        wait(3.0)
        port.write(b"T\r\n")
        assert port.readline() == b""
        port.write(b"S\r\n")
        assert port.readline() == b""
        (mismatch,) = played.mismatches
        assert (mismatch.t_s, mismatch.link) == (JUMP_EPOCH_S + 3.0, "doser-1")
        assert (mismatch.expected, mismatch.got[:1]) == (b"S\r\n", b"T")


def test_a_request_after_the_end_is_a_mismatch(tmp_path: Path, clock: JumpClock) -> None:
    with replay(tmp_path, clock, HEADER, tx("S\r\n")) as played, open_balance(played) as port:
        port.write(b"S\r\nT\r\n")
        assert port.readline() == b""
        assert [(m.expected, m.got) for m in played.mismatches] == [(b"", b"T\r\n")]
        assert not played.finished


def test_files_appear_at_their_time(tmp_path: Path, clock: JumpClock, wait: Wait) -> None:
    content = base64.b64encode(gzip.compress(b"<xrd/>")).decode()
    file = {"t": JUMP_EPOCH_S + 480.0, "link": "xrd-1", "dir": "file", "name": "S1.xrdml", "gzip": content}
    with replay(tmp_path, clock, HEADER, file):
        path = tmp_path / "wires" / "results" / "S1.xrdml"
        wait(479.0)
        assert not path.exists()
        wait(1.0)
        assert path.read_bytes() == b"<xrd/>"


def test_one_connection_for_each_query_is_one_conversation(tmp_path: Path, clock: JumpClock) -> None:
    talk = [e for n in "12" for e in (tx(f"@A{n}@END", link="xrd-1"), rx(f"@B{n}@END", link="xrd-1"))]
    with replay(tmp_path, clock, HEADER, *talk) as played:
        port = int(played.endpoints["xrd-1"].rsplit(":", 1)[1])
        for n in "12":
            with socket.create_connection(("127.0.0.1", port), 2.0) as connection:
                connection.sendall(f"@A{n}@END".encode())
                assert connection.recv(100) == f"@B{n}@END".encode()
        assert played.mismatches == []


def test_a_last_line_that_was_cut_is_left_out(tmp_path: Path, clock: JumpClock) -> None:
    with (
        replay(tmp_path, clock, HEADER, tx("S\r\n"), rx("S I\r\n"), tail='{"t": 17') as played,
        open_balance(played) as port,
    ):
        port.write(b"S\r\n")
        assert port.readline() == b"S I\r\n"


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ([{"header": {"links": {}}}], "the header that names links, models and addresses is missing"),
        ([HEADER, {"t": 1.0}], r"wire.jsonl, line 2: this is no line of a transcript"),
        ([tx("S\r\n"), HEADER], r"line 1: .*not in the header"),
        ([HEADER, {**tx(""), "hex": "xyz"}], r"line 2"),
        ([{"header": {"links": {"a": {"model": "butler", "address": "pty:a"}}}}], "no simulator speaks for a 'butler'"),
    ],
)
def test_a_transcript_that_cannot_be_read_is_refused_with_its_line(
    tmp_path: Path, clock: JumpClock, entries: list[dict[str, object]], sentence: str
) -> None:
    with pytest.raises(SimError, match=sentence):
        replay(tmp_path, clock, *entries)
