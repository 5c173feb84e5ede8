"""The Aeris diffractometer: measures the samples in its slots, and leaves files in a folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ophyd import Component

from drivers.bus import Job, Waits
from drivers.codecs import aeris as wire
from drivers.errors import (
    ActionFailedError,
    BusyError,
    CodecError,
    LimitError,
    LinkError,
    RefusedError,
    WrongInstrumentError,
    about,
)
from drivers.gate import Granted
from drivers.kinds import Kind
from drivers.links import QueryLink
from drivers.pace import CLOSE_S, STEADY_S, next_poll_s
from drivers.parts.agreement import agreed
from drivers.parts.diffractometer import Diffractometer
from drivers.signals import Reading
from drivers.spec import DriverSpec, Option, Parts
from drivers.status import ActionStatus

log = logging.getLogger(__name__)

ALLOWANCE_S = 900.0
"""Lab seconds that a measurement may take beyond its programme: loading, homing, writing the file."""
START_S = 60.0
"""Lab seconds in which a measurement shows that it has begun, where its reply was lost."""
SLOTS = range(2, 7)
"""The belt's five places, as the instrument counts them."""


class Aeris(Diffractometer):
    """A diffractometer with a belt of five samples."""

    VERBS: ClassVar[Mapping[str, str]] = {**Diffractometer.VERBS, "move-sample": "move_sample"}
    ASKED_AS: ClassVar[Mapping[str, tuple[str, ...]]] = {"move-sample": ("move",)}
    MEASURED = ("ready", "system")

    ready = Component(Reading, value="unknown", kind="normal")
    """``yes`` or ``no``."""
    system = Component(Reading, value="unknown", kind="normal")
    """Who commands it: ``remote``, or what its panel was switched to, such as ``local``."""

    def __init__(self, name: str, *, link: QueryLink, results: Path, **base: Any) -> None:
        super().__init__(name, **base)
        self.link = link
        self.results = results

    # -- verbs

    def move_sample(self, from_slot: int, to_slot: int) -> ActionStatus:
        """Have the instrument's own arm move what lies in one slot to another, free one.

        Raises:
            LimitError: For a slot that the belt does not have.
        """
        for slot in (from_slot, to_slot):
            self._check_slot(slot)
        grant = self._authorize("move", f"{self.name}/{to_slot}", subject=f"{self.name}/{from_slot}")
        return self._begin("move-sample", self._move(from_slot, to_slot, grant), grant)

    # -- jobs

    def _measure(self, sample_id: str, slot: int, program: str, duration_s: float, grant: Granted) -> Job:
        yield from self._patiently(self._check_remote)
        yield from self._check_free(slot)
        try:
            self._tell(wire.add_sample(sample_id, slot, program), grant)
        except (LinkError, CodecError) as error:
            # A sample that it does not know is refused with the next message.
            log.warning("%s: adding %s was not answered: %s", self.name, sample_id, error)
        yield from self._start(sample_id, program, grant)
        due_s = self.clock.now() + duration_s
        content = yield from self._await_file(sample_id, due_s)
        self._take(sample_id, self._file(sample_id), content)

    def _check_free(self, slot: int) -> Job:
        yield from self._patiently(self._check_ready)
        if (yield from self._patiently(lambda: self._ask("STATE", wire.ask_location(slot)))) == "free":
            raise ActionFailedError(f"{self.name}: nothing lies in slot {slot}")

    def _start(self, sample_id: str, program: str, grant: Granted) -> Job:
        """Start the measurement, once; where its reply is lost the instrument is asked whether it has begun."""
        try:
            self._tell(wire.measure_sample(sample_id, program), grant)
            return
        except (LinkError, CodecError) as error:
            cause = error
        give_up_s = self.clock.now() + START_S
        while (yield from self._patiently(lambda: self._ask("READY", wire.ASK_READY))) == "yes":
            if self.clock.now() >= give_up_s:
                raise ActionFailedError(
                    f"{self.name}: the start of {sample_id} was not answered and it is ready {START_S:g} s later: "
                    "whether it was measured is unknown, look at the instrument"
                ) from cause
            yield self.clock.now() + CLOSE_S

    def _move(self, from_slot: int, to_slot: int, grant: Granted) -> Job:
        for slot, wanted in ((from_slot, "occupied"), (to_slot, "free")):
            state = yield from self._patiently(lambda slot=slot: self._ask("STATE", wire.ask_location(slot)))  # type: ignore[misc]
            if state != wanted:
                raise ActionFailedError(f"{self.name}: slot {slot} is {state}, and must be {wanted}")
        try:
            self._tell(wire.move_sample(from_slot, to_slot), grant)
        except (LinkError, CodecError) as error:
            yield self.clock.now() + CLOSE_S
            if (yield from self._patiently(lambda: self._ask("STATE", wire.ask_location(to_slot)))) != "occupied":
                raise ActionFailedError(
                    f"{self.name}: moving slot {from_slot} to {to_slot} was not answered, and it is not there: look at "
                    "the belt"
                ) from error

    def _await_file(self, sample_id: str, due_s: float) -> Waits[bytes]:
        path = self._file(sample_id)
        while True:
            yield next_poll_s(self.clock.now(), due_s)
            content = self._read(path)
            if content is not None and wire.is_complete(content):
                return content
            if self.clock.now() >= due_s + ALLOWANCE_S:
                state = "missing" if content is None else "cut"
                raise ActionFailedError(
                    f"{self.name}: {path} is {state} {ALLOWANCE_S:g} s after the programme was to end: "
                    "look at the instrument, then measure under a new sample id"
                )

    def _read(self, path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except OSError:
            # Not there yet, or its share is gone for a while: the deadline tells.
            return None

    def _remove(self, sample_id: str, grant: Granted) -> Job:
        self._tell(wire.remove_sample(sample_id), grant)
        yield from ()

    # -- the wire

    def _ask(self, key: str, message: str) -> str:
        """Ask twice: the wire has no checksum."""

        def once() -> str:
            return wire.value(key, self.link.query(message, accepts=lambda text: wire.answers(key, text)))

        return agreed(once, f"{self.name}: {key}")

    def _tell(self, message: str, grant: Granted) -> None:
        reply = self.link.act(message, grant, accepts=lambda text: not wire.is_unasked(text))
        with about(f"{self.name}: {message}"):
            wire.check(reply)

    def _check_remote(self) -> None:
        system = self._ask("SYSTEM", wire.ASK_SYSTEM)
        if system != "remote":
            raise BusyError(f"{self.name}: is under {system!r} control: switch it to remote at the instrument")

    def _check_ready(self) -> None:
        if self._ask("READY", wire.ASK_READY) != "yes":
            raise BusyError(f"{self.name}: is at another measurement: wait for its end, or look at the instrument")

    def _check_slot(self, slot: int) -> None:
        if slot not in SLOTS:
            raise LimitError(f"{self.name}: slot {slot} requested, the belt has 2 to 6")

    def _result_of(self, sample_id: str) -> Path | None:
        path = self._file(sample_id)
        return path if path.exists() else None

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
        self._publish(ready=self._ask("READY", wire.ASK_READY), system=self._ask("SYSTEM", wire.ASK_SYSTEM))
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
