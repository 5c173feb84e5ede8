"""There is one way to every instrument, and the gate stands in it.

Every driver of the registry, with every verb, over the simulator's real wires: without leave, and with leave that
was given for something else. Beside that the source itself: who may open a wire, which methods of a link write, who
gives leave.
"""

from __future__ import annotations

import ast
import inspect
import os

os.environ.setdefault("OPHYD_CONTROL_LAYER", "dummy")

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from drivers.address import ModbusAddress, parse_address, port_of
from drivers.bus import Bus
from drivers.clock import JumpClock
from drivers.errors import ActionFailedError, CommandDeniedError, GrantError
from drivers.gate import Command, Denied, Granted, acting_as
from drivers.instrument import Instrument as Device
from drivers.links import LineLink, ModbusLink, ModbusPort, QueryLink, grant, line, modbus, query
from drivers.links.together import TogetherLink
from drivers.registry import DRIVERS, build
from sim import Instrument, Laboratory, Lot, Simulation, serve

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("protocols", "drivers", "generator", "planner", "lab")

NAMES = {
    "eurotherm-3216p": "furnace-1",
    "safety-io": "safety-1",
    "quantos": "doser-1",
    "text-mover": "mover-1",
    "aeris": "xrd-1",
}
ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "run-program": {"steps": ((10.0, 400.0, 60.0),)},
    "set-setpoint": {"degc": 400.0},
    "wait-cooled": {"below_degc": 60.0},
    "dose": {"mass_mg": 100.0, "tolerance_mg": 1.0, "sample_id": "S1"},
    "move": {"from_position": "vials/1", "to_position": "mill-1/1"},
    "pour": {"from_position": "vials/1", "to_position": "crucibles/1"},
    "mix": {"position": "mill-1/1", "time_s": 60.0, "speed_rpm": 300.0, "method": "ball-mill"},
    "clean": {"position": "mill-1/1"},
    "head": {"doser": "doser-1", "number": 1},
    "door": {"furnace": "furnace-1", "open": True},
    "look-at": {"position": "vials/1"},
    "measure": {"sample_id": "S1", "slot": 2, "program": "10-80deg-8min"},
    "remove": {"sample_id": "S1"},
    "start-watchdog": {"timeout_s": 600.0},
}
"""Arguments of the verbs that have any."""
NOTHING_TO_DO = {"stop-dosing"}
"""Verbs that write nothing while there is nothing to stop."""
FIRST: Mapping[str, tuple[tuple[str, str], ...]] = {
    "hold-program": (("eurotherm-3216p", "run-program"),),
    "continue-program": (("eurotherm-3216p", "run-program"), ("eurotherm-3216p", "hold-program")),
    "dose": (("text-mover", "head"), ("quantos", "lock-head")),
}
"""What must be done or under way before a verb writes anything."""


@dataclass
class SwitchedGate:
    """Grants, denies, or gives leave for another device."""

    clock: JumpClock
    how: str = "grant"
    asked: list[Command] = field(default_factory=list)

    def request(self, command: Command, lease: str | None, actor: str) -> Granted | Denied:
        self.asked.append(command)
        if self.how == "deny":
            return Denied(command, ("not today",))
        meant = command if self.how == "grant" else Command("another-1", command.verb, command.value)
        return Granted(meant, self.clock.now())


