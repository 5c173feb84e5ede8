"""A diffractometer that takes a job file out of one folder and leaves a result file in another.

Nobody answers, so everything is learnt from files: the job is taken when its file has gone, the measurement is over
when a whole file of that sample has come. A job is never dropped beside one that was not taken, nor again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ophyd import Component

from drivers.bus import Job, Waits
from drivers.codecs import lablims, scan_files
from drivers.errors import (
    ActionFailedError,
    BusyError,
    LimitError,
    LinkError,
    UnknownDriverError,
    WrongInstrumentError,
)
from drivers.gate import Granted
from drivers.kinds import Kind
from drivers.links.folder import FolderLink, open_folder
from drivers.pace import CLOSE_S, STEADY_S, next_poll_s
from drivers.parts.diffractometer import Diffractometer
from drivers.signals import Reading
from drivers.spec import DriverSpec, Option, Parts

T = TypeVar("T")

ALLOWANCE_S = 600.0
"""Lab seconds that a result may come later than its programme is to end (instruments.md 5.1)."""
TAKEN_S = 300.0
"""Lab seconds in which a job is taken, or nobody is there who takes any."""
PLACES = 9
POSITION = "1A{slot:02d}"


@dataclass(frozen=True)
class JobStyle:
    """How jobs for one instrument are written."""

    places: int = PLACES
    position: str = POSITION
    script: str = "FullScan.cs"
    priority: int = 50
    form: str | None = None
    """The ending of its results without a dot; any that is known where nobody said."""
    marker: str | None = None
    """A file that is in the job folder of this instrument and of no other, nor in an empty mount point."""


class FileDropDiffractometer(Diffractometer):
    """A diffractometer with a changer, at the other end of two folders."""

    MEASURED = ("ready",)

    ready = Component(Reading, value="unknown", kind="normal")
    """``yes``, or ``no`` while a job of ours is measured or one lies there that nobody took."""

    def __init__(
        self, name: str, *, link: FolderLink, results: FolderLink, style: JobStyle | None = None, **base: Any
    ) -> None:
        super().__init__(name, **base)
        self.link, self.results = link, results
        self._style = style or JobStyle()

    # -- jobs

    def _measure(self, sample_id: str, slot: int, program: str, duration_s: float, grant: Granted) -> Job:
        before = yield from self._patiently(self.results.names)
        if lablims.JOB in (yield from self._patiently(self.link.names)):
            raise BusyError(
                f"{self.name}: {self.link.folder / lablims.JOB} lies there and nobody has taken it: is the measuring "
                "program running?"
            )
        yield from self._drop(sample_id, slot, program, grant)
        self._publish(ready="no")
        yield from self._await_taken(grant)
        name, content = yield from self._await_file(sample_id, program, before, self.clock.now() + duration_s)
        self._take(sample_id, self.results.folder / name, content)

    def _drop(self, sample_id: str, slot: int, program: str, grant: Granted) -> Job:
        style = self._style
        position = style.position.format(slot=slot)
        job = lablims.encode_job(position, f"{program}.bsml", style.script, style.priority)
        self.link.write(lablims.PARAMS, lablims.encode_params(sample_id, program), grant)
        try:
            self.link.write(lablims.JOB, job, grant)
        except LinkError as error:
            # It is there whole or not at all; what is not there now may have been taken.
            if (yield from self._patiently(lambda: self.link.read(lablims.JOB))) != job:
                raise ActionFailedError(
                    f"{error}; whether the job of {sample_id} was taken is unknown: look at the instrument"
                ) from error

    def _await_taken(self, grant: Granted) -> Job:
        dropped_s = self.clock.now()
        while lablims.JOB in (yield from self._patiently(self.link.names)):
            if self.clock.now() >= dropped_s + TAKEN_S:
                if not self.link.withdraw(lablims.JOB, grant):
                    break  # taken at the last moment
                raise ActionFailedError(
                    f"{self.name}: nobody took {self.link.folder / lablims.JOB} in {TAKEN_S:g} s, and it was "
                    "withdrawn: is the measuring program running?"
                )
            yield self.clock.now() + CLOSE_S
        self.link.note_taken(lablims.JOB)

    def _await_file(
        self, sample_id: str, program: str, before: frozenset[str], due_s: float
    ) -> Waits[tuple[str, bytes]]:
        last: bytes | None = None
        to_deg = self._programmes.last_deg(program)
        while True:
            now_s = self.clock.now()
            # A file that is whole is looked at once more: it may grow yet.
            yield next_poll_s(now_s, due_s) if last is None else now_s + CLOSE_S
            names = yield from self._patiently(self.results.names)
            name = self._file_of(sample_id, names)
            content = None if name is None else (yield from self._patiently(lambda: self.results.read(str(name))))  # noqa: B023
            if name is not None and content is not None and scan_files.is_complete(name, content, to_deg):
                if content == last:
                    return name, content
                last = content
            else:
                last = None
            if self.clock.now() >= due_s + ALLOWANCE_S:
                raise self._no_result(sample_id, name, names - before)

    def _no_result(self, sample_id: str, name: str | None, new: frozenset[str]) -> ActionFailedError:
        others = ", ".join(sorted(other for other in new if scan_files.suffix(other) in scan_files.SUFFIXES))
        if name is not None:
            state = f"{self.results.folder / name} is cut"
        elif others:
            state = f"no file of {sample_id} came, but {others} did,"
        else:
            state = f"no file of {sample_id} came to {self.results.folder}"
        return ActionFailedError(
            f"{self.name}: {state} {ALLOWANCE_S:g} s after the programme was to end: look at the instrument, then "
            "measure under a new sample id"
        )

    def _remove(self, sample_id: str, grant: Granted) -> Job:
        """Withdraw its job where nobody has taken it; there is nothing else to forget."""
        params = yield from self._patiently(lambda: self.link.read(lablims.PARAMS))
        if params is None or lablims.sample_of_params(params) != sample_id:
            return
        if lablims.JOB in (yield from self._patiently(self.link.names)):
            self.link.withdraw(lablims.JOB, grant)
            self.bus.poll_now(self.name)

    # -- names

    def _check_slot(self, slot: int) -> None:
        if not 1 <= slot <= self._style.places:
            raise LimitError(f"{self.name}: slot {slot} requested, the changer has 1 to {self._style.places}")

    def _result_of(self, sample_id: str) -> Path | None:
        name = self._file_of(sample_id, self.results.names())
        return None if name is None else self.results.folder / name

    def _file_of(self, sample_id: str, names: frozenset[str]) -> str | None:
        """The result file of a sample among names."""
        suffixes = scan_files.SUFFIXES if self._style.form is None else (f".{self._style.form.lower()}",)
        wanted = {f"{sample_id}{suffix}" for suffix in suffixes}
        # The folder holds the results of years: only names that can be meant are looked at closely.
        near = sorted(name for name in names if name.startswith(f"{sample_id}."))
        return next((name for name in near if _lower_suffix(name) in wanted), None)

    # -- looking

    def _check_identity(self) -> str:
        for link, what in ((self.link, "job"), (self.results, "results")):
            self._there(link.names, what, link)
        marker = self._style.marker
        if marker is not None and self.link.read(marker) is None:
            raise WrongInstrumentError(
                f"{self.name}: {self.link.folder} holds no {marker}: is that the job folder of this instrument, and "
                "is its share mounted?"
            )
        return f"file-drop diffractometer at {self.link.folder}"

    def _there(self, look: Callable[[], T], what: str, link: FolderLink) -> T:
        try:
            return look()
        except LinkError as error:
            raise WrongInstrumentError(
                f"{self.name}: its {what} folder {link.folder} does not exist: is the share mounted, and the address "
                "right in the lab file?"
            ) from error

    def _look(self) -> float:
        waiting = lablims.JOB in self.link.names()
        self._publish(ready="no" if waiting or self._is_measuring else "yes")
        return self.clock.now() + STEADY_S


def _lower_suffix(name: str) -> str:
    kind = scan_files.suffix(name)
    return name[: len(name) - len(kind)] + kind


def _build(parts: Parts) -> FileDropDiffractometer:
    default = JobStyle()
    style = JobStyle(
        places=int(parts.option("places", default.places)),
        position=str(parts.option("position", default.position)),
        script=str(parts.option("script", default.script)),
        priority=int(parts.option("priority", default.priority)),
        form=parts.option("form"),
        marker=parts.option("marker"),
    )
    if style.form is not None and f".{style.form.lower()}" not in scan_files.SUFFIXES:
        known = ", ".join(suffix.removeprefix(".") for suffix in scan_files.SUFFIXES)
        raise UnknownDriverError(f"{parts.name}: form {style.form!r} is none of {known} (options in the lab file)")
    return FileDropDiffractometer(
        **parts.base,
        link=open_folder(parts.name, parts.address, parts.transcript),
        results=FolderLink(parts.name, parts.folder("results"), parts.transcript),
        transcript=parts.transcript,
        programs_s=parts.option("programs", {}),
        style=style,
    )


DRIVER = DriverSpec(
    Kind.DIFFRACTOMETER,
    FileDropDiffractometer,
    _build,
    options={
        "results": Option("dir:PATH, the folder that result files appear in", required=True),
        "programs": Option("programme name -> its seconds, for names that do not end in -8min or the like"),
        "places": Option("how many samples its changer holds (9)"),
        "position": Option("how a place of the changer is called (1A{slot:02d})"),
        "script": Option("the script that a job names (FullScan.cs)"),
        "priority": Option("of its jobs (50)"),
        "form": Option("ending of its results: xrdml, brml, raw or xy (any of them)"),
        "marker": Option("a file in the job folder by which it is known (none)"),
    },
)
