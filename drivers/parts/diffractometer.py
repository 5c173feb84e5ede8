"""What diffractometers have in common that leave their results as files: one sample at a time, no file twice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ophyd import Component

from drivers.bus import Job
from drivers.codecs import scan_files
from drivers.errors import ActionFailedError, BusyError
from drivers.gate import Granted
from drivers.instrument import Instrument
from drivers.parts.programmes import Programmes
from drivers.signals import Reading
from drivers.status import ActionStatus
from drivers.transcript import Transcript


class Diffractometer(Instrument):
    """A diffractometer that measures what lies in a slot with a programme made beforehand."""

    VERBS: ClassVar[Mapping[str, str]] = {"measure": "measure", "remove": "remove"}

    result_path = Component(Reading, value="", kind="normal")
    """The file of the last measurement."""
    result_sample = Component(Reading, value="", kind="normal")
    """Whose file that is."""

    def __init__(self, name: str, *, transcript: Transcript, programs_s: Mapping[str, float], **base: Any) -> None:
        super().__init__(name, **base)
        self._transcript = transcript
        self._programmes = Programmes(name, programs_s)
        self._measuring: tuple[str, ActionStatus] | None = None

    # -- verbs

    def measure(self, sample_id: str, slot: int, program: str) -> ActionStatus:
        """Measure the sample in a slot with a programme made beforehand; `result_path` is the file.

        Raises:
            LimitError: For a slot, name or programme that cannot be.
            BusyError: When a file of that sample exists already, or another sample is being measured.
            CommandDeniedError: When the gate refuses.
        """
        self._check_slot(slot)
        self._programmes.check("sample id", sample_id)
        duration_s = self._programmes.duration_s(program)
        if self._measuring is not None and self._is_measuring:
            raise BusyError(f"{self.name}: is measuring {self._measuring[0]}: wait for its end")
        old = self._result_of(sample_id)
        if old is not None:
            raise BusyError(f"{self.name}: {old} exists: measure under a new sample id")
        grant = self._authorize("measure", program, subject=sample_id)
        status = self._begin("measure", self._measure(sample_id, slot, program, duration_s, grant), grant)
        self._measuring = (sample_id, status)
        return status

    def remove(self, sample_id: str) -> ActionStatus:
        """Have the instrument forget a sample."""
        self._programmes.check("sample id", sample_id)
        grant = self._authorize("remove", subject=sample_id)
        return self._begin("remove", self._remove(sample_id, grant), grant)

    # -- what subclasses know

    def _check_slot(self, slot: int) -> None:
        """Raise `LimitError` for a slot that there is not."""
        raise NotImplementedError

    def _result_of(self, sample_id: str) -> Path | None:
        """The file of a sample, where there is one."""
        raise NotImplementedError

    def _measure(self, sample_id: str, slot: int, program: str, duration_s: float, grant: Granted) -> Job:
        """Measure once, wait for the file, and `_take` it."""
        raise NotImplementedError

    def _remove(self, sample_id: str, grant: Granted) -> Job:
        raise NotImplementedError

    # -- for subclasses

    @property
    def _is_measuring(self) -> bool:
        return self._measuring is not None and not self._measuring[1].done

    def _take(self, sample_id: str, path: Path, content: bytes) -> None:
        """Take a whole file for the result of a sample, unless it says otherwise."""
        found = scan_files.sample_of(path.name, content)
        if found not in (None, sample_id):
            raise ActionFailedError(
                f"{self.name}: {path} says that it is of {found}, not of {sample_id}: which sample was measured?"
            )
        self._transcript.file(self.name, path.name, content)
        self._publish(result_path=str(path), result_sample=sample_id)
        self.bus.poll_now(self.name)
