"""The simulated file-drop diffractometer, and the production driver that gives it jobs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.clock import JUMP_EPOCH_S
from drivers.errors import ActionFailedError, BusyError, LimitError, UnknownDriverError, WrongInstrumentError
from lab.characterization.patterns import read_pattern
from sim import Instrument
from sim.chemistry import dispense
from sim.errors import BadOptionError
from sim.plant import substance
from sim.spec import Lot
from tests.sim.cell import Cell, working

pytestmark = pytest.mark.system

SCAN = {"sample_id": "S1", "slot": 2, "program": "10-80deg-8min"}


def diffractometer(tmp_path: Path, **told: object) -> tuple[Instrument, dict[str, object]]:
    results = tmp_path / "results"
    results.mkdir(exist_ok=True)
    sim = {"dir": str(results), "step_deg": 0.1, **told}
    options = {key: value for key, value in told.items() if key in {"places", "position", "form", "marker"}}
    return Instrument("xrd-2", "file-drop-diffractometer", "dir:sim/xrd-2", sim), {
        "results": f"dir:{results}",
        **options,
    }


@pytest.fixture(params=["xy", "xrdml"])
def cell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cell]:
    instrument, options = diffractometer(tmp_path, form=request.param, marker="instrument.txt")
    with working(tmp_path, (instrument,), {"xrd-2": options}) as cell:
        plant = cell.simulation.plant
        holder = plant.labware_at("holders/2")
        assert holder is not None
        holder.powder = dispense(holder.powder, substance(Lot("TiO2-a", "TiO2")), 200.0, plant.truth)
        plant.move("holders/2", "xrd-2/2")
        yield cell


def jobs(cell: Cell) -> Path:
    return Path(cell.simulation.endpoints["xrd-2"].removeprefix("dir:"))


def test_a_job_is_taken_measured_and_its_whole_file_found(cell: Cell, tmp_path: Path) -> None:
    status = cell.set("xrd-2", "measure", **SCAN)
    cell.wait(60.0)
    assert cell.look("xrd-2").ready.get() == "no"
    assert cell.end(status) is None
    device = cell.look("xrd-2")
    path = Path(device.result_path.get())
    assert (path.stem, device.result_sample.get(), device.ready.get()) == ("S1", "S1", "yes")
    pattern = read_pattern(path)
    assert len(pattern.counts) == 701
    assert cell.noted.files == [("xrd-2", path.name, path.read_bytes())]
    assert 510.0 <= cell.clock.now() - JUMP_EPOCH_S <= 540.0
    assert [found.name for found in (jobs(cell) / "done").iterdir()] == ["Job-0001.xml"]
    assert cell.gate.asked[-1].describe() == "measure S1 10-80deg-8min"
    assert cell.devices["xrd-2"].identify().startswith("file-drop diffractometer at ")


def test_half_a_file_is_not_taken_for_a_whole_one(cell: Cell) -> None:
    status = cell.set("xrd-2", "measure", **SCAN)
    results = cell.simulation.plant.diffractometers["xrd-2"].results
    results.cut = True
    assert "is cut 600 s after the programme was to end" in str(cell.end(status))


def test_a_file_that_never_comes_fails_the_measurement(cell: Cell) -> None:
    cell.simulation.plant.diffractometers["xrd-2"].results.lose = True
    error = cell.do("xrd-2", "measure", **SCAN)
    assert isinstance(error, ActionFailedError)
    assert "no file of S1 came to" in str(error)
    assert cell.clock.now() - JUMP_EPOCH_S >= 480 + 600


def test_a_file_of_another_sample_is_no_result(cell: Cell) -> None:
    cell.simulation.plant.diffractometers["xrd-2"].results.mislabel = "S9"
    assert "says that it is of S9, not of S1: which sample was measured?" in str(cell.do("xrd-2", "measure", **SCAN))
    assert cell.devices["xrd-2"].result_path.get() == ""


def test_a_job_that_nobody_takes_is_withdrawn(cell: Cell) -> None:
    cell.sim("xrd-2").asleep = True
    assert "nobody took" in str(cell.do("xrd-2", "measure", **SCAN))
    assert not (jobs(cell) / "Job.xml").exists()
    cell.sim("xrd-2").asleep = False
    assert cell.do("xrd-2", "measure", **SCAN) is None


def test_no_job_is_dropped_beside_one_that_nobody_took(cell: Cell) -> None:
    cell.sim("xrd-2").asleep = True
    (jobs(cell) / "Job.xml").write_text("<MeasurementJob/>")
    error = cell.do("xrd-2", "measure", **SCAN)
    assert isinstance(error, BusyError)
    assert "lies there and nobody has taken it" in str(error)
    assert cell.look("xrd-2").ready.get() == "no"


def test_a_waiting_job_can_be_withdrawn_by_its_sample(cell: Cell) -> None:
    cell.sim("xrd-2").asleep = True
    cell.set("xrd-2", "measure", **SCAN)
    cell.wait(10.0)
    assert cell.do("xrd-2", "remove", sample_id="S2") is None
    assert (jobs(cell) / "Job.xml").exists()
    assert cell.do("xrd-2", "remove", sample_id="S1") is None
    assert not (jobs(cell) / "Job.xml").exists()


def test_a_job_that_cannot_be_measured_is_put_away(cell: Cell) -> None:
    assert "no file of S1 came" in str(cell.do("xrd-2", "measure", **{**SCAN, "slot": 3}))
    assert "xrd-2 refuses a job: nothing lies at 1A03" in cell.log()
    assert [found.name for found in (jobs(cell) / "failed").iterdir()] == ["Job-0001.xml"]


def test_what_cannot_be_is_refused_at_once(cell: Cell, tmp_path: Path) -> None:
    with pytest.raises(LimitError, match="slot 10 requested, the changer has 1 to 9"):
        cell.set("xrd-2", "measure", **{**SCAN, "slot": 10})
    with pytest.raises(LimitError, match=r"sample id '../S1'"):
        cell.set("xrd-2", "measure", **{**SCAN, "sample_id": "../S1"})
    with pytest.raises(LimitError, match="how long programme 'x' takes is not known"):
        cell.set("xrd-2", "measure", **{**SCAN, "program": "x"})
    form = cell.sim("xrd-2")._form
    (tmp_path / "results" / f"S1.{form.upper()}").write_text("old")
    with pytest.raises(BusyError, match="exists: measure under a new sample id"):
        cell.set("xrd-2", "measure", **SCAN)
    assert cell.gate.asked == []


def test_one_sample_is_measured_at_a_time(cell: Cell) -> None:
    status = cell.set("xrd-2", "measure", **SCAN)
    with pytest.raises(BusyError, match="is measuring S1: wait for its end"):
        cell.set("xrd-2", "measure", **{**SCAN, "sample_id": "S2"})
    assert cell.end(status) is None


def test_an_empty_mount_point_is_no_instrument(cell: Cell) -> None:
    (jobs(cell) / "instrument.txt").unlink()
    with pytest.raises(WrongInstrumentError, match=r"holds no instrument.txt: is that the job folder"):
        cell.devices["xrd-2"].identify()


def test_folders_that_are_gone_are_named(cell: Cell, tmp_path: Path) -> None:
    (tmp_path / "results").rename(tmp_path / "elsewhere")
    with pytest.raises(WrongInstrumentError, match=r"xrd-2: its results folder .*/results does not exist"):
        cell.devices["xrd-2"].identify()


@pytest.mark.parametrize(
    ("told", "said"), [({"form": "png"}, "be one of xrdml, xy"), ({"position": "1A"}, r"must have \{slot:02d\} once")]
)
def test_a_simulated_one_is_told_what_makes_sense(tmp_path: Path, told: dict[str, object], said: str) -> None:
    instrument, options = diffractometer(tmp_path, **told)
    with pytest.raises(BadOptionError, match=said), working(tmp_path, (instrument,), {"xrd-2": options}):
        pass


def test_a_form_that_there_is_not_is_refused_by_the_driver(tmp_path: Path) -> None:
    instrument, options = diffractometer(tmp_path)
    with (
        pytest.raises(UnknownDriverError, match=r"xrd-2: form 'png' is none of xrdml, brml, raw, xy"),
        working(tmp_path, (instrument,), {"xrd-2": {**options, "form": "png"}}),
    ):
        pass
