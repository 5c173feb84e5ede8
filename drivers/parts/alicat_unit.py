"""One Alicat on a line: who it is, what its frames mean, and how it is asked and told."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from drivers.codecs import alicat as wire
from drivers.codecs.alicat import Firmware
from drivers.codecs.alicat_frame import Field, Frame, Layout, Quantity, parse_configured, parse_frame, parse_layout
from drivers.errors import CodecError, ImplausibleError, LinkError, RefusedError, WrongInstrumentError, about
from drivers.gate import Granted
from drivers.links import LineLink
from drivers.parts.alicat_reading import Identity, Seen, are_alike, check_possible, seen_of

QUIET_S = 0.2
"""Wall seconds without a line after which a reply of several lines is over; half of it shows whether a unit streams."""
LAST_MAKER_ROW = "M09"
TRIES = 3
"""How often two readings in a row may disagree."""
T = TypeVar("T")


class AlicatUnit:
    """Talks to one unit; every method is wire traffic and may raise `LinkError` and `CodecError`."""

    def __init__(
        self,
        name: str,
        link: LineLink,
        unit: str,
        *,
        layout: str | None = None,
        serial: str | None = None,
        quiet_s: float = QUIET_S,
    ) -> None:
        """Join a unit.

        Args:
            name: Who errors are about.
            link: Its line, which others may share.
            unit: Its letter.
            layout: The layout of its frame, for one that does not tell.
            serial: The serial number that it must have; whichever it has where that is missing.
            quiet_s: Wall seconds without a line after which nothing more is to come.
        """
        self.name, self.link, self.unit = name, link, unit
        self._told_layout, self._serial, self._quiet_s = layout, serial, quiet_s
        self.known: Identity | None = None

    # -- who it is

    def identify(self) -> Identity:
        """Find out who answers and how to read it; all of it is asked twice, for there is no checksum.

        Raises:
            WrongInstrumentError: It is another one than before, none that can be driven, or says too little.
        """
        self._end_streaming()
        model, serial, revision = self._twice(self._maker)
        self._check_serial(serial)
        firmware = self._firmware(revision)
        layout = self._layout()
        mass = layout.find(Quantity.MASS) or Field(Quantity.MASS)
        sccm_per_unit = self._sccm_per_unit(layout, firmware)
        full_scale = self._full_scale(mass, firmware) * sccm_per_unit
        self.known = Identity(model, serial, firmware, layout, sccm_per_unit, full_scale)
        self._serial = serial or self._serial
        return self.known

    def _twice(self, ask: Callable[[], T]) -> T:
        """Ask until two answers in a row are alike.

        Raises:
            ImplausibleError: They never are.
        """
        last = ask()
        for _ in range(TRIES):
            found = ask()
            if found == last:
                return found
            last = found
        raise ImplausibleError(
            f"{self.name}: what unit {self.unit} at {self.link.url} says about itself is never twice the same: is "
            "another program on the line?"
        )

    def _end_streaming(self) -> None:
        """Stop a unit that sends frames by itself and listens to nothing else."""
        if self.link.read_line(self._quiet_s / 2) is None:
            return
        try:
            self.link.query(f"{wire.STREAM_STOP} {self.unit}", accepts=lambda line: bool(wire.clean(line)))
        except LinkError:
            return  # it needs not answer that; whether it listens now shows in what it is asked next

    def _maker(self) -> tuple[str, str, str]:
        """Model, serial number and firmware, empty where a unit does not tell them."""
        try:
            lines = self._several("??M*", last=LAST_MAKER_ROW)
        except RefusedError:
            return "", "", ""
        return self._parsed("??M*", lambda: wire.parse_maker(lines))

    def _check_serial(self, serial: str) -> None:
        if self._serial is not None and serial != self._serial:
            raise WrongInstrumentError(
                f"{self.name}: unit {self.unit} at {self.link.url} has serial number {serial or 'unknown'}, not "
                f"{self._serial}: was it exchanged? Say serial in the lab file, or restart the laboratory"
            )

    def _firmware(self, revision: str) -> Firmware:
        try:
            return wire.parse_firmware(revision or self._twice(lambda: self.ask("VE")))
        except (CodecError, RefusedError) as error:
            raise WrongInstrumentError(
                f"{self.name}: unit {self.unit} at {self.link.url} has no firmware that this driver knows ({error})"
            ) from error

    def _layout(self) -> Layout:
        try:
            if self._told_layout is not None:
                return parse_configured(self._told_layout)
            return parse_layout(self._twice(lambda: self._several("??D*")))
        except (CodecError, RefusedError) as error:
            raise WrongInstrumentError(
                f"{self.name}: unit {self.unit} at {self.link.url} does not tell what is in its frames ({error}): say "
                "layout in the lab file, if it is a mass flow controller"
            ) from error

    def _sccm_per_unit(self, layout: Layout, firmware: Firmware) -> float:
        found = {field.quantity: field.units for field in layout.fields}
        units = {found.get(Quantity.MASS, ""), found.get(Quantity.SETPOINT, "")}
        if firmware.tells_units:
            line = self._twice(lambda: self.ask(f"DCU {wire.MASS_FLOW}"))
            units.add(self._parsed("DCU", lambda: wire.parse_units(line, self.unit)))
        if len(units) != 1 or not units <= wire.SCCM_PER.keys():
            raise WrongInstrumentError(
                f"{self.name}: unit {self.unit} at {self.link.url} has mass flow and setpoint in "
                f"{', '.join(sorted(units)) or 'no unit'}: set both to one of {', '.join(wire.SCCM_PER)}"
            )
        return wire.SCCM_PER[units.pop()]

    def _full_scale(self, mass: Field, firmware: Firmware) -> float:
        if not firmware.tells_full_scale:
            return mass.high
        try:
            line = self._twice(lambda: self.ask(f"FPF {wire.MASS_FLOW}"))
        except RefusedError:
            return mass.high
        value, units = self._parsed("FPF", lambda: wire.parse_full_scale(line, self.unit))
        if units != mass.units:
            raise WrongInstrumentError(
                f"{self.name}: unit {self.unit} at {self.link.url} has its full scale in {units} and flows in "
                f"{mass.units}: was it set to other units just now?"
            )
        return value

    # -- looking

    def look(self) -> Seen:
        """Read a frame that came alike twice, for there is no checksum.

        Raises:
            ImplausibleError: No two readings in a row agree, or they cannot be true.
        """
        last = self.frame()
        for _ in range(TRIES):
            frame = self.frame()
            if are_alike(last, frame, self._identity()):
                seen = seen_of(frame, self._identity())
                check_possible(self.name, seen, self._identity())
                return seen
            last = frame
        raise ImplausibleError(
            f"{self.name}: {TRIES + 1} readings in a row, and no two are alike: is another program on the line?"
        )

    def frame(self) -> Frame:
        """Read one frame."""
        known = self._identity()
        return self._frame(self.ask(""), known)

    def source(self) -> str:
        """Ask where the setpoint is taken from; empty for firmware that does not tell."""
        if not self._identity().firmware.has_setpoint_command:
            return ""
        line = self._twice(lambda: self.ask("LSS"))
        return self._parsed("LSS", lambda: wire.parse_source(line, self.unit))

    def gas_code(self, gas: str) -> int | None:
        """Ask for the code of a gas; None where the unit does not have it."""
        try:
            rows = self._twice(lambda: self._several("??G*"))
        except RefusedError:
            return wire.GASES.get(gas)
        return self._parsed("??G*", lambda: dict(wire.parse_gas_row(row, self.unit) for row in rows)).get(gas)

    # -- telling

    def set_setpoint(self, sccm: float, grant: Granted) -> None:
        """Tell the setpoint once; whether it is in force shows in a frame.

        Raises:
            RefusedError: The controller refused.
            CodecError: What it answered is no acknowledgement of this.
        """
        known = self._identity()
        text = self.spoken(sccm)
        if not known.firmware.has_setpoint_command:
            self._frame(self.tell(f"S {text}", grant), known)
            return
        line = self.tell(f"LS {text}", grant)
        reply = self._parsed("LS", lambda: wire.parse_setpoint(line, self.unit))
        if reply.requested != float(text):
            raise CodecError(f"{self.name}: the setpoint {text} was acknowledged as {reply.requested:g}")

    def set_gas(self, code: int, grant: Granted) -> None:
        """Tell the gas once; raises as `set_setpoint`."""
        known = self._identity()
        if not known.firmware.has_gas_command:
            self._frame(self.tell(f"G {code}", grant), known)
            return
        line = self.tell(f"GS {code}", grant)
        found, name = self._parsed("GS", lambda: wire.parse_gas(line, self.unit))
        if found != code:
            raise CodecError(f"{self.name}: gas {code} was acknowledged as {found} ({name})")

    def tare(self, grant: Granted) -> None:
        """Have it take the present flow for none, once."""
        self._frame(self.tell("T", grant), self._identity())

    def close_valve(self, grant: Granted) -> None:
        """Hold the valve closed, whatever the setpoint says; raises `RefusedError` for firmware that cannot."""
        known = self._identity()
        if not known.firmware.has_setpoint_command:
            raise RefusedError(f"{self.name}: firmware {known.firmware.text} cannot hold its valve closed")
        self._frame(self.tell("HC", grant), known)

    def is_at(self, seen: Seen, sccm: float) -> bool:
        """Whether a setpoint is in force, to the controller's digits."""
        return self.spoken(seen.setpoint_sccm) == self.spoken(sccm)

    def as_held(self, sccm: float) -> float:
        """A setpoint as the controller's digits make it."""
        return float(self.spoken(sccm)) * self._identity().sccm_per_unit

    def spoken(self, sccm: float) -> str:
        """A setpoint as it is written, in the instrument's units and decimals."""
        known = self._identity()
        decimals = known.setpoint.decimals
        return f"{sccm / known.sccm_per_unit:.{2 if decimals is None else decimals}f}"

    # -- the line

    def ask(self, what: str) -> str:
        """Ask something that changes nothing; `what` is written after the unit's letter.

        Raises:
            RefusedError: The controller refused.
        """
        return self._heeded(what, self.link.query(f"{self.unit}{what}", accepts=self._is_mine))

    def tell(self, what: str, grant: Granted) -> str:
        """Tell something, once; raises as `ask`, and `LinkError` where its outcome is unknown."""
        return self._heeded(what, self.link.act(f"{self.unit}{what}", grant, accepts=self._is_mine))

    def _several(self, what: str, last: str = "") -> list[str]:
        """Ask for what is answered in several lines, the last of which contains `last` where that is known."""
        lines = [self.ask(what)]
        while not last or last not in lines[-1]:
            line = self.link.read_line(self._quiet_s, accepts=self._is_mine)
            if line is None:
                break
            lines.append(wire.clean(line))
        return lines

    def _heeded(self, what: str, line: str) -> str:
        with about(f"{self.name}: {self.unit}{what}"):
            return wire.check_refusal(line)

    def _is_mine(self, line: str) -> bool:
        return wire.is_about(self.unit, line)

    def _frame(self, line: str, known: Identity) -> Frame:
        return self._parsed("frame", lambda: parse_frame(line, self.unit, known.layout))

    def _parsed(self, what: str, parse: Callable[[], T]) -> T:
        with about(f"{self.name}: {self.unit}{what}"):
            return parse()

    def _identity(self) -> Identity:
        return self.known or self.identify()
