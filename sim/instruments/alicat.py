"""An Alicat mass flow controller, three firmwares of it: lines that end with CR both ways, several units on a line.

    A                       the data frame            A??M* A??D* A??G*      maker, layout, gases
    AS 75.0 | AG 8          setpoint, gas: the frame  AVE                    firmware
    ALS [75.0] | ALSS [S]   setpoint, its source      AGS [8] | ADCU 5 | AFPF 5         before 10v the frame, or ?
    AT | A$$V               tare: the frame           AHP AHC AC | A$$H A$$C      hold, hold closed, cancel: the frame
    AR122 | AW122=37 | A$$R46 | A$$W46=8              A@ @ | @@ A            stream, and end it

A unit answers its own letter only. What it does not know, or will not do, is answered with ``?``. While it streams it
sends frames by itself, under ``@``, and listens to nothing but the command that ends that.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable

from drivers.clock import Timer
from sim.addresses import Carrier, Language, Spot
from sim.errors import BadOptionError
from sim.model import Model
from sim.parts.alicat_tables import FIRMWARES, GASES, LONG_NAMES, Firmware, gas_list, layout, maker
from sim.plant import Plant
from sim.plant.gas import GasLine
from sim.site import Site
from sim.spec import Instrument
from sim.wire.receiver import Send

END = b"\r"
LONGEST = 256
"""Bytes without an end of line after which the line is taken for noise and dropped."""
STREAM_S = 0.05
"""Lab seconds between frames that are sent unasked."""
PSIA_PER_KPA = 1.0 / 6.894757
REFUSED = "?"
MASS_FLOW_LOOP, LOOPS = 37, frozenset({34, 36, 37, 38, 39})
GAS_BITS = 0x1FF
GAS_REGISTER_REST = 0x0400
"""Bits of register 46 that are not the gas."""
RANGE = 1.28
"""A flow above this part of full scale is over range."""


class Alicat:
    """One controller."""

    def __init__(self, name: str, plant: Plant, unit: str, firmware: Firmware, full_scale_sccm: int) -> None:
        self.name, self.unit = name, unit
        self.line = GasLine(name, plant.now(), plant.seed, float(full_scale_sccm))
        """The gas; for checkers, and for whoever is fed by it."""
        self.source = "S"
        """Where it takes its setpoint from: S serial, A analog, U user; for checkers to set, as what follows."""
        self.locked = False
        """Whether the keys are locked."""
        self.sensor_broken = False
        """An internal error of its converter."""
        self.ignore_setpoint = False
        """Setpoints are acknowledged and dropped."""
        self.other_device = False
        """Whether another one of the kind answers: with another serial number."""
        self.decimals = 1 if firmware.old_layout else 2
        """How many decimals flows have."""
        self._plant = plant
        self._firmware = firmware
        self._gas = 8
        self._loop = MASS_FLOW_LOOP
        self._send: Send | None = None
        self._stream: Timer | None = None
        self._stuck: str | None = None

    # -- for checkers

    @property
    def stuck(self) -> bool:
        """Whether every frame is what it was when this was set."""
        return self._stuck is not None

    @stuck.setter
    def stuck(self, stuck: bool) -> None:
        self._stuck = None
        self._stuck = self._frame(self.unit) if stuck else None

    @property
    def gas(self) -> str:
        """The gas that it is set to."""
        return GASES[self._gas]

    def power_cycle(self) -> None:
        """Go off and on: it comes back without setpoint and hold, with its gas."""
        self.end_stream()
        self.line.release(self._plant.now())
        self.line.set_target(0.0, self._plant.now())

    def panel_setpoint(self, sccm: float) -> None:
        """Have somebody set a setpoint at the panel."""
        self.line.set_target(sccm, self._plant.now())

    def panel_gas(self, gas: str) -> None:
        """Have somebody set the gas at the panel."""
        self._gas = next(code for code, name in GASES.items() if name == gas)

    def panel_hold(self) -> None:
        """Have somebody hold the valve at the panel."""
        self.line.hold(self._plant.now())

    def unsolicited(self) -> bytes:
        """Give what it says unasked while it streams."""
        return self._frame("@").encode() + END

    def begin_stream(self) -> None:
        """Have it send frames by itself."""
        if self._stream is None:
            self._stream = self._plant.at(self._plant.now() + STREAM_S, f"{self.name} stream", self._say)

    def end_stream(self) -> None:
        """Have it listen again."""
        if self._stream is not None:
            self._stream.cancel()
            self._stream = None

    def _say(self) -> None:
        self._stream = None
        if self._send is not None:
            self._send(self.unsolicited())
        self.begin_stream()

    # -- the line

    def receiver(self, send: Send) -> Receiver:
        """Give what listens on one connection."""
        self._send = send
        return Receiver(send, self)

    def answer(self, line: str) -> list[str]:
        """Answer one line; nothing where it is for somebody else."""
        if self._stream is not None:
            if line.replace(" ", "") != f"@@{self.unit}":
                return []
            self.end_stream()
            return [self._frame(self.unit)]
        if not line.startswith(self.unit):
            return []
        return self._command(line[1:].strip())

    def _command(self, text: str) -> list[str]:
        match text:
            case "":
                return [self._frame(self.unit)]
            case "VE":
                return [f"{self.unit}   {self._firmware.text} {self._firmware.date}"]
            case "??M*":
                return maker(self._firmware, self.unit, self.model, self.serial)
            case "??D*":
                return layout(self._firmware, self.unit, self.decimals, self.line.full_scale_sccm)
            case "??G*":
                return gas_list(self.unit)
            case "@ @" | "@@":
                self.begin_stream()
                return []
        match = _COMMAND.fullmatch(text)
        if match is None:
            return [REFUSED]
        return [self._do(match["verb"], match["value"])]

    def _do(self, verb: str, value: str | None) -> str:
        young: dict[str, Callable[[str | None], str]] = {
            "LS": self._told_setpoint,
            "LSS": self._told_source,
            "LV": lambda _: f"{self.unit} {self._loop}",
            "GS": self._told_gas,
            "HP": lambda _: self._valve(hold=True),
            "HC": lambda _: self._valve(hold=True, closed=True),
            "C": lambda _: self._valve(hold=False),
            "DCU": lambda value: f"{self.unit} 12 SCCM" if value == "5" else REFUSED,
        }
        always: dict[str, Callable[[str | None], str]] = {
            "S": lambda value: self._framed(self._set_setpoint(value)),
            "G": lambda value: self._framed(self._set_gas(value)),
            "T": lambda _: self._tare(),
            "$$V": lambda _: self._tare(),
            "TP": lambda _: self._frame(self.unit),
            "PC": lambda _: self._frame(self.unit),
            "$$PC": lambda _: self._frame(self.unit),
            "$$H": lambda _: self._valve(hold=True),
            "$$C": lambda _: self._valve(hold=False),
            "$$L": lambda _: self._lock(True),
            "$$U": lambda _: self._lock(False),
            "$$R46": lambda _: self._register(46, self._gas | GAS_REGISTER_REST),
            "$$W46=": self._told_register_46,
            "R122": lambda _: self._register(122, self._loop),
            "W122=": self._told_loop,
            "FPF": self._told_full_scale,
        }
        if verb in young:
            return young[verb](value) if self._firmware.modern else self._before(verb)
        return always[verb](value)

    def _before(self, verb: str) -> str:
        """What firmware says to a command that is younger."""
        return REFUSED if verb in ("DCU", "HP", "HC", "C") else self._frame(self.unit)

    # -- what is told

    def _set_setpoint(self, value: str | None) -> bool:
        """Take a setpoint; whether it was one."""
        sccm = _number(value)
        if sccm is None or not 0.0 <= sccm <= self.line.full_scale_sccm:
            return False
        if self.source == "S" and not self.ignore_setpoint:
            self.line.set_target(sccm, self._plant.now())
            self._plant.note(f"{self.name} setpoint {sccm:g} sccm")
        return True

    def _told_setpoint(self, value: str | None) -> str:
        before = self.line.target_sccm
        if value is not None and not self._set_setpoint(value):
            return REFUSED
        requested = float(value) if value is not None and self.ignore_setpoint else self.line.target_sccm
        return f"{self.unit} {self._flow(before)} {self._flow(requested)} 12 SCCM"

    def _told_source(self, value: str | None) -> str:
        if value is not None and value not in "SAU":
            return REFUSED
        self.source = value or self.source
        return f"{self.unit} {self.source}"

    def _set_gas(self, value: str | None) -> bool:
        code = _number(value)
        if code is None or code not in GASES:
            return False
        self._gas = int(code)
        self._plant.note(f"{self.name} gas {self.gas}")
        return True

    def _told_gas(self, value: str | None) -> str:
        if value is not None and not self._set_gas(value):
            return REFUSED
        return f"{self.unit} {self._gas} {self.gas} {LONG_NAMES.get(self.gas, self.gas)}"

    def _told_register_46(self, value: str | None) -> str:
        number = _number(value)
        if number is None or not self._set_gas(str(int(number) & GAS_BITS)):
            return REFUSED
        return self._register(46, self._gas | GAS_REGISTER_REST)

    def _told_loop(self, value: str | None) -> str:
        number = _number(value)
        if number not in LOOPS:
            return REFUSED
        self._loop = int(number)
        return self._register(122, self._loop)

    def _told_full_scale(self, value: str | None) -> str:
        if not self._firmware.full_scale or value != "5":
            return REFUSED
        return f"{self.unit} {self._flow(self.line.full_scale_sccm)} 12 SCCM"

    def _tare(self) -> str:
        self.line.tare(self._plant.now())
        self._plant.note(f"{self.name} tared")
        return self._frame(self.unit)

    def _valve(self, *, hold: bool, closed: bool = False) -> str:
        if hold:
            self.line.hold(self._plant.now(), closed=closed)
        else:
            self.line.release(self._plant.now())
        self._plant.note(f"{self.name} valve {'held' if hold else 'released'}")
        return self._frame(self.unit)

    def _lock(self, locked: bool) -> str:
        self.locked = locked
        return self._frame(self.unit)

    # -- what is said

    @property
    def model(self) -> str:
        """As M04 has it."""
        return f"MC-{self.line.full_scale_sccm:.0f}SCCM-D"

    @property
    def serial(self) -> str:
        """As M05 has it."""
        return str(100_000 + zlib.crc32(f"{self.name}{'/other' * self.other_device}".encode()) % 900_000)

    def _framed(self, taken: bool) -> str:
        return self._frame(self.unit) if taken else REFUSED

    def _frame(self, unit: str) -> str:
        if self._stuck is not None:
            return unit + self._stuck[1:]
        now_s, line = self._plant.now(), self.line
        reading_sccm = line.reading_sccm(now_s)
        pressure = f"{line.pressure_kpa(now_s) * PSIA_PER_KPA:+07.2f}"
        temperature = f"{line.temperature_degc(now_s):+07.2f}"
        flows = f"{self._flow(line.volumetric_ccm(now_s))} {self._flow(reading_sccm)}"
        frame = f"{unit} {pressure} {temperature} {flows} {self._setpoint()} {self.gas:>6}"
        return " ".join([frame, *self._words(reading_sccm)])

    def _setpoint(self) -> str:
        text = self._flow(self.line.target_sccm)
        # The oldest firmware writes no sign before a positive setpoint, and leaves its place empty at the end.
        return f"{text[1:]} " if self._firmware.old_layout and text.startswith("+") else text

    def _flow(self, sccm: float) -> str:
        return f"{sccm:+07.{self.decimals}f}"

    def _words(self, reading_sccm: float) -> list[str]:
        on = {
            "ADC": self.sensor_broken,
            "MOV": reading_sccm > RANGE * self.line.full_scale_sccm,
            "HLD": self.line.held,
            "LCK": self.locked,
        }
        return [word for word, shown in on.items() if shown and word in ("ADC", *self._firmware.words)]

    def _register(self, number: int, value: int) -> str:
        return f"{self.unit}   {number:03d} = {value}"


_COMMAND = re.compile(
    r"(?P<verb>LSS|LS|LV|GS|HP|HC|DCU|FPF|TP|PC|\$\$V|\$\$PC|\$\$H|\$\$C|\$\$L|\$\$U|\$\$R46|\$\$W46=|R122|W122=|S|G|T|C)"
    r" *(?P<value>[-+.\w]+)?"
)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


class Receiver:
    """Cuts a stream into lines and hands each to the controller."""

    framing = "letters-cr"

    def __init__(self, send: Send, instrument: Alicat) -> None:
        self._send = send
        self._instrument = instrument
        self._buffer = bytearray()

    def receive(self, data: bytes) -> None:
        """Digest the next bytes."""
        self._buffer += data
        while (cut := self._buffer.find(END)) >= 0:
            line = bytes(self._buffer[:cut]).decode("ascii", errors="replace").strip()
            del self._buffer[: cut + 1]
            for reply in self._instrument.answer(line):
                self._send(reply.encode("ascii") + END)
        if len(self._buffer) > LONGEST:
            self._buffer.clear()


def _put_up(site: Site, instrument: Instrument, spot: Spot) -> Alicat:
    name, unit = str(site.option(instrument, "firmware")), spot.ear or "A"
    if name not in FIRMWARES or not re.fullmatch("[A-Z]", unit):
        raise BadOptionError(
            f"{instrument.name}: firmware {name!r} and unit {unit!r} were asked for: there are {', '.join(FIRMWARES)}, "
            "and a unit is one letter, A to Z"
        )
    full_scale_sccm = site.count(instrument, "full_scale")
    controller = Alicat(instrument.name, site.plant, unit, FIRMWARES[name], full_scale_sccm)
    site.answer(instrument, spot, controller.receiver)
    return controller


MODEL = Model(Carrier.PTY, Language.TEXT, _put_up, {"firmware": "10v20", "full_scale": 500})
