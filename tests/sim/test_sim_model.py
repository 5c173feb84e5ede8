"""Models that come from somewhere else, what they may be told, and lines that several of them share."""

from __future__ import annotations

from pathlib import Path

import pytest
import serial

from drivers.clock import JumpClock
from sim import Instrument, Laboratory, Simulation, serve
from sim.errors import BadAddressError, BadOptionError, SimError, UnknownModelError
from sim.model import model_names, model_of

PARROT = """\
from sim.addresses import Carrier, Language
from sim.model import Model
from sim.wire.lines import LineReceiver


class Parrot:
    def __init__(self, ear, colour):
        self.ear, self.colour, self.heard = ear, colour, []

    def receiver(self, send):
        return LineReceiver(send, self.command, b"\\n")

    def command(self, line, reply):
        self.heard.append(line)
        if self.ear is None or line.startswith(self.ear):
            reply(f"{line} {self.colour}")


def put_up(site, instrument, spot):
    parrot = Parrot(spot.ear, site.option(instrument, "colour"))
    site.answer(instrument, spot, parrot.receiver)
    return parrot


MODEL = Model(Carrier.PTY, Language.TEXT, put_up, {"colour": "green"})
"""

NEST = PARROT.replace("site.answer(instrument, spot, parrot.receiver)", "site.watch_folder(instrument, spot)").replace(
    "Carrier.PTY", "Carrier.FOLDER"
)


