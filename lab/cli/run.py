"""``athanor run`` and ``athanor dry-run``: everything is checked before anything starts."""

from __future__ import annotations

import getpass
import json
import multiprocessing
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from lab.cli.errors import FAILED, sentences
from lab.cli.places import data_folder, lab_file
from lab.errors import UsageError

TRUTH_FILES = ("truth.json", "library.json")
"""What the folder of a truth holds; only the simulator reads it."""

INTERRUPTED = 130
"""What shells expect of a command that Ctrl-C ended."""

if TYPE_CHECKING:
    from lab.campaign.session import Session
    from lab.config.lab_file import LabConfig
    from lab.startup import OpenLab


def run_campaign(
    what: Path,
    lab: Path | None,
    *,
    budget: int | None,
    seed: int,
    data: Path | None,
    clock: str | None,
    truth: Path | None,
    as_json: bool,
    dry: bool,
    yes: bool = False,
) -> None:
    """Check everything, run, and tell what came of it.

    Before real instruments are started everybody who answered is shown, and a person is asked unless `yes`.
    """
    started_s = time.monotonic()
    with sentences():
        from lab.campaign.session import Session
        from lab.config.lab_file import load_lab
        from lab.startup import Choices, make_clock

        config = load_lab(lab_file(lab))
        work = _work(what, config, budget, dry=dry)
        make_clock(clock, simulated=dry or not config.real_devices)
        choices = Choices(seed=seed, clock=clock, truth=_truth(truth), simulate_all=dry, actor=getpass.getuser())
        stem = re.sub(r"[^A-Za-z0-9]+", "-", work.name).strip("-")
        folder = data_folder(data, f"{stem}-seed{seed}", ("recipes", "raw", "fits"))
        session = Session(work, config, choices, folder, started_s)
        if config.real_devices and not dry and not yes:
            session.confirm = _confirm
    with sentences(), _interruptible(session), _display(session, as_json=as_json) as on_change:
        summary = session.run(on_change)
    _tell(session, summary, as_json=as_json, dry=dry)
    if summary["samples"] and not summary["succeeded"] and not summary["in_review"]:
        raise SystemExit(FAILED)


def _confirm(opened: OpenLab) -> None:
    """Show who answered and how safety stands, and ask whether to start.

    Raises:
        UsageError: Where nobody can be asked, or the person does not want to.
    """
    from rich.console import Console

    from lab.campaign.preflight import preflight_table

    console = Console(stderr=True)
    console.print(preflight_table(opened))
    if not sys.stdin.isatty():
        raise UsageError("real instruments are started only after a person said so: use a terminal, or --yes")
    if console.input("start? [y/N] ").strip().lower() not in {"y", "yes"}:
        raise UsageError("nothing was started: nobody said yes")


def _work(what: Path, config: LabConfig, budget: int | None, *, dry: bool) -> Any:
    """What to run: a campaign, or in a dry run also one recipe."""
    from lab.campaign.session import campaign_work, recipe_work
    from lab.cli.files import kind_of

    kind = kind_of(what)
    if kind == "campaign":
        return campaign_work(what, config, budget)
    if kind == "recipe" and dry:
        return recipe_work(what, config)
    hint = "a campaign or recipe file" if dry else "a campaign file (one recipe alone: athanor dry-run)"
    raise UsageError(f"{what}: is a {kind} file: give {hint}")


def _truth(truth: Path | None) -> Path | None:
    if truth is None:
        return None
    if not truth.is_dir():
        raise UsageError(f"--truth {truth}: is no folder: give the folder of a truth")
    missing = [name for name in TRUTH_FILES if not (truth / name).is_file()]
    if missing:
        raise UsageError(
            f"--truth {truth}: holds no truth, {' and '.join(missing)} is missing: give the folder of a truth"
        )
    return truth


@contextmanager
def _interruptible(session: Session) -> Iterator[None]:
    """First Ctrl-C: no new samples; second: stop now, with everything measured kept."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        if session.stopping:
            session.abandon()
            for child in multiprocessing.active_children():
                child.terminate()
            sys.stderr.write(f"\nathanor: stopped; what was done so far is in {session.folder}\n")
            sys.stderr.flush()
            # At once: tasks in the middle of simulated work have nothing left to make safe.
            os._exit(INTERRUPTED)
        session.stopping = True
        sys.stderr.write("\nathanor: no new samples, those in work are finished; Ctrl-C again stops now\n")

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _display(session: Session, *, as_json: bool) -> Iterator[Any]:
    """Progress bars on a terminal, a line per finished sample elsewhere, nothing with --json."""
    if as_json:
        yield lambda sample: None
        return
    from lab.cli.progress import Bars, Lines

    display = Bars(session) if sys.stderr.isatty() else Lines(session)
    with display:
        yield display.show


def _tell(session: Session, summary: dict[str, Any], *, as_json: bool, dry: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(summary, indent=1) + "\n")
        return
    from rich.console import Console

    from lab.campaign.summary import report_lines, table_of

    console = Console()
    if not sys.stdout.isatty():
        console = Console(width=180)
    console.print(table_of(session.samples, summary))
    for line in report_lines(session, summary, dry=dry):
        console.print(line, highlight=False)
