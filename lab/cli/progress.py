"""What a person sees while a campaign runs."""

from __future__ import annotations

import sys
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from lab.campaign.loop import Sample
    from lab.campaign.session import Session
    from planner.types import Observation


class Bars:
    """A bar for the campaign and a line for each sample in work."""

    def __init__(self, session: Session) -> None:
        self._session = session
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        from rich.console import Console

        self._progress = Progress(
            *columns, TimeElapsedColumn(), TextColumn("{task.fields[note]}"), console=Console(stderr=True)
        )
        self._lines: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        self._progress.start()
        work = self._session.work
        self._whole = self._progress.add_task(
            work.name, total=work.samples, note="opening instruments, starting the planner"
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, sample: Sample) -> None:
        """Take in that something about a sample changed; a terminal that is gone must not stop the lab."""
        with suppress(OSError):
            self._update(sample)

    def _update(self, sample: Sample) -> None:
        steps = 4 + 4 * len(sample.record.recipe.firings) + sample.record.recipe.regrinds
        if sample.name not in self._lines:
            self._lines[sample.name] = self._progress.add_task(f"  {sample.name}", total=steps, note="")
        line = self._lines[sample.name]
        self._progress.update(line, completed=len(sample.record.spans), note=sample.record.stage)
        if sample.observation is not None:
            self._progress.remove_task(line)
            self._progress.advance(self._whole)
        self._progress.update(self._whole, note=f"lab time {_elapsed(self._session)}")


class Lines:
    """One line for each finished sample, for logs."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._count = 0

    def __enter__(self) -> Lines:
        sys.stderr.write(f"{self._session.work.name}: data go to {self._session.folder}\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, sample: Sample) -> None:
        """Take in that something about a sample changed; a terminal that is gone must not stop the lab."""
        if sample.observation is not None:
            with suppress(OSError):
                self._line(sample, sample.observation)

    def _line(self, sample: Sample, observation: Observation) -> None:
        self._count += 1
        found = observation.objectives.get("target_fraction")
        result = f"target {found.value:.3f}" if found else sample.record.failure or "for review"
        total = self._session.work.samples
        sys.stderr.write(f"[{self._count}/{total}] lab time {_elapsed(self._session)}  {sample.name}: {result}\n")
        sys.stderr.flush()


def _elapsed(session: Session) -> str:
    opened = session.opened
    spans = [span for sample in session.samples for span in sample.record.spans]
    if opened is None or not spans:
        return "0 h"
    hours = (opened.clock.now() - spans[0].start_s) / 3600
    return f"{hours / 24:.1f} d" if hours >= 48 else f"{hours:.1f} h"
