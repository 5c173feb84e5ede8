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

from collections.abc import Iterator
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
from drivers.links import FramesLink, LineLink, ModbusLink, ModbusPort, QueryLink, frames, grant, line, modbus, query
from drivers.links import folder as folder_link
from drivers.links.folder import FolderLink
from drivers.registry import build, driver_names, spec_of
from sim import Instrument, Laboratory, Lot, Simulation, serve
from tests.cases.case import all_cases, filled

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("protocols", "drivers", "generator", "planner", "lab")

CASES = all_cases()


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
        arguments = CASES[driver].arguments.get(verb, {})
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
            self.devices[driver].set(verb, **CASES[driver].arguments.get(verb, {}))
        self.clock.sleep_until(self.clock.now() + 60.0)
        self.gate.how = how


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("one-gateway")
    results = folder / "results"
    results.mkdir()
    simulated = tuple(
        Instrument(case.name, case.driver, case.address, filled(case.sim, results)) for case in CASES.values()
    )
    clock, patch, passed = JumpClock(), pytest.MonkeyPatch(), list[str]()
    gate = SwitchedGate(clock)

    def noted(device: str, given: Granted) -> None:
        grant.check_grant(device, given)
        passed.append(device)

    for module in (line, frames, modbus, query, folder_link):
        patch.setattr(module, "check_grant", noted)
    plan = Laboratory("lab", simulated, {"TiO2-a": Lot("TiO2-a", "TiO2")}, seed=1)
    with serve(plan, clock, folder / "wires") as simulation:
        buses: dict[str, Bus] = {}
        devices = {}
        for driver, case in CASES.items():
            address = simulation.endpoints[case.name]
            bus = buses.setdefault(port_of(address), Bus(case.name, clock))
            options = {**filled(case.options, results), "limits": case.limits}
            devices[driver] = build(case.name, driver, address, options, gate, clock, Silent(), bus)
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
    classes = {driver: spec_of(driver).device for driver in CASES}
    return [(driver, verb) for driver, cls in classes.items() for verb in cls.VERBS if (verb in cls.LOOKS) is looks]


def test_every_driver_is_walked() -> None:
    assert set(CASES) == set(driver_names())
    classes = {spec_of(driver).device for driver in driver_names()}
    source = [path.read_text(encoding="utf-8") for path in (ROOT / "drivers" / "devices").glob("*.py")]
    assert len(classes) == len(CASES)
    assert sum("DRIVER = DriverSpec(" in text for text in source) == len(CASES)


@pytest.mark.parametrize(("driver", "verb"), every_verb(looks=False) + every_verb(looks=True))
def test_every_verb_has_its_arguments(driver: str, verb: str) -> None:
    cls = spec_of(driver).device
    needed = [
        name
        for name, parameter in inspect.signature(getattr(cls, cls.VERBS[verb])).parameters.items()
        if name != "self" and parameter.default is inspect.Parameter.empty
    ]
    assert set(needed) <= set(CASES[driver].arguments.get(verb, {}))


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
    case = CASES[driver]
    for first in case.first.get(verb, ()):
        lab.begin(*first)
    lab.gate.how = "forge"
    before, noted = len(lab.passed), len(lab.simulation.plant.log)
    error = lab.do(driver, verb)
    assert error is None if verb in case.nothing_to_do else isinstance(error, GrantError), error
    assert len(lab.passed) == before
    assert len(lab.simulation.plant.log) == noted
    if case.undo is not None:
        lab.begin(driver, case.undo)


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
    FramesLink: {"query", "guarded", "close"},
    QueryLink: {"query"},
    FolderLink: {"names", "read", "note_taken"},
    ModbusLink: {
        "read_registers",
        "read_inputs",
        "read_coils",
        "read_discrete",
        "read_together",
        "read_sure",
        "expect",
        "guarded",
    },
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

CHECKS_LEAVE = ("lab/safety/supervisor/supervised.py", "drivers.links.grant")
"""The lab service's side of the supervisor opens no wire: it checks leave, as links do, before it passes a word on."""


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


def test_only_links_open_serial_ports() -> None:
    who = {path for path, tree in sources(*ROOMS) if {name.split(".")[0] for name in imported(tree)} & WIRES}
    assert {"drivers/links/opening.py", "drivers/links/modbus_frames.py"} <= who
    assert {path for path in who if not path.startswith("drivers/links/")} == set()


def test_only_links_open_sockets_to_instruments() -> None:
    who = {path for path, tree in sources(*ROOMS) if {name.split(".")[0] for name in imported(tree)} & SOCKETS}
    assert {path for path in who if not path.startswith((*TALKERS, "drivers/links/"))} == set()


def test_nobody_outside_the_drivers_uses_a_link_but_the_supervisor() -> None:
    used = {
        (path, name)
        for path, tree in sources("lab", "protocols", "planner", "generator")
        for name in imported(tree)
        if name.startswith(("drivers.links", "drivers.safety_module"))
    }
    path, module = CHECKS_LEAVE
    allowed = {(path, module), (path, f"{module}.check_grant")}
    assert {user for user, _ in used - allowed} <= {SUPERVISOR_WIRES}


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
        FramesLink: lambda: FramesLink("furnace-1", "/nowhere", Silent()),
        QueryLink: lambda: QueryLink("furnace-1", "127.0.0.1", 1, Silent()),
        FolderLink: lambda: FolderLink("furnace-1", Path("/nowhere"), Silent()),
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