@dataclass
class Lab:
    """All drivers on the simulator's wires; `passed` has the device of every frame that was let through."""

    clock: JumpClock
    gate: SwitchedGate
    devices: dict[str, Device]
    simulation: Simulation
    passed: list[str]

    def do(self, driver: str, verb: str) -> BaseException | None:
        """Have a device act, and give how it failed."""
        arguments = ARGUMENTS.get(verb, {})
        over = self.clock.event()
        with acting_as("auto", "a lease"):
            status = self.devices[driver].set(verb, **arguments)
        status.add_callback(lambda _: over.set())
        assert over.wait(self.clock.now() + 1e5)
        return status.exception()

    def begin(self, driver: str, verb: str) -> None:
        """Have a device act with leave, and let it get under way, or be done where it takes a minute at most."""
        how, self.gate.how = self.gate.how, "grant"
        with acting_as("auto", "a lease"):
            self.devices[driver].set(verb, **ARGUMENTS.get(verb, {}))
        self.clock.sleep_until(self.clock.now() + 60.0)
        self.gate.how = how


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("one-gateway")
    results = folder / "results"
    results.mkdir()
    instruments = (
        Instrument("furnace-1", "eurotherm-3216p", "modbus-rtu:sim/furnace-1/1", {"watched_by": "safety-1"}),
        Instrument("safety-1", "safety-io", "modbus-tcp://sim:5020/1"),
        Instrument("doser-1", "quantos", "pty:sim/doser-1", {"heads": {1: "TiO2-a"}}),
        Instrument("mover-1", "text-mover", "socket://sim:7101"),
        Instrument("xrd-1", "aeris", "socket://sim:7702", {"dir": str(results)}),
    )
    options: dict[str, dict[str, object]] = {
        "eurotherm-3216p": {"limits": {"setpoint": 1100.0, "ramp": 10.0}},
        "quantos": {"limits": {"mass": 2000.0}},
        "aeris": {"results": f"dir:{results}"},
    }
    clock, patch, passed = JumpClock(), pytest.MonkeyPatch(), list[str]()
    gate = SwitchedGate(clock)

    def noted(device: str, given: Granted) -> None:
        grant.check_grant(device, given)
        passed.append(device)

    for module in (line, modbus, query):
        patch.setattr(module, "check_grant", noted)
    plan = Laboratory("lab", instruments, {"TiO2-a": Lot("TiO2-a", "TiO2")}, seed=1)
    with serve(plan, clock, folder / "wires") as simulation:
        buses: dict[str, Bus] = {}
        devices = {}
        for driver, name in NAMES.items():
            address = simulation.endpoints[name]
            bus = buses.setdefault(port_of(address), Bus(name, clock))
            devices[driver] = build(name, driver, address, options.get(driver, {}), gate, clock, Silent(), bus)
        yield Lab(clock, gate, devices, simulation, passed)
        for bus in buses.values():
            bus.close()
    patch.undo()


class Silent:
    """A transcript that keeps nothing."""

    def frame(self, link: str, direction: str, data: bytes) -> None:
        pass

    def file(self, link: str, name: str, content: bytes) -> None:
        pass


def every_verb(*, looks: bool) -> list[tuple[str, str]]:
    """(driver, verb) of everything that acts, or of everything that only looks."""
    classes = {cls.__module__: cls for cls in instruments()}
    found = []
    for driver, module in MODULES.items():
        cls = classes[f"drivers.{module}"]
        found += [(driver, verb) for verb in cls.VERBS if (verb in cls.LOOKS) is looks]
    return found


MODULES = {
    "eurotherm-3216p": "eurotherm",
    "safety-io": "safety_io",
    "quantos": "quantos",
    "text-mover": "text_mover",
    "aeris": "aeris",
}


def instruments() -> list[type[Device]]:
    """Every instrument there is, from the source: one that is in no registry counts too."""
    import importlib

    for path in (ROOT / "drivers").glob("*.py"):
        if "(Instrument)" in path.read_text(encoding="utf-8"):
            importlib.import_module(f"drivers.{path.stem}")
    return [cls for cls in Device.__subclasses__() if cls.__module__.startswith("drivers.")]


def test_every_driver_of_the_registry_is_walked() -> None:
    assert set(NAMES) == set(MODULES) == set(DRIVERS)
    assert {cls.__module__.removeprefix("drivers.") for cls in instruments()} == set(MODULES.values())


