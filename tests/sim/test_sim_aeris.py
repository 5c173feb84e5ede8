"""The simulated Aeris: its telegrams and its files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sim.chemistry import dispense
from sim.instruments.aeris import Aeris
from sim.plant import Diffractometer, Plant, Programme, substance
from sim.spec import Lot
from sim.wire.telegrams import parse

Wait = Callable[[float], None]
ADD = "@SAMPLE@ADD@APPLICATION=10-80deg-8min@SAMPLE_ID=S1@AT=0,3@END"
MEASURE = "@SAMPLE@MEASURE@SAMPLE_ID=S1@APPLICATION=10-80deg-8min@END"


class Host:
    def __init__(self, plant: Plant, folder: Path) -> None:
        diffractometer = Diffractometer("xrd-1", folder, 0.05, plant.truth, plant.seed)
        plant.add_diffractometer(diffractometer)
        self._aeris = Aeris(plant, diffractometer, {"10-80deg-8min": Programme(10.0, 80.0, 480.0)})

    def say(self, text: str) -> str:
        return str(self._aeris.query(parse(text)))


@pytest.fixture
def host(plant: Plant, tmp_path: Path) -> Host:
    return Host(plant, tmp_path)


def mount(plant: Plant, slot: int) -> None:
    holder = plant.labware_at(f"holders/{slot}")
    assert holder is not None
    holder.powder = dispense(holder.powder, substance(Lot("TiO2-a", "TiO2")), 200.0, plant.truth)
    plant.move(f"holders/{slot}", f"xrd-1/{slot}")


def test_it_says_how_it_is(host: Host, plant: Plant) -> None:
    assert "SYSTEM=remote" in host.say("@STATUS_REQUEST@SYSTEM@END")
    assert "READY=yes" in host.say("@STATUS_REQUEST@UNIT=xrd@END")
    assert "STATE=free" in host.say("@STATUS_REQUEST@LOCATION=0,3@END")
    plant.move("holders/1", "xrd-1/3")
    assert "STATE=occupied" in host.say("@STATUS_REQUEST@LOCATION=0,3@END")


def test_a_measurement_leaves_one_file_when_its_time_is_over(
    host: Host, plant: Plant, tmp_path: Path, wait: Wait
) -> None:
    mount(plant, 3)
    assert "STATUS=normal" in host.say(ADD)
    assert "STATUS=normal" in host.say(MEASURE)
    assert "READY=no" in host.say("@STATUS_REQUEST@UNIT=xrd@END")
    wait(480.0)
    assert list(tmp_path.iterdir()) == []
    wait(60.0)
    assert [path.name for path in tmp_path.iterdir()] == ["S1.xrdml"]
    text = (tmp_path / "S1.xrdml").read_text(encoding="utf-8")
    assert "S1" in text
    assert text.rstrip().endswith("</xrdMeasurements>")
    assert "READY=yes" in host.say("@STATUS_REQUEST@UNIT=xrd@END")


def test_two_scans_of_one_sample_differ_by_their_noise_only(
    host: Host, plant: Plant, tmp_path: Path, wait: Wait
) -> None:
    mount(plant, 3)
    for name in ("S1", "S2"):
        host.say(ADD.replace("S1", name))
        host.say(MEASURE.replace("S1", name))
        wait(600.0)
    first, second = ((tmp_path / f"{name}.xrdml").read_text(encoding="utf-8") for name in ("S1", "S2"))
    assert first != second
    assert len(first) == pytest.approx(len(second), rel=0.02)


def test_a_sample_that_is_measured_cannot_be_taken(host: Host, plant: Plant) -> None:
    from sim.plant import Impossible

    mount(plant, 3)
    host.say(ADD)
    host.say(MEASURE)
    with pytest.raises(Impossible, match="xrd-1 measures it"):
        plant.move("xrd-1/3", "holders/3")
    assert "fatal" in host.say("@SAMPLE@REMOVE@SAMPLE_ID=S1@END")
    assert "fatal" in host.say(MEASURE)


def test_samples_are_moved_and_forgotten(host: Host, plant: Plant) -> None:
    mount(plant, 3)
    host.say(ADD)
    assert "STATUS=normal" in host.say("@SAMPLE@MOVE@SAMPLE_ID=S1@AT=0,3@TO=0,5@END")
    assert plant.labware_at("xrd-1/5") is not None
    assert "STATUS=normal" in host.say("@SAMPLE@REMOVE@AT=0,5@END")
    assert "fatal" in host.say("@SAMPLE@REMOVE@SAMPLE_ID=S1@END")


def test_a_slot_may_be_given_to_the_next_sample_without_a_remove(host: Host, plant: Plant) -> None:
    mount(plant, 3)
    host.say(ADD)
    assert "STATUS=normal" in host.say(ADD.replace("S1", "S2"))
    assert "fatal" in host.say(MEASURE)


@pytest.mark.parametrize(
    "text",
    [
        ADD,
        ADD.replace("0,3", "0,1"),
        ADD.replace("10-80deg-8min", "other"),
        ADD.replace("S1", "../S1"),
        MEASURE,
        "@SAMPLE@DANCE@END",
        "@STATUS_REQUEST@LOCATION=3@END",
        "@END",
    ],
)
def test_what_cannot_be_is_fatal(host: Host, text: str) -> None:
    assert "STATUS=fatal" in host.say(text)


def test_samples_are_moved_and_forgotten_by_their_slots(host: Host, plant: Plant) -> None:
    mount(plant, 3)
    host.say(ADD)
    assert "STATUS=normal" in host.say("@SAMPLE@MOVE@SAMPLE_ID@AT=0,3@TO=0,5@END")
    assert plant.labware_at("xrd-1/5") is not None
    assert "STATUS=normal" in host.say("@SAMPLE@REMOVE@SAMPLE_ID@AT=0,5@END")


def test_a_sample_may_be_measured_with_the_words_that_add_it(host: Host, plant: Plant, tmp_path: Path) -> None:
    mount(plant, 3)
    assert "STATUS=normal" in host.say(ADD.replace("@AT=", "@MEASURE=yes@AT="))
    assert "READY=no" in host.say("@STATUS_REQUEST@UNIT=xrd@END")


def test_a_measured_sample_is_told_of_before_the_next_reply(host: Host, plant: Plant, wait: Wait) -> None:
    mount(plant, 3)
    host.say(ADD)
    host.say(MEASURE)
    wait(600.0)
    sent: list[bytes] = []
    ear = host._aeris.receiver(sent.append)
    ear.receive(b"@STATUS_REQUEST@SYSTEM@END")
    ear.receive(b"@STATUS_REQUEST@SYSTEM@END")
    assert sent == [
        b"@SAMPLE@MEASURED@SAMPLE_ID=S1@END",
        b"@STATUS_REPORT@SYSTEM=remote@END",
        b"@STATUS_REPORT@SYSTEM=remote@END",
    ]


def test_under_local_control_no_sample_is_taken(host: Host, plant: Plant) -> None:
    mount(plant, 3)
    host._aeris.system = "local"
    assert "SYSTEM=local" in host.say("@STATUS_REQUEST@SYSTEM@END")
    assert "STATUS=fatal@ERROR=not under remote control" in host.say(ADD)


def test_a_goniometer_that_hangs_stays_busy(host: Host, plant: Plant, tmp_path: Path, wait: Wait) -> None:
    mount(plant, 3)
    host.say(ADD)
    host._aeris.hangs = True
    host.say(MEASURE)
    wait(3600.0)
    assert "READY=no" in host.say("@STATUS_REQUEST@UNIT=xrd@END")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", ["lose", "cut", "mislabel"])
def test_files_may_go_wrong(host: Host, plant: Plant, tmp_path: Path, wait: Wait, how: str) -> None:
    results = plant.diffractometers["xrd-1"].results
    setattr(results, how, "S9" if how == "mislabel" else True)
    mount(plant, 3)
    host.say(ADD)
    host.say(MEASURE)
    wait(600.0)
    found = list(tmp_path.iterdir())
    if how == "lose":
        assert found == []
        return
    text = found[0].read_text(encoding="utf-8")
    assert (text.rstrip().endswith("</xrdMeasurements>"), "<id>S9</id>" in text) == (how != "cut", how == "mislabel")
