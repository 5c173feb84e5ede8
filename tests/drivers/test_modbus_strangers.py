"""A Modbus unit that has not what a driver looks for is another instrument, whichever driver asks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drivers.bus import Bus
from drivers.clock import JumpClock
from drivers.errors import LinkError, RefusedError, WrongInstrumentError
from drivers.registry import build
from tests.cases.case import Case, all_cases
from tests.drivers.fakes import FakeGate, FakeSocket, Noted

CASES = [case for case in all_cases().values() if case.address.startswith("modbus-")]
REQUEST = 12
"""Bytes of each question over TCP."""


def refusing(code: int) -> Callable[[bytes], bytes]:
    """Refuse whatever comes, with a Modbus exception."""

    def answer(data: bytes) -> bytes:
        frames = [data[at : at + REQUEST] for at in range(0, len(data), REQUEST)]
        return b"".join(f[:4] + b"\x00\x03" + f[6:7] + bytes((f[7] | 0x80, code)) for f in frames)

    return answer


@pytest.mark.parametrize("case", CASES, ids=[case.driver for case in CASES])
@pytest.mark.parametrize(("code", "name"), [(1, "illegal function"), (2, "illegal address")])
def test_who_refuses_what_the_driver_looks_for_is_another_instrument(
    case: Case,
    code: int,
    name: str,
    serve_socket: Callable[..., FakeSocket],
    gate: FakeGate,
    clock: JumpClock,
    noted: Noted,
    bus: Bus,
) -> None:
    address = f"modbus-tcp://127.0.0.1:{serve_socket(refusing(code)).port}/1"
    told = {**case.options, "limits": dict(case.limits)}
    device = build(case.name, case.driver, address, told, gate, clock, noted, bus)
    asked_for = r"(registers?|inputs?|coils?|input registers?) \d+( to \d+)? \(function \d\)"
    said = rf"^{case.name}: {address} refused {asked_for} with Modbus exception {code} \({name}\): is the address right"
    with pytest.raises(WrongInstrumentError, match=said):
        device.identify()


@pytest.mark.parametrize(("code", "kind"), [(4, RefusedError), (6, RefusedError), (11, LinkError)])
def test_who_is_busy_broken_or_not_reached_is_not(
    code: int,
    kind: type[Exception],
    serve_socket: Callable[..., FakeSocket],
    gate: FakeGate,
    clock: JumpClock,
    noted: Noted,
    bus: Bus,
) -> None:
    address = f"modbus-tcp://127.0.0.1:{serve_socket(refusing(code)).port}/1"
    device = build("safety-1", "safety-io", address, {"poll": 0.5}, gate, clock, noted, bus)
    with pytest.raises(kind, match=f"Modbus exception {code}") as caught:
        device.identify()
    assert not isinstance(caught.value, WrongInstrumentError)
