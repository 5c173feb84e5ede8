import pytest

from sim.addresses import Carrier, Language, Spot, spot_of
from sim.errors import BadAddressError
from sim.spec import Instrument


@pytest.mark.parametrize(
    ("address", "spot", "endpoint"),
    [
        ("modbus-rtu:sim/bus-1/7", Spot(Carrier.PTY, "bus-1", unit=7, language=Language.MODBUS), "modbus-rtu:X/7"),
        ("modbus-rtu:/dev/ttyUSB0/1", Spot(Carrier.PTY, "ttyUSB0", unit=1, language=Language.MODBUS), "modbus-rtu:X/1"),
        (
            "modbus-tcp://sim:5020/2",
            Spot(Carrier.TCP, "sim:5020", 5020, unit=2, language=Language.MODBUS),
            "modbus-tcp://127.0.0.1:X/2",
        ),
        ("sim:some-model", Spot(Carrier.PTY, "it", unit=1, language=Language.MODBUS), "modbus-rtu:X/1"),
    ],
)
def test_modbus_addresses(address: str, spot: Spot, endpoint: str) -> None:
    found = spot_of(Instrument("it", "some-model", address), Carrier.PTY, Language.MODBUS)
    assert found == spot
    assert found.endpoint("X") == endpoint


@pytest.mark.parametrize(
    ("address", "spot", "endpoint"),
    [
        ("pty:sim/doser-1", Spot(Carrier.PTY, "doser-1"), "X"),
        ("/dev/serial/by-id/balance", Spot(Carrier.PTY, "balance"), "X"),
        ("socket://sim:7101", Spot(Carrier.TCP, "sim:7101", 7101), "socket://127.0.0.1:X"),
        ("sim:some-model", Spot(Carrier.TCP, "it"), "socket://127.0.0.1:X"),
        ("dir:sim/balance", Spot(Carrier.FOLDER, "sim/balance"), "dir:X"),
    ],
)
def test_text_addresses(address: str, spot: Spot, endpoint: str) -> None:
    found = spot_of(Instrument("it", "some-model", address), Carrier.TCP, Language.TEXT)
    assert found == spot
    assert found.endpoint("X") == endpoint


@pytest.mark.parametrize("address", ["", "dir:/results", "socket://sim", "pty:", "modbus-rtu:sim/furnace-1"])
def test_other_addresses_are_refused_with_what_is_allowed(address: str) -> None:
    with pytest.raises(BadAddressError, match=r"furnace-1: .* modbus-rtu:PATH/UNIT or modbus-tcp://HOST:PORT/UNIT"):
        spot_of(Instrument("furnace-1", "eurotherm-3216p", address), Carrier.PTY, Language.MODBUS)


@pytest.mark.parametrize(
    ("address", "why"),
    [("modbus-tcp://sim:65536/1", "port 65536 is above 65535"), ("modbus-rtu:sim/bus/248", "unit 248 is outside 1 to")],
)
def test_ports_and_units_that_there_are_not_are_refused(address: str, why: str) -> None:
    with pytest.raises(BadAddressError, match=rf"^furnace-1: '{address}': {why}"):
        spot_of(Instrument("furnace-1", "eurotherm-3216p", address), Carrier.PTY, Language.MODBUS)


def test_a_text_instrument_does_not_speak_modbus() -> None:
    with pytest.raises(BadAddressError, match=r"which speaks text: write sim:quantos, or pty:NAME"):
        spot_of(Instrument("doser-1", "quantos", "modbus-rtu:sim/doser-1/1"), Carrier.PTY, Language.TEXT)
