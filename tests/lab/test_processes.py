from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from drivers.devices.aeris import Aeris
from drivers.devices.eurotherm_3216p import Eurotherm3216P
from drivers.devices.quantos import QuantosDoser
from drivers.devices.text_mover import TextMover
from drivers.instrument import Instrument
from lab import processes
from lab.config.lab_file import load_lab, packaged_lab
from lab.errors import UsageError
from lab.processes import Supervised, stoppable, supervisor_of
from lab.safety.judging.scan import BOOT
from lab.startup import STOPPING
from tests.lab.guarded import RULES

CLASSES: dict[str, type[Instrument]] = {
    "eurotherm-3216p": Eurotherm3216P,
    "quantos": QuantosDoser,
    "text-mover": TextMover,
    "aeris": Aeris,
}


@pytest.mark.parametrize("driver", CLASSES)
def test_a_stop_asks_every_device_that_has_a_verb_for_it_and_no_other(driver: str) -> None:
    lab = load_lab(packaged_lab())
    names = {name for name, device in lab.devices.items() if device.driver == driver}
    assert names
    can_stop = bool(set(CLASSES[driver].VERBS) & set(STOPPING))
    assert names & set(stoppable(lab)) == (names if can_stop else set())


def test_the_contactors_are_the_supervisors() -> None:
    lab = load_lab(packaged_lab())
    assert not set(stoppable(lab)) & set(lab.safety_modules)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"rules": "other", "digest": "d1"}, "runs by other rules"),
        ({"rules": RULES.sha256, "digest": "d2"}, "watches other modules, or at another pace.*end the old one"),
        ({"rules": RULES.sha256}, "watches other modules"),
        ({"rules": RULES.sha256, "digest": "d1"}, None),
    ],
)
def test_a_supervisor_that_runs_is_used_only_where_it_watches_the_same(
    facts: dict[str, Any], why: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = {"pid": 7, **facts}
    monkeypatch.setattr(processes, "running_supervisor", lambda name: running)
    monkeypatch.setattr(processes, "config_of", lambda config, **more: {"digest": "d1"})
    lab = load_lab(packaged_lab())
    with ExitStack() as resources:
        if why is None:
            assert supervisor_of(lab, RULES, tmp_path, resources, users=tmp_path / "users") is False
            return
        with pytest.raises(UsageError, match=why):
            supervisor_of(lab, RULES, tmp_path, resources, users=tmp_path / "users")


def supervised_of(folder: Path, *, started_here: bool) -> Supervised:
    lab = load_lab(packaged_lab())
    return Supervised(
        lab, RULES, folder, lambda by: {}, values=lambda: {}, running=lambda: (), started_here=started_here
    )


def test_a_supervisor_that_was_started_here_is_told_from_one_that_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = iter([None, {"pid": 7, "rules": RULES.sha256, "digest": "d1"}])
    monkeypatch.setattr(processes, "running_supervisor", lambda name: next(found))
    monkeypatch.setattr(processes, "config_of", lambda config, **more: {"digest": "d1"})
    monkeypatch.setattr(processes, "start_supervisor", lambda told, runtime: None)
    monkeypatch.setattr(processes, "_end", lambda process: None)
    with ExitStack() as resources:
        assert supervisor_of(load_lab(packaged_lab()), RULES, tmp_path, resources, users=tmp_path / "users") is True


@pytest.mark.parametrize(
    ("started_here", "remedy"),
    [
        (False, r"remove the cause, then `athanor reset`, and start again$"),
        (
            True,
            r"ends with it .*`athanor sim --lab .*`athanor safety --lab .*`athanor reset --lab powder-1`, and start",
        ),
    ],
)
def test_what_else_has_tripped_is_a_persons_and_the_sentence_says_where_it_can_be_reset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started_here: bool, remedy: str
) -> None:
    supervised = supervised_of(tmp_path, started_here=started_here)
    latches = [{"cause": cause, "at_s": 3.5} for cause in ("STOP by ada", BOOT)]
    monkeypatch.setattr(supervised, "snapshot", lambda: {"tripped": latches})
    with pytest.raises(UsageError, match=f"^STOP by ada has tripped and was not reset: .*{remedy}"):
        supervised.start({}, {}, "ada")


def test_a_start_resets_the_start_up_that_it_saw_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervised = supervised_of(tmp_path, started_here=True)
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(supervised, "snapshot", lambda: {"tripped": [{"cause": BOOT, "at_s": 3.5}]})

    def take(message: dict[str, Any]) -> dict[str, Any]:
        asked.append(message)
        return {"ok": True}

    monkeypatch.setattr(supervised, "request", take)
    supervised.start({}, {}, "ada")
    assert asked == [{"do": "reset", "actor": "ada", "seen": [[BOOT, 3.5]]}]