@pytest.fixture(autouse=True)
def aviary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of somebody else with models, one that is none and one that cannot be loaded."""
    package = tmp_path / "models_of_bo"
    package.mkdir()
    for name, text in {
        "parrot": PARROT,
        "nest": NEST,
        "egg": "",
        "stone": "MODEL = 3",
        "ghost": "from sim.model import Nothing",
    }.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)


def parrot(name: str, address: str = "pty:sim/line", **options: object) -> Instrument:
    return Instrument(name, "models_of_bo.parrot", address, options)


def served(clock: JumpClock, folder: Path, *instruments: Instrument) -> Simulation:
    return serve(Laboratory("lab", instruments, {}), clock, folder / "wires")


def ask(simulation: Simulation, name: str, line: str, answers: int) -> list[str]:
    """Say a line, and take as many answers; where none is to come, wait for a moment."""
    with serial.Serial(simulation.endpoints[name], 9600, timeout=5.0 if answers else 0.1) as port:
        port.write(line.encode() + b"\n")
        return [text.decode().strip() for text in (port.readline() for _ in range(max(answers, 1))) if text]


# ---------------------------------------------------------------- which models there are


def test_the_models_that_come_with_the_simulator_all_load() -> None:
    assert {"eurotherm-3216p", "safety-io"} <= set(model_names())
    for name in model_names():
        assert model_of(Instrument("it", name, f"sim:{name}"))


@pytest.mark.system
def test_a_module_of_somebody_else_with_a_model_is_served(clock: JumpClock, tmp_path: Path) -> None:
    assert "models_of_bo.parrot" not in model_names()
    with served(clock, tmp_path, parrot("p-1", "sim:models_of_bo.parrot"), parrot("p-2", colour="red")) as simulation:
        assert ask(simulation, "p-1", "hello", 1) == ["hello green"]
        assert ask(simulation, "p-2", "hello", 1) == ["hello red"]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("models_of_bo.egg", "module 'models_of_bo.egg' has no attribute 'MODEL'; it must be a module with a MODEL"),
        ("models_of_bo.ghost", "cannot import name 'Nothing' from 'sim.model'"),
        ("models_of_bo.owl", "No module named 'models_of_bo.owl'; it must be a module with a MODEL"),
        ("models_of_bo.stone", "p-1: the MODEL of 'models_of_bo.stone' is a int, not a Model"),
        ("qantos", "no simulator speaks for a 'qantos': there are aeris, alicat, dh-gripper, "),
        ("qantos", "yudian-aibus; did you mean 'quantos'?"),
        (".quantos", "did you mean 'quantos'?"),
    ],
)
def test_what_is_no_model_is_told(model: str, said: str) -> None:
    with pytest.raises(UnknownModelError) as refused:
        model_of(Instrument("p-1", model, "pty:sim/p-1"))
    assert str(refused.value).startswith("p-1: ")
    assert said in str(refused.value)


def test_an_option_that_a_model_knows_nothing_of_is_told(clock: JumpClock, tmp_path: Path) -> None:
    said = "p-1: a simulated models_of_bo.parrot has no 'color': it has colour, pace_baud, unit"
    with pytest.raises(BadOptionError) as refused:
        served(clock, tmp_path, parrot("p-1", color="red"))
    assert str(refused.value) == said
    with pytest.raises(BadOptionError, match="m-1: a simulated text-mover has no 'colour': it has pace_baud, unit"):
        model_of(Instrument("m-1", "text-mover", "sim:text-mover", {"colour": "red"}))


# ---------------------------------------------------------------- several on one line


@pytest.mark.system
def test_on_a_shared_line_everyone_hears_everything_and_answers_to_its_unit(clock: JumpClock, tmp_path: Path) -> None:
    with served(clock, tmp_path, parrot("p-1", unit="A"), parrot("p-2", unit="B", colour="red")) as simulation:
        assert simulation.endpoints["p-1"] == simulation.endpoints["p-2"] == f"{tmp_path}/wires/line"
        assert ask(simulation, "p-1", "A hello", 1) == ["A hello green"]
        assert ask(simulation, "p-1", "B hello", 1) == ["B hello red"]
        for name in ("p-1", "p-2"):
            assert getattr(simulation.instruments[name], "heard") == ["A hello", "B hello"]  # noqa: B009 - an object


@pytest.mark.system
def test_on_a_shared_line_one_may_be_deaf_while_the_other_answers(clock: JumpClock, tmp_path: Path) -> None:
    with served(clock, tmp_path, parrot("p-1", unit="A"), parrot("p-2", unit="B")) as simulation:
        simulation.deafen("p-1")
        assert ask(simulation, "p-2", "A hello", 0) == []
        assert ask(simulation, "p-2", "B hello", 1) == ["B hello green"]
        simulation.deafen("p-1", deaf=False)
        assert ask(simulation, "p-2", "A hello", 1) == ["A hello green"]


@pytest.mark.parametrize(("first", "second"), [(None, None), ("A", None), (None, "A"), (1, "1")])
def test_without_a_unit_of_its_own_nobody_shares_a_line(
    clock: JumpClock, tmp_path: Path, first: object, second: object
) -> None:
    said = "p-2: p-1 answers at the same pseudo-terminal as pty:sim/line: give it an address of its own"
    with pytest.raises(BadAddressError) as refused:
        served(clock, tmp_path, parrot("p-1", unit=first), parrot("p-2", unit=second))
    assert str(refused.value) == said


def test_who_answers_on_a_line_needs_a_line_and_who_takes_files_a_folder(clock: JumpClock, tmp_path: Path) -> None:
    with pytest.raises(SimError, match="p-1: it answers on a line, and dir:sim/files is a folder: name a line"):
        served(clock, tmp_path, parrot("p-1", "dir:sim/files"))
    with pytest.raises(
        SimError, match="n-1: it takes and leaves files, and pty:sim/line is a pseudo-terminal: write dir:"
    ):
        served(clock, tmp_path, Instrument("n-1", "models_of_bo.nest", "pty:sim/line"))
    with served(clock, tmp_path, Instrument("n-1", "models_of_bo.nest", "dir:sim/files")) as simulation:
        assert simulation.endpoints["n-1"] == f"dir:{tmp_path}/wires/files"
        assert (tmp_path / "wires" / "files").is_dir()


def test_a_file_in_the_way_of_a_folder_is_said_with_whose_it_is(clock: JumpClock, tmp_path: Path) -> None:
    (tmp_path / "wires").mkdir()
    (tmp_path / "wires" / "files").write_text("precious")
    with pytest.raises(SimError, match=r"^n-1: dir:sim/files: the folder .* cannot be made \(File exists\)"):
        served(clock, tmp_path, Instrument("n-1", "models_of_bo.nest", "dir:sim/files"))
