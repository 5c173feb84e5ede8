"""Several reads at once, against pymodbus' own server and against servers that misbehave."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from drivers.address import ModbusAddress, SocketAddress
from drivers.bus import Bus
from drivers.errors import LinkError, RefusedError
from drivers.links import ModbusLink, ModbusPort, open_modbus
from drivers.links.modbus import Question
from tests.drivers.fakes import FakeSocket, Noted

LOOK = (
    Question("discrete", 0, 8),
    Question("coils", 0, 4),
    Question("inputs", 0, 2),
    Question("registers", 1, 3),
)
# | transaction | protocol | length | unit | function | data |, as the standard writes them (Modbus TCP, 3.1.3)
BODIES = {2: "0201AC", 1: "010105", 4: "040400FBFFF1", 3: "030600190190" + "0021"}


def requests_of(data: bytes) -> list[tuple[int, int, bytes]]:
    """The requests of one segment: transaction, function, body."""
    found = []
    while data:
        transaction, _, length, _, function = struct.unpack(">HHHBB", data[:8])
        found.append((transaction, function, data[8 : 6 + length]))
        data = data[6 + length :]
    return found


def reply(transaction: int, body: str, unit: int = 1) -> bytes:
    data = bytes.fromhex(body)
    return struct.pack(">HHHB", transaction, 0, len(data) + 1, unit) + data


MakeLink = Callable[..., ModbusLink]


@pytest.fixture
def make_link() -> Iterator[MakeLink]:
    sockets: list[FakeSocket] = []
    ports: list[ModbusPort] = []

    def make(answer: Callable[[bytes], bytes], tries: int = 1) -> ModbusLink:
        server = FakeSocket(answer)
        sockets.append(server)
        address = ModbusAddress(SocketAddress("127.0.0.1", server.port), 1)
        ports.append(ModbusPort(address, Noted(), timeout_s=0.1, tries=tries))
        return ModbusLink("safety-1", "modbus-tcp://127.0.0.1", 1, ports[-1])

    yield make
    for port in ports:
        port.close()
    for server in sockets:
        server.close()


def test_four_tables_take_one_segment(make_link: MakeLink) -> None:
    segments: list[bytes] = []

    def answer(data: bytes) -> bytes:
        segments.append(data)
        return b"".join(reply(number, BODIES[function]) for number, function, _ in requests_of(data))

    discrete, coils, inputs, registers = make_link(answer).read_together(LOOK)
    assert discrete == (False, False, True, True, False, True, False, True)
    assert coils == (True, False, True, False)
    assert inputs == (251, 65521)
    assert registers == (25, 400, 33)
    (segment,) = segments
    assert [body.hex() for _, _, body in requests_of(segment)] == ["00000008", "00000004", "00000002", "00010003"]


def test_replies_are_told_apart_in_whatever_order_they_come(make_link: MakeLink) -> None:
    def answer(data: bytes) -> bytes:
        return b"".join(reply(number, BODIES[function]) for number, function, _ in reversed(requests_of(data)))

    link = make_link(answer)
    assert link.read_together(LOOK)[2] == (251, 65521)
    assert link.read_together(LOOK)[3] == (25, 400, 33)


class FirstOnly:
    """One that looks at the first request of a segment only."""

    def __init__(self) -> None:
        self.segments: list[int] = []
        self.learnt = False

    def answer(self, data: bytes) -> bytes:
        requests = requests_of(data)
        self.segments.append(len(requests))
        answered = requests if self.learnt else requests[:1]
        return b"".join(reply(number, BODIES[function]) for number, function, _ in answered)


def test_one_that_looks_at_the_first_request_only_is_asked_one_by_one_from_the_third_time_on(
    make_link: MakeLink,
) -> None:
    unit = FirstOnly()
    link = make_link(unit.answer, tries=3)
    for _ in range(5):
        assert link.read_together(LOOK)[3] == (25, 400, 33)
    assert unit.segments == [4, 1, 1, 1, 1] * 3 + [1] * 8


def test_where_nothing_is_tried_twice_it_is_silence_until_it_is_asked_again(make_link: MakeLink) -> None:
    unit = FirstOnly()
    link = make_link(unit.answer)
    for _ in range(3):
        with pytest.raises(LinkError, match="nobody answers"):
            link.read_together(LOOK)
        assert link.read_together(LOOK)[3] == (25, 400, 33)
    assert unit.segments == [4, 1, 1, 1, 1] * 3


def test_one_that_failed_for_once_is_asked_at_once_again(make_link: MakeLink) -> None:
    unit = FirstOnly()
    link = make_link(unit.answer, tries=3)
    for _ in range(4):
        unit.learnt = False
        link.read_together(LOOK)
        unit.learnt = True
        link.read_together(LOOK)
    assert unit.segments == [4, 1, 1, 1, 1, 4] * 4


def test_one_that_is_away_is_asked_at_once_when_it_is_back(make_link: MakeLink) -> None:
    away = True

    def answer(data: bytes) -> bytes:
        segments.append(len(requests_of(data)))
        return b"" if away else b"".join(reply(n, BODIES[function]) for n, function, _ in requests_of(data))

    segments: list[int] = []
    link = make_link(answer)
    for _ in range(8):
        with pytest.raises(LinkError, match="nobody answers"):
            link.read_together(LOOK)
    away = False
    for _ in range(3):
        link.read_together(LOOK)
    assert segments[-2:] == [4, 4]


def test_a_refusal_of_one_question_is_a_refusal(make_link: MakeLink) -> None:
    def answer(data: bytes) -> bytes:
        bodies = {**BODIES, 4: "8402"}
        return b"".join(reply(number, bodies[function]) for number, function, _ in requests_of(data))

    with pytest.raises(RefusedError, match=r"refused input .* \(function 4\) with Modbus exception 2"):
        make_link(answer).read_together(LOOK)


@pytest.mark.parametrize(
    ("function", "body"),
    [(4, "040200FB"), (1, "0201AC"), (2, "010105"), (3, "030200190190")],
    ids=["too few words", "inputs for coils", "coils for inputs", "a count that is wrong"],
)
def test_what_answers_another_question_is_no_answer(make_link: MakeLink, function: int, body: str) -> None:
    def answer(data: bytes) -> bytes:
        bodies = {**BODIES, function: body}
        return b"".join(reply(number, bodies[asked]) for number, asked, _ in requests_of(data))

    with pytest.raises(LinkError):
        make_link(answer).read_together(LOOK)


def test_another_unit_is_not_listened_to(make_link: MakeLink) -> None:
    def answer(data: bytes) -> bytes:
        return b"".join(reply(number, BODIES[function], unit=2) for number, function, _ in requests_of(data))

    with pytest.raises(LinkError, match="nobody answers"):
        make_link(answer).read_together(LOOK)


def test_where_nobody_listens_nobody_answers() -> None:
    address = ModbusAddress(SocketAddress("127.0.0.1", 9), 1)
    link = ModbusLink("safety-1", "modbus-tcp://127.0.0.1:9/1", 1, ModbusPort(address, Noted(), timeout_s=0.1))
    with pytest.raises(LinkError, match=r"nobody answers at modbus-tcp://127\.0\.0\.1:9/1"):
        link.read_together(LOOK)


def test_the_next_questions_have_a_connection_of_their_own_after_a_failure(make_link: MakeLink) -> None:
    spoiled = [b"\xff" * 7]

    def answer(data: bytes) -> bytes:
        if spoiled:
            return spoiled.pop()
        return b"".join(reply(number, BODIES[function]) for number, function, _ in requests_of(data))

    link = make_link(answer)
    with pytest.raises(LinkError):
        link.read_together(LOOK)
    assert link.read_together(LOOK)[3] == (25, 400, 33)


def test_a_stream_that_floods_ends_when_its_time_is_over(make_link: MakeLink) -> None:
    stray = reply(9, BODIES[3], unit=2)

    def flood(client: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client.sendall(stray * 100)

    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.recv(100)
                flood(client)

        thread = threading.Thread(target=serve)
        thread.start()
        address = ModbusAddress(SocketAddress("127.0.0.1", server.getsockname()[1]), 1)
        port = ModbusPort(address, Noted(), timeout_s=0.1, tries=1)
        with pytest.raises(LinkError, match="nobody answers"):
            ModbusLink("safety-1", "modbus-tcp://127.0.0.1", 1, port).read_together(LOOK)
        port.close()
        thread.join(5.0)
        assert not thread.is_alive()


def test_one_that_closes_at_several_questions_is_learnt_though_it_is_recognized_each_time(
    serve_socket: Callable[[Callable[[bytes], bytes]], FakeSocket], bus: Bus, noted: Noted
) -> None:
    segments: list[int] = []

    def answer(data: bytes) -> bytes:
        requests = requests_of(data)
        segments.append(len(requests))
        if len(requests) > 1:
            return b"\xff" * 8  # what no Modbus is closes the connection
        return b"".join(reply(number, BODIES[function]) for number, function, _ in requests)

    server = serve_socket(answer)
    link = open_modbus("safety-1", f"modbus-tcp://127.0.0.1:{server.port}/1", noted, bus, timeout_s=0.1)
    bus.recognition("safety-1").check_with(lambda: str(link.read_together(LOOK[:2])))
    for _ in range(6):
        assert link.read_together(LOOK)[3] == (25, 400, 33)
    assert segments.count(4) == 3
