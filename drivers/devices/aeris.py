"""The Aeris diffractometer: measures the samples in its slots, and leaves files in a folder."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import ClassVar

from ophyd import Component

from drivers.bus import Bus, Job
from drivers.clock import Clock
from drivers.codecs import aeris as wire
from drivers.errors import ActionFailedError, BusyError, LimitError, RefusedError, WrongInstrumentError
from drivers.gate import Gate, Granted
from drivers.instrument import Instrument
from drivers.kinds import Kind
from drivers.links import QueryLink
from drivers.pace import STEADY_S, next_poll_s
from drivers.signals import Reading
from drivers.spec import DriverSpec, Option, Parts
from drivers.status import ActionStatus
from drivers.transcript import Transcript

ALLOWANCE_S = 900.0
"""Lab seconds that a measurement may take beyond its programme: loading, homing, writing the file."""
SLOTS = range(2, 7)
"""The belt's five places, as the instrument counts them."""


class Aeris(Instrument):
    """A diffractometer with a belt of five samples."""

    VERBS: ClassVar[Mapping[str, str]] = {"measure": "measure", "remove": "remove"}
    MEASURED = ("ready",)

    ready = Component(Reading, value="unknown", kind="normal")
    """``yes`` or ``no``."""
    result_path = Component(Reading, value="", kind="normal")
    """The file of the last measurement."""
    result_sample = Component(Reading, value="", kind="normal")
    """Whose file that is."""

    def __init__(
        self,
        name: str,
        *,
        gate: Gate,
        clock: Clock,
        bus: Bus,
        link: QueryLink,
        transcript: Transcript,
        results: Path,
        programs_s: Mapping[str, float],
    ) -> None:
        super().__init__(name, gate=gate, clock=clock, bus=bus)
        self.link = link
        self.results = results
        self._transcript = transcript
        self._programs_s = dict(programs_s)
        self._measuring: tuple[str, ActionStatus] | None = None

    # -- verbs

    def measure(self, sample_id: str, slot: int, program: str) -> ActionStatus:
        """Measure the sample in a slot (2 to 6) with a programme made beforehand; `result_path` is the file.

        Raises:
            LimitError: For a slot, name or programme that cannot be.
            BusyError: When a file of that sample exists already, or another sample is being measured.
            CommandDeniedError: When the gate refuses.
        """
        if slot not in SLOTS:
            raise LimitError(f"{self.name}: slot {slot} requested, the belt has 2 to 6")
        self._check_name("sample id", sample_id)
        duration_s = self._duration_s(program)
        if self._measuring is not None and not self._measuring[1].done:
            raise BusyError(f"{self.name}: is measuring {self._measuring[0]}: wait for its end")
        if self._file(sample_id).exists():
            raise BusyError(f"{self.name}: {self._file(sample_id)} exists: measure under a new sample id")
        grant = self._authorize("measure", program, subject=sample_id)
        status = self._begin("measure", self._measure(sample_id, slot, program, duration_s, grant), grant)
        self._measuring = (sample_id, status)
        return status

    def remove(self, sample_id: str) -> ActionStatus:
        """Have the instrument forget a sample."""
        self._check_name("sample id", sample_id)
        grant = self._authorize("remove", subject=sample_id)
        return self._begin("remove", self._remove(sample_id, grant), grant)

    # -- jobs

    def _measure(self, sample_id: str, slot: int, program: str, duration_s: float, grant: Granted) -> Job:
        yield from self._patiently(self._check_remote)
        self._tell(wire.add_sample(sample_id, slot, program), grant)
        self._tell(wire.measure_sample(sample_id, program), grant)
        due_s = self.clock.now() + duration_s
        content = yield from self._await_file(sample_id, due_s)
        self._transcript.file(self.name, self._file(sample_id).name, content)
        self._publish(result_path=str(self._file(sample_id)), result_sample=sample_id)
        self.bus.poll_now(self.name)

    def _await_file(self, sample_id: str, due_s: float) -> Generator[float | None, None, bytes]:
        path = self._file(sample_id)
        while True:
            yield next_poll_s(self.clock.now(), due_s)
            if path.exists() and wire.is_complete(content := path.read_bytes()):
                return content
            if self.clock.now() >= due_s + ALLOWANCE_S:
                state = "cut" if path.exists() else "missing"
                raise ActionFailedError(
                    f"{self.name}: {path} is {state} {ALLOWANCE_S:g} s after the programme was to end: "
                    "look at the instrument, then measure under a new sample id"
                )

    def _remove(self, sample_id: str, grant: Granted) -> Job:
        self._tell(wire.remove_sample(sample_id), grant)
        yield from ()

    # -- the wire

    def _ask(self, key: str, message: str) -> str:
        reply = self.link.query(message, accepts=lambda text: not wire.is_unasked(text))
        return wire.value(key, reply)

    def _tell(self, message: str, grant: Granted) -> None:
        reply = self.link.act(message, grant, accepts=lambda text: not wire.is_unasked(text))
        try:
            wire.check(reply)
        except RefusedError as error:
            raise RefusedError(f"{self.name}: {message}: {error}") from error

    def _check_remote(self) -> None:
        system = self._ask("SYSTEM", wire.ASK_SYSTEM)
        if system != "remote":
            raise BusyError(f"{self.name}: is under {system!r} control: switch it to remote at the instrument")

    def _check_name(self, what: str, text: str) -> None:
        try:
            wire.check_name(what, text)
        except LimitError as error:
            raise LimitError(f"{self.name}: {error}") from error

    def _duration_s(self, program: str) -> float:
        self._check_name("programme", program)
        duration_s = self._programs_s.get(program, wire.program_s(program) or math.nan)
        if not duration_s > 0:
            known = ", ".join(sorted(self._programs_s)) or "none"
            raise LimitError(
                f"{self.name}: how long programme {program!r} takes is not known: add it under programs "
                f"in the lab file (there: {known}), or name it like 10-80deg-8min"
            )
        return duration_s

    def _file(self, sample_id: str) -> Path:
        return self.results / f"{sample_id}.xrdml"

    # -- looking

    def _check_identity(self) -> str:
        if not self.results.is_dir():
            raise WrongInstrumentError(
                f"{self.name}: its results folder {self.results} does not exist: is the share mounted, "
                "and the results address right in the lab file?"
            )
        try:
            return f"Aeris, {self._ask('SYSTEM', wire.ASK_SYSTEM)}"
        except RefusedError as error:
            raise WrongInstrumentError(f"{self.name}: {self.link.address} is no diffractometer: {error}") from error

    def _look(self) -> float:
        self._publish(ready=self._ask("READY", wire.ASK_READY))
        return self.clock.now() + STEADY_S


def _build(parts: Parts) -> Aeris:
    return Aeris(
        **parts.base,
        link=parts.query(timeout_s=5.0),
        transcript=parts.transcript,
        results=parts.folder("results"),
        programs_s=parts.option("programs", {}),
    )


DRIVER = DriverSpec(
    Kind.DIFFRACTOMETER,
    Aeris,
    _build,
    options={
        "results": Option("dir:PATH, the folder that result files appear in", required=True),
        "programs": Option("programme name -> its seconds, for names that do not end in -8min or the like"),
    },
)