def test_every_verb_has_its_arguments_here() -> None:
    for driver, verb in every_verb(looks=False) + every_verb(looks=True):
        cls = next(cls for cls in instruments() if cls.__module__ == f"drivers.{MODULES[driver]}")
        needed = [
            name
            for name, parameter in inspect.signature(getattr(cls, cls.VERBS[verb])).parameters.items()
            if name != "self" and parameter.default is inspect.Parameter.empty
        ]
        assert set(needed) <= set(ARGUMENTS.get(verb, {})), (driver, verb)


@pytest.mark.system
@pytest.mark.parametrize(("driver", "verb"), every_verb(looks=False))
def test_without_leave_no_verb_writes_anything(lab: Lab, driver: str, verb: str) -> None:
    lab.gate.how = "deny"
    before, noted = len(lab.passed), len(lab.simulation.plant.log)
    with pytest.raises(CommandDeniedError, match="not today"):
        lab.do(driver, verb)
    assert len(lab.passed) == before
    assert len(lab.simulation.plant.log) == noted


@pytest.mark.system
@pytest.mark.parametrize(("driver", "verb"), every_verb(looks=True))
def test_what_only_looks_asks_nobody_and_changes_nothing(lab: Lab, driver: str, verb: str) -> None:
    lab.gate.how = "deny"
    asked, before, noted = len(lab.gate.asked), len(lab.passed), len(lab.simulation.plant.log)
    error = lab.do(driver, verb)
    assert not isinstance(error, CommandDeniedError)
    assert (len(lab.gate.asked), len(lab.passed), len(lab.simulation.plant.log)) == (asked, before, noted)


@pytest.mark.system
@pytest.mark.parametrize(("driver", "verb"), every_verb(looks=False))
def test_with_leave_for_another_device_no_verb_writes_anything(lab: Lab, driver: str, verb: str) -> None:
    for first in FIRST.get(verb, ()):
        lab.begin(*first)
    lab.gate.how = "forge"
    before, noted = len(lab.passed), len(lab.simulation.plant.log)
    error = lab.do(driver, verb)
    assert error is None if verb in NOTHING_TO_DO else isinstance(error, GrantError), error
    assert len(lab.passed) == before
    assert len(lab.simulation.plant.log) == noted
    if driver == "eurotherm-3216p":
        lab.begin(driver, "reset-program")


@pytest.mark.system
def test_polling_writes_nothing(lab: Lab) -> None:
    lab.gate.how = "deny"
    before = len(lab.passed)
    lab.clock.sleep_until(lab.clock.now() + 3600.0)
    assert len(lab.passed) == before


@pytest.mark.system
def test_with_leave_the_same_way_leads_to_the_instrument(lab: Lab) -> None:
    lab.gate.how = "grant"
    before = len(lab.passed)
    assert lab.do("safety-io", "close-contactor") is None
    assert isinstance(lab.do("eurotherm-3216p", "hold-program"), ActionFailedError)
    assert lab.do("eurotherm-3216p", "set-setpoint") is None
    assert set(lab.passed[before:]) == {"safety-1", "furnace-1"}


# ---------------------------------------------------------------- the source

READS = {
    LineLink: {"query", "read_line", "read_line_if_any", "silence", "close"},
    QueryLink: {"query"},
    ModbusLink: {"read_registers", "read_inputs", "read_coils", "read_discrete"},
    TogetherLink: {"read_together"},
}
"""The methods of links that ask for what changes nothing; every other one needs leave."""

WIRES = {"serial", "pymodbus"}
SOCKETS = {"socket", "socketserver", "telnetlib"}
TALKERS = (
    "lab/console/",
    "lab/safety/supervisor/",
    "lab/safety/alarms/notify_send.py",
)
"""What else talks over sockets: to people, to other processes of the lab, to mail servers; never to instruments."""

SUPERVISOR_WIRES = "lab/safety/supervisor/wire.py"
"""The supervisor owns the safety modules, and stands above the gate."""


