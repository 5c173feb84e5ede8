"""A diffractometer that takes jobs out of a folder, in the manner of Bruker's LabLims.

    Job.xml          <MeasurementJob> SamplePosition 1A02, Priority, Permanent, ExperimentFileOrID *.bsml, ScriptFile
    ScanParams.txt   sample_id;program; LF S1;10-80deg-8min;      read by the script; the form is the laboratory's own

It looks into the folder every few seconds, takes Job.xml to the folder done, or to failed where it can do nothing with
it, and measures. Its result is written while others look: first half of the file, then the rest. (instruments.md 5.1)
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

from sim.addresses import Carrier, Language, Spot
from sim.errors import BadOptionError
from sim.model import Model
from sim.parts.diffractometers import DIFFRACTOMETER_OPTIONS, put_up_diffractometer
from sim.plant import Diffractometer, Plant, Programme
from sim.plant.diffractometer import FORMS, Measured
from sim.site import Site
from sim.spec import Instrument

JOB, PARAMS = "Job.xml", "ScanParams.txt"
WRITING_S = 4.0
"""From the first half of a result to the whole of it."""


class BadJob(Exception):  # noqa: N818 - a thing that is found, not a fault
    """A job that cannot be measured."""


class FileDropDiffractometer:
    """One diffractometer and the folder that it watches."""

    def __init__(
        self,
        plant: Plant,
        diffractometer: Diffractometer,
        folder: Path,
        programmes: Mapping[str, Programme],
        *,
        position: str,
        form: str,
        look_s: float,
    ) -> None:
        self.name = diffractometer.name
        self.asleep = False
        """Whether its program does not run, for checkers to change: then it takes no job."""
        self._plant, self._diffractometer, self._folder = plant, diffractometer, folder
        self._programmes, self._form, self._look_s = programmes, form, look_s
        before, after = position.split("{slot:02d}")
        self._position = re.compile(rf"{re.escape(before)}(\d+){re.escape(after)}")
        self._taken = 0
        self._look_again()

    def _look_again(self) -> None:
        self._plant.at(self._plant.now() + self._look_s, f"{self.name} looks", self._look)

    def _look(self) -> None:
        try:
            if not self.asleep and self._diffractometer.scan is None and (self._folder / JOB).exists():
                self._take()
        finally:
            self._look_again()

    def _take(self) -> None:
        # Whoever dropped the job may withdraw it until it has been moved away.
        try:
            job = (self._folder / JOB).rename(self._folder / f"{JOB}.taken")
        except FileNotFoundError:
            return
        self._taken += 1
        try:
            sample_id, slot, programme = self._read(job)
        except BadJob as reason:
            self._put_away(job, "failed")
            self._plant.note(f"{self.name} refuses a job: {reason}")
            return
        self._put_away(job, "done")
        scan = self._diffractometer.start(sample_id, slot, programme, self._plant.now())
        self._plant.note(f"{self.name} measures {sample_id} in slot {slot}")
        self._plant.at(scan.end_s, f"{self.name} scan", self._finish)

    def _read(self, job: Path) -> tuple[str, int, Programme]:
        try:
            root = ET.fromstring(job.read_text(encoding="utf-8"))
        except ET.ParseError as error:
            raise BadJob(f"{JOB} is no XML ({error})") from error
        fields = {child.tag: (child.text or "").strip() for child in root}
        experiment = fields.get("ExperimentFileOrID", "").removesuffix(".bsml")
        place = self._position.fullmatch(fields.get("SamplePosition", ""))
        if root.tag != "MeasurementJob" or experiment not in self._programmes:
            raise BadJob(f"there is no experiment {experiment!r}")
        if place is None or int(place[1]) not in self._diffractometer.numbers:
            raise BadJob(f"there is no position {fields.get('SamplePosition')!r}")
        if int(place[1]) not in self._diffractometer.holds:
            raise BadJob(f"nothing lies at {place[0]}")
        return self._sample(), int(place[1]), self._programmes[experiment]

    def _sample(self) -> str:
        try:
            names, values = (self._folder / PARAMS).read_text(encoding="utf-8").splitlines()[:2]
        except (OSError, ValueError) as error:
            raise BadJob(f"{PARAMS} cannot be read") from error
        params = dict(zip(names.split(";"), values.split(";"), strict=False))
        sample_id = params.get("sample_id", "")
        if not re.fullmatch(r"[\w.+-]+", sample_id):
            raise BadJob(f"{sample_id!r} names no file")
        return sample_id

    def _put_away(self, job: Path, where: str) -> None:
        folder = self._folder / where
        folder.mkdir(exist_ok=True)
        job.rename(folder / f"Job-{self._taken:04d}.xml")

    # -- results

    def _finish(self) -> None:
        measured = self._diffractometer.measured(self._plant.now())
        results = self._diffractometer.results
        sample_id = results.mislabel or measured.scan.sample_id
        results.begin(f"{measured.scan.sample_id}.{self._form}", measured.text(sample_id, self._form))
        self._plant.at(self._plant.now() + WRITING_S, f"{self.name} writes", lambda: self._write(measured, sample_id))

    def _write(self, measured: Measured, sample_id: str) -> None:
        path = self._diffractometer.leave(
            f"{measured.scan.sample_id}.{self._form}", measured.text(sample_id, self._form)
        )
        self._plant.note(f"{self.name} wrote {'nothing' if path is None else path.name}")


def _put_up(site: Site, instrument: Instrument, spot: Spot) -> FileDropDiffractometer:
    name = instrument.name
    if spot.carrier is not Carrier.FOLDER:
        raise BadOptionError(f"{name}: a {instrument.model} takes files: write dir:PATH as its address")
    position, form = str(site.option(instrument, "position")), str(site.option(instrument, "form"))
    if position.count("{slot:02d}") != 1 or form not in FORMS:
        raise BadOptionError(
            f"{name}: position {position!r} must have {{slot:02d}} once, and form {form!r} be one of {', '.join(FORMS)}"
        )
    places = range(1, site.count(instrument, "places") + 1)
    folder = site.watch_folder(instrument, spot)
    marker = site.option(instrument, "marker")
    if marker is not None:
        (folder / str(marker)).write_text(f"{name}\n", encoding="utf-8")
    return FileDropDiffractometer(
        site.plant,
        put_up_diffractometer(site, instrument, places),
        folder,
        {program: Programme(*scan) for program, scan in site.option(instrument, "programs").items()},
        position=position,
        form=form,
        look_s=float(site.option(instrument, "look")),
    )


MODEL = Model(
    Carrier.FOLDER,
    Language.TEXT,
    _put_up,
    {
        **DIFFRACTOMETER_OPTIONS,
        "programs": {"10-80deg-8min": (10.0, 80.0, 480.0)},
        "places": 9,
        "position": "1A{slot:02d}",
        "marker": None,
        "form": "xy",
        "look": 5.0,
    },
)
"""`look` is how often it looks into its folder, in seconds; `form` what it writes; `marker` a file that lies there."""
