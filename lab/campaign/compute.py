"""Thinking happens elsewhere: Ax and the fits run in Dask workers, so the lab service imports neither.

One local worker by default, a cluster by its scheduler's address. The planner is one stateful actor there;
importing Ax costs seconds, so the worker begins with that while the instruments are being opened.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from lab.errors import LabError
from planner.types import Observation, Problem, Suggestion

if TYPE_CHECKING:
    from lab.characterization.result import Characterization

DEADLINE_S = 600.0
"""Wall seconds that one piece of thinking may take before it counts as lost."""


class ComputeError(LabError):
    """A worker that does not answer."""


class Compute:
    """The workers; ends with `close` or as a context."""

    def __init__(self, scheduler: str | None = None, *, planning: bool = True) -> None:
        """Start the workers; with `planning` one begins to import Ax at once."""
        from distributed import Client, LocalCluster

        logging.getLogger("distributed").setLevel(logging.ERROR)
        self._cluster = None
        if scheduler is None:
            with _children_ignore_interrupts():
                self._cluster = LocalCluster(
                    n_workers=1, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0"
                )
        self._client = Client(scheduler or self._cluster)
        self._warm = self._client.submit(_import_ax, pure=False) if planning else None

    def planner(self, problem: Problem, seed: int, n_initial: int) -> RemotePlanner:
        """Start an Ax planner in a worker."""
        return RemotePlanner(self._client.submit(_make_planner, problem, seed, n_initial, actor=True, pure=False))

    def analyst(self, references: Sequence[Path], wavelength: str, *, simulated: bool) -> RemoteAnalyst:
        """Give an analyst whose fits run in a worker."""
        return RemoteAnalyst(self._client, tuple(references), wavelength, simulated=simulated)

    def close(self) -> None:
        """Let the workers go."""
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()

    def __enter__(self) -> Compute:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class RemotePlanner:
    """The planner's two verbs, carried out in a worker."""

    def __init__(self, made: Any) -> None:
        self._actor = _result(made, "starting the planner")

    def suggest(self, n: int) -> list[Suggestion]:
        """Give `n` recipes."""
        found: list[Suggestion] = _result(self._actor.suggest(n), "planning")
        return found

    def record(self, observations: list[Observation]) -> None:
        """Learn from results."""
        _result(self._actor.record(observations), "learning")


class RemoteAnalyst:
    """Phase analysis in a worker, with the picture of the fit."""

    def __init__(self, client: Any, references: tuple[Path, ...], wavelength: str, *, simulated: bool) -> None:
        self._client = client
        self._references = references
        self._wavelength = wavelength
        self._simulated = simulated

    def analyze(self, pattern: Path, picture: Path) -> Characterization:
        """Analyse one pattern and draw the fit."""
        future = self._client.submit(
            _analyze, pattern, self._references, self._wavelength, picture, self._simulated, pure=False
        )
        found: Characterization = _result(future, f"analysing {pattern.name}")
        return found


@contextmanager
def _children_ignore_interrupts() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach: what an interrupt means is for the lab to decide.

    A signal that is ignored stays ignored in a process that is started meanwhile. (A blocked one does not:
    multiprocessing unblocks it.) Only the main thread may say so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _result(future: Any, what: str) -> Any:
    try:
        return future.result(timeout=DEADLINE_S)
    except TimeoutError:
        raise ComputeError(f"{what} took longer than {DEADLINE_S:g} s: is the compute worker alive?") from None


def _import_ax() -> None:
    logging.disable(logging.INFO)  # Ax greets whoever imports it
    import planner.ledger  # noqa: F401 - for its imports


def _make_planner(problem: Problem, seed: int, n_initial: int) -> Any:
    from planner.ax_planner import AxPlanner

    return AxPlanner(problem, seed, n_initial=n_initial)


def _analyze(
    pattern: Path, references: tuple[Path, ...], wavelength: str, picture: Path, simulated: bool
) -> Characterization:
    from lab.characterization import analyze_file, load_references
    from lab.characterization.pictures import plot_fit

    measured, result = analyze_file(pattern, load_references(references), wavelength)
    plot_fit(measured, result, picture, title=pattern.stem, simulated=simulated)
    return result