def sources(*rooms: str) -> Iterator[tuple[str, ast.Module]]:
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> set[str]:
    """Every module that is imported anywhere in a file, in full."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_only_links_open_serial_ports_and_modbus_clients() -> None:
    who = {path for path, tree in sources(*ROOMS) if {name.split(".")[0] for name in imported(tree)} & WIRES}
    assert {"drivers/links/line.py", "drivers/links/modbus.py"} <= who
    assert {path for path in who if not path.startswith("drivers/links/")} == set()


def test_only_links_open_sockets_to_instruments() -> None:
    who = {path for path, tree in sources(*ROOMS) if {name.split(".")[0] for name in imported(tree)} & SOCKETS}
    assert {path for path in who if not path.startswith((*TALKERS, "drivers/links/"))} == set()


def test_nobody_outside_the_drivers_uses_a_link_but_the_supervisor() -> None:
    users = {
        path
        for path, tree in sources("lab", "protocols", "planner", "generator")
        if any(name.startswith(("drivers.links", "drivers.safety_module")) for name in imported(tree))
    }
    assert users <= {SUPERVISOR_WIRES}


def test_every_link_there_is_is_known_here() -> None:
    classes = {
        node.name
        for path, tree in sources("drivers")
        if path.startswith("drivers/links/")
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name.endswith("Link")
    }
    assert classes == {cls.__name__ for cls in READS}


def writing_methods() -> list[tuple[type, str]]:
    """Every public method of a link that is not known to ask only."""
    return [
        (cls, name)
        for cls, reads in READS.items()
        for name, method in vars(cls).items()
        if inspect.isfunction(method) and not name.startswith("_") and name not in reads
    ]


@pytest.mark.parametrize(("cls", "name"), writing_methods())
def test_a_link_does_nothing_with_leave_for_another_device(cls: type, name: str) -> None:
    address = parse_address("modbus-tcp://127.0.0.1:1/1")
    assert isinstance(address, ModbusAddress)
    links: dict[type, Any] = {
        LineLink: lambda: LineLink("furnace-1", "/nowhere", Silent()),
        QueryLink: lambda: QueryLink("furnace-1", "127.0.0.1", 1, Silent()),
        ModbusLink: lambda: ModbusLink("furnace-1", "nowhere", 1, ModbusPort(address, Silent())),
    }
    link, forged = links[cls](), Granted(Command("another-1", "act"), 0.0)
    values: dict[str, Any] = {"grant": forged, "values": (0,)}
    parameters = inspect.signature(getattr(link, name)).parameters.values()
    needed = [p.name for p in parameters if p.default is inspect.Parameter.empty]
    with pytest.raises(GrantError, match="leave to act was given for another-1, and nothing was written"):
        getattr(link, name)(**{n: values.get(n, "1" if n in {"line", "message"} else 0) for n in needed})


def test_nobody_outside_a_driver_reaches_into_its_link() -> None:
    actions = {name for cls, reads in READS.items() for name in vars(cls) if not name.startswith("__")}
    for path, tree in sources("lab", "protocols"):
        if path.startswith("lab/safety/supervisor"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
                reaches = node.value.attr in {"link", "module"} and node.attr in actions - {"close"}
                assert not reaches, f"{path}, line {node.lineno}: {ast.unparse(node)}"


def test_only_the_gateway_and_the_supervisor_give_leave() -> None:
    who = {
        path
        for path, tree in sources(*ROOMS)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Granted"
    }
    assert who == {"lab/safety/commands/gateway.py", SUPERVISOR_WIRES}


def test_a_driver_acts_with_leave_of_its_gate_only() -> None:
    """What drivers hand to their links as leave is what `_authorize` gave them."""
    for path, tree in sources("drivers"):
        if path.startswith("drivers/links/"):
            continue
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in {"act", "send"}
            ):
                leave = ast.unparse(node.args[1])
                assert leave == "grant", f"{path}, line {node.lineno}: {ast.unparse(node)}"
