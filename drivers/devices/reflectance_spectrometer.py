"""A diffuse-reflectance spectrometer over TCP, which speaks the plain text of docs/wires.md."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from ophyd import Component

from drivers.bus import Job, Waits
from drivers.codecs import reflectance_spectrometer as wire
from drivers.codecs.reflectance_spectrometer import Lamp, State
from drivers.errors import ActionFailedError, about
from drivers.gate import Granted
from drivers.instrument import Leave
from drivers.kinds import Kind
from drivers.pace import STEADY_S
from drivers.parts.curves import Curve
from drivers.parts.spectrometer_line import TRIES, WATCH_S, Shot, SpectrometerLine
from drivers.signals import Reading
from drivers.spec import DriverSpec, Option, Parts
from drivers.status import ActionStatus

log = logging.getLogger(__name__)

TELLING = 16
"""So many points do not come twice alike by chance."""
WARM_S = 1800.0
"""Lab seconds that the lamp may take to be warm, where the lab file does not say."""


class ReflectanceSpectrometer(SpectrometerLine):
    """Measures the reflectance of powder in a holder against references that it took before."""

    VERBS: ClassVar[Mapping[str, str]] = {
        "lamp-on": "lamp_on",
        "lamp-off": "lamp_off",
        "reference-dark": "reference_dark",
        "reference-white": "reference_white",
        "measure": "measure",
        "stop": "halt",
    }
    MEASURED = ("state", "lamp", "dark_ms", "white_ms")

    wavelengths_nm = Component(Curve, units="nm", precision=2, dim="wavelength", kind="normal")
    """Of the spectrum measured last."""
    reflectance = Component(Curve, precision=5, dim="wavelength", kind="normal")
    """Of the same, 1 for all of the light."""
    sample_id = Component(Reading, value="", kind="normal")
    """Whose spectrum that is; empty where none was measured."""
    acquisition = Component(Reading, value=math.nan, precision=0, kind="normal")
    """Its number in the instrument's count."""

    def __init__(self, name: str, *, warm_s: float = WARM_S, **base: Any) -> None:
        super().__init__(name, **base)
        self._warm_s = warm_s
        self._before: tuple[float, ...] = ()
        """The spectrum that was fetched last."""

    # -- verbs

    def lamp_on(self) -> ActionStatus:
        """Light the lamp, and wait until it is warm."""
        return self._do("lamp-on", lambda leave: self._switch_lamp(wire.LAMP_ON, Lamp.ON, leave))

    def lamp_off(self) -> ActionStatus:
        """Put the lamp out; references are worth nothing then."""
        return self._do("lamp-off", lambda leave: self._switch_lamp(wire.LAMP_OFF, Lamp.OFF, leave))

    def reference_dark(self, integration_ms: float, averages: int) -> ActionStatus:
        """Record what the detector sees without light; measurements of the same integration time need it.

        Raises:
            LimitError: When the instrument does not integrate so.
        """
        shot = self._shot(integration_ms, averages)
        return self._do("reference-dark", lambda leave: self._refer(wire.REFERENCE_DARK, shot, leave))

    def reference_white(self, integration_ms: float, averages: int) -> ActionStatus:
        """Record what the instrument's own white tile reflects; as `reference_dark`, with the lamp warm."""
        shot = self._shot(integration_ms, averages)
        return self._do("reference-white", lambda leave: self._refer(wire.REFERENCE_WHITE, shot, leave))

    def measure(
        self, sample_id: str, from_nm: float, to_nm: float, integration_ms: float, averages: int
    ) -> ActionStatus:
        """Measure what lies in the holder, once; never repeated by itself. The spectrum is in the signals then.

        Raises:
            LimitError: When the instrument has no such wavelengths or does not integrate so.
            CommandDeniedError: When the gate refuses.
        """
        shot = self._shot(
            integration_ms,
            averages,
            (wire.SAMPLE, lambda: wire.encode_sample(sample_id)),
            (wire.RANGE, lambda: wire.encode_range(from_nm, to_nm, self._limits)),
        )
        return self._do("measure", lambda leave: self._measure(sample_id, shot, leave), subject=sample_id)

    def _shot(self, integration_ms: float, averages: int, *more: tuple[str, Callable[[], str]]) -> Shot:
        encode: tuple[tuple[str, Callable[[], str]], ...] = (
            (wire.INTEGRATION, lambda: wire.encode_integration(integration_ms, self._limits)),
            (wire.AVERAGES, lambda: wire.encode_averages(averages, self._limits)),
            *more,
        )
        with about(self.name):
            settings = tuple((command, value()) for command, value in encode)
        return Shot(settings, integration_ms, averages)

    # -- jobs

    def _switch_lamp(self, command: str, goal: Lamp, leave: Leave) -> Job:
        """Switch the lamp, and wait until it is as it was told; it may be told as often as need be."""
        grant, heed_stops = leave
        by_s = self.clock.now() + self._warm_s
        heed_stops()
        yield from self._patiently(lambda: self.link.send(command, grant))
        while (seen := (yield from self._patiently(self._ask_lamp))) is not goal:
            if self.clock.now() >= by_s:
                raise ActionFailedError(
                    f"{self.name}: the lamp is {seen.lower()} {self._warm_s:g} s after {command} "
                    f"({self._errors()}): look at the lamp"
                )
            heed_stops()
            if seen is not Lamp.WARMING:
                yield from self._patiently(lambda: self.link.send(command, grant))
            yield self.clock.now() + WATCH_S

    def _refer(self, command: str, shot: Shot, leave: Leave) -> Job:
        yield from self._acquire(command, shot, leave)
        references = yield from self._patiently(self._ask_references)
        taken_ms = references.dark_ms if command == wire.REFERENCE_DARK else references.white_ms
        if taken_ms != shot.integration_ms:
            raise ActionFailedError(f"{self.name}: {command} ended, and there is no such reference ({self._errors()})")
        self._publish(changed="")

    def _measure(self, sample_id: str, shot: Shot, leave: Leave) -> Job:
        # No spectrum of another sample may be taken for this one.
        self._show("", math.nan, (), ())
        number = yield from self._acquire(wire.MEASURE, shot, leave)
        spectrum = yield from self._patiently(self._fetch)
        if (spectrum.sample, spectrum.acquisition) != (sample_id, number):
            raise ActionFailedError(
                f"{self.name}: gave spectrum {spectrum.acquisition} of {spectrum.sample!r} where {number} of "
                f"{sample_id!r} was measured: does anybody else use it?"
            )
        if self._is_repeated(spectrum.reflectance):
            raise ActionFailedError(
                f"{self.name}: spectrum {number} is to the last digit what was there before, and no light is that "
                "steady: is its detector stuck?"
            )
        self._show(sample_id, float(number), spectrum.wavelengths_nm, spectrum.reflectance)
        self.bus.poll_now(self.name)

    def _is_repeated(self, reflectance: tuple[float, ...]) -> bool:
        """Whether a spectrum has no noise, compared with the one before or point by point: light always has some."""
        before, self._before = self._before, reflectance
        return len(reflectance) >= TELLING and (reflectance == before or len(set(reflectance)) == 1)

    def _show(
        self, sample_id: str, acquisition: float, wavelengths_nm: Sequence[float], reflectance: Sequence[float]
    ) -> None:
        now_s = self.clock.now()
        self.wavelengths_nm.show(wavelengths_nm, now_s)
        self.reflectance.show(reflectance, now_s)
        self._publish(sample_id=sample_id, acquisition=acquisition)

    def _acquire(self, command: str, shot: Shot, leave: Leave) -> Waits[int]:
        """Set everything, begin an acquisition once, wait for its end; give its number."""
        grant, heed_stops = leave
        yield from self._patiently(lambda: self._check_idle(command))
        heed_stops()
        for setting, value in shot.settings:
            yield from self._set(setting, value, grant)
            heed_stops()
        yield from self._patiently(lambda: self._check_ready(command, shot))
        before = yield from self._patiently(self._ask_count)
        heed_stops()
        number = yield from self._start(command, before, grant)
        yield from self._await_end(command, number, shot)
        return number

    def _halt(self, grant: Granted) -> Job:
        """Abort what is being acquired, and see that it is; the lamp stays as it is."""
        for _ in range(TRIES):
            yield from self._patiently(lambda: self.link.send(wire.ABORT, grant))
            # Commands are not answered, so one that never arrived is known by what goes on.
            state = yield from self._patiently(self._ask_state)
            self._publish(state=state.lower())
            if state is not State.BUSY:
                # Whatever waits for an end learns of it at once.
                self.bus.hasten(self.name)
                return
        raise ActionFailedError(
            f"{self.name}: was told {TRIES} times to abort and goes on acquiring ({self._errors()}): stop it at the "
            "instrument"
        )

    # -- looking

    def _look(self) -> float:
        before = self._count
        count = self._ask_count()
        self._publish(state=self._ask_state().lower())
        self._ask_lamp()
        self._ask_references()
        if before is not None and count != before:
            how = "was switched off and on" if count < before else "was used by somebody else"
            said = f"it {how}: it had begun {before} acquisitions, and has {count}: take references again"
            log.warning("%s: %s", self.name, said)
            self._publish(changed=said)
        return self.clock.now() + STEADY_S


def _build(parts: Parts) -> ReflectanceSpectrometer:
    serial = parts.option("serial")
    return ReflectanceSpectrometer(
        **parts.base,
        link=parts.line(terminator=b"\n"),
        serial=None if serial is None else str(serial),
        warm_s=float(parts.option("warm_within", WARM_S)),
    )


DRIVER = DriverSpec(
    Kind.SPECTROMETER,
    ReflectanceSpectrometer,
    _build,
    options={
        "serial": Option("the serial number that it must have (the one that it has when it is first met)"),
        "warm_within": Option("until when the lamp must be warm (1800 s)", "s"),
    },
)
