"""The dashboard server of a Universal Robot, without ophyd: what it is asked and told, and who it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from drivers.codecs import ur_dashboard as wire
from drivers.codecs.ur_dashboard import ProgramState, RobotMode, Safety, Series
from drivers.errors import CodecError, LinkError, RefusedError, WrongInstrumentError, about
from drivers.gate import Granted
from drivers.links import LineLink
from drivers.parts.agreement import agreed

T = TypeVar("T")


@dataclass(frozen=True)
class Seen:
    """What the dashboard says at one look."""

    mode: RobotMode
    safety: Safety
    remote: bool
    running: ProgramState

    @property
    def hindrance(self) -> str:
        """What keeps the arm from moving; empty where nothing does."""
        if self.safety not in wire.MOVES:
            return f"its safety status is {self.safety}, which a person must look at and clear at the pendant"
        if not self.remote:
            return "it is under local control: switch it to remote at the pendant"
        if self.mode is not RobotMode.RUNNING:
            return f"its mode is {self.mode}: it needs power-on and brake-release"
        return ""


class Dashboard:
    """The server of one robot."""

    def __init__(
        self, device: str, link: LineLink, series: Series, *, serial: str | None = None, model: str | None = None
    ) -> None:
        """Make it; nothing is asked yet.

        Args:
            device: Who errors are about.
            link: The wire.
            series: How the robot speaks.
            serial: The serial number that it must have; the first one to answer keeps its own.
            model: Its model, likewise.
        """
        self.link = link
        self._device, self._series = device, series
        self._serial, self._model = serial, model

    def look(self) -> Seen:
        """Ask for everything that changes.

        Raises:
            LinkError: When nobody answers.
            CodecError: When an answer means nothing.
        """
        series = self._series
        return Seen(
            self._ask(wire.ASK_MODE, wire.parse_mode),
            self._ask(series.ask_safety, lambda line: wire.parse_safety(series, line)),
            self._ask(wire.ASK_REMOTE, wire.parse_remote) if series is Series.E else True,
            self.running(),
        )

    def running(self) -> ProgramState:
        """Ask for the program and what it does; raises as `look`."""
        return self._ask_twice(wire.ASK_STATE, wire.parse_state)

    def loaded(self) -> str:
        """Ask which program is loaded, empty where none is; raises as `look`."""
        return self._ask_twice(wire.ASK_LOADED, wire.parse_loaded)

    def tell(self, command: str, grant: Granted) -> None:
        """Command something, once.

        Raises:
            RefusedError: When the robot refuses.
            LinkError: When no reply came; whether it was done is unknown then.
            CodecError: When something else was replied; likewise.
        """
        line = self.link.act(command, grant, accepts=lambda heard: wire.answers(command, heard))
        with about(f"{self._device}: {command}"):
            wire.check(command, line)

    def is_told(self, command: str, grant: Granted) -> bool:
        """Command something, once, and give whether that was confirmed; only a refusal is raised."""
        try:
            self.tell(command, grant)
        except (LinkError, CodecError):
            return False
        return True

    def identify(self) -> str:
        """Find out who answers.

        Raises:
            WrongInstrumentError: When it is no robot, or another one than before.
        """
        try:
            version = self._ask(wire.ASK_VERSION, lambda line: wire.check(wire.ASK_VERSION, line))
        except (RefusedError, CodecError) as error:
            raise WrongInstrumentError(
                f"{self._device}: {self.link.url} is no Universal Robot ({error}): is the address right in the lab "
                "file?"
            ) from error
        self._serial = self._same("serial number", self._serial, self._name(wire.ASK_SERIAL))
        self._model = self._same("model", self._model, self._name(wire.ASK_MODEL))
        return " ".join(part for part in (self._model, self._serial, version) if part)

    def _same(self, what: str, before: str | None, now: str) -> str:
        if before not in (None, now):
            raise WrongInstrumentError(
                f"{self._device}: the robot at {self.link.url} has the {what} {now or 'of nobody'}, not {before}: "
                "is this the address of another one?"
            )
        return now

    def _name(self, command: str) -> str:
        """Ask for a name; empty where the version is too old to know of it (before 5.6 and 3.12)."""
        try:
            return self._ask_twice(command, lambda line: wire.check(command, line))
        except RefusedError:
            return ""

    def _ask(self, command: str, parse: Callable[[str], T]) -> T:
        line = self.link.query(command, accepts=lambda heard: wire.answers(command, heard))
        with about(f"{self._device}: {command}"):
            return parse(line)

    def _ask_twice(self, command: str, parse: Callable[[str], T]) -> T:
        """Ask for a name: one that was changed on its way must not be taken for another."""
        return agreed(lambda: self._ask(command, parse), f"{self._device}: {command}")
