"""A Quantos dosing system: MT-SICS lines with CR LF, on a serial line or a socket.

    what a balance answers  `sim.parts.sics`, side doors left out
    QRA 60 2 7 8            move the head's pin, the front door, the autosampler: B, and A or I code when it is over
    QRA 61 1 3 4            dose, cut the label, stop: likewise
    QRD 1 1 n value         set                           -> QRD 1 1 5 A
    QRD 2 2 8 9, 2 3 7 8    ask                           -> QRD 2 3 7 3 A
    QRD 2 4 11 12           head, last dosing             -> QRD 2 4 12 B, XML, QRD 2 4 12 A
                                                            (instruments.md 2.1 and 2.2)

While a command that has answered B is under way, nothing but a stop is carried out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from drivers.clock import Timer
from sim.addresses import Carrier, Language, Spot
from sim.model import Model
from sim.parts.quantos_xml import Settings, head_xml, result_xml
from sim.parts.scales import Plate
from sim.parts.sics import Sics
from sim.parts.sics_faults import SicsFaults
from sim.plant import DoorState, Doser, DoserFault, Head, Plant
from sim.site import Site
from sim.spec import Instrument
from sim.wire.lines import LineReceiver, Reply
from sim.wire.receiver import Send

PIN_S = 2.0
DOOR_S = 4.0
LABEL_S = 1.0
SAMPLER_STEP_S = 0.5
"""For one position of the autosampler, after as long to begin with."""
DOOR_CODES = {DoorState.CLOSED: 2, DoorState.OPEN: 3, DoorState.MOVING: 9}
CAPACITY_MG = 220_000.0
LEAST_MG, MOST_MG = 0.10, 250_000.0
EMPTY_MG = 5.0
"""Less than this on the pan, since it was declared empty, is nothing."""


@dataclass(frozen=True)
class LastDosing:
    """What QRD 2 4 12 tells about."""

    head: int
    content_mg: float
    settings: Settings


@dataclass(frozen=True)
class Running:
    """A command that has answered B."""

    command: str
    timer: Timer
    end: Callable[[], None]


class Quantos(SicsFaults):
    """One dosing balance."""

    def __init__(self, plant: Plant, doser: Doser, plate: Plate | None = None) -> None:
        self.name = doser.name
        self.door_detectable = True
        """Whether the front door can be seen; one that cannot is told as 8."""
        self._plant = plant
        self._doser = doser
        self._settings = Settings()
        self._last: LastDosing | None = None
        self._running: Running | None = None
        self._empty_mg = 0.0
        self._say: Send | None = None
        plate = plate or Plate("XPE206", f"SIM-{self.name}", CAPACITY_MG, readability_mg=0.01)
        self.sics = Sics(plant, doser, plate, others=("QRA", "QRD"), at_something_else=lambda: self._is_at_work)

    def receiver(self, send: Send) -> LineReceiver:
        """Give what listens on one connection."""
        self._say = send
        return LineReceiver(send, self.command, b"\r\n", "latin-1")

    def command(self, line: str, reply: Reply) -> None:
        """Carry out one line."""
        words = line.split()
        match words:
            case ["QRA", "60" | "61", *_]:
                self._act(words, reply)
            case ["QRD", "1", "1", *_]:
                self._set(words[3:], reply)
            case ["QRD", "2", *_]:
                self._ask(words[2:], reply)
            case _ if not self.sics.hear(line, reply):
                reply("ES")

    def power_cycle(self) -> None:
        """Be switched off and on: a dosing is over, and so are settings, tare and record; it says hello by itself."""
        running, self._running = self._running, None
        if running:
            running.timer.cancel()
        if self._doser.dosing:
            self._doser.finish(self._plant.now())
        self._settings, self._last = Settings(), None
        self.sics.power_cycle(self._tell)
        self._doser.disturb(self._plant.now())
        self._plant.note(f"{self.name} switched off and on")

    def _tell(self, line: str) -> None:
        if self._say is not None:
            self._say(line.encode("latin-1") + b"\r\n")

    @property
    def _is_at_work(self) -> bool:
        return self._running is not None or self.busy

    # -- QRA: what moves

    def _act(self, words: list[str], reply: Reply) -> None:
        command = " ".join(words[:3])
        match words[1:]:
            case ["61", "4"]:
                self._stop(reply)
            case _ if self._is_at_work:
                reply(f"{command} I {DoserFault.BUSY}")
            case ["61", "1"]:
                self._dose(reply)
            case ["61", "3"]:
                self._start(command, LABEL_S, reply, lambda: None)
            case ["60", "2", ("3" | "4") as way]:
                self._start(command, PIN_S, reply, lambda: self._move_pin(way == "4"))
            case ["60", "7", ("2" | "3") as way]:
                self._doser.door = DoorState.MOVING
                goal = DoorState.CLOSED if way == "2" else DoorState.OPEN
                self._start(command, DOOR_S, reply, lambda: self._move_door(goal))
            case ["60", "8", text] if text.isdecimal() and int(text) <= len(self._doser.numbers):
                self._turn(int(text), reply)
            case _:
                reply(f"{' '.join(words[:2])} L")

    def _start(self, command: str, duration_s: float, reply: Reply, finish: Callable[[], DoserFault | None]) -> None:
        """Answer B now, and how `finish` went when the time is over or somebody stops it."""

        def end() -> None:
            self._running = None
            fault = finish()
            reply(f"{command} A" if fault is None else f"{command} I {fault}")

        timer = self._plant.at(self._plant.now() + duration_s, f"{self.name} {command}", end)
        self._running = Running(command, timer, end)
        reply(f"{command} B")

    def _move_pin(self, locked: bool) -> None:
        self._doser.pin_locked = locked
        self._plant.note(f"{self.name} head pin {'locked' if locked else 'unlocked'}")

    def _move_door(self, door: DoorState) -> None:
        self._doser.door = door
        self._doser.disturb(self._plant.now())
        self._plant.note(f"{self.name} door {door.lower()}")

    def _turn(self, position: int, reply: Reply) -> None:
        if not self._doser.has_sampler:
            reply(f"QRA 60 8 I {DoserFault.NOT_SELECTED}")
            return
        steps = abs(position - self._doser.position)

        def arrive() -> DoserFault | None:
            if self._doser.sampler_blocked:
                return DoserFault.SAMPLER_BLOCKED
            self._doser.position = position
            self._doser.disturb(self._plant.now())
            self._plant.note(f"{self.name} sampler at {position}")
            return None

        self._start("QRA 60 8", (steps + 1) * SAMPLER_STEP_S, reply, arrive)

    def _dose(self, reply: Reply) -> None:
        fault = self._doser.why_not()
        if fault is None and not self._settings.target_mg:
            fault = DoserFault.NOT_ALLOWED
        if fault is None and not self.sics.is_stable:
            fault = DoserFault.NOT_STABLE
        if fault is not None:
            reply(f"QRA 61 1 I {fault}")
            return
        now_s = self._plant.now()
        before_mg = self.sics.gross_mg
        dosing = self._doser.start(self._settings.target_mg, now_s, self._settings.care)
        self._plant.note(f"{self.name} dosing {dosing.target_mg:.2f} mg from head {self._doser.mounted}")
        self._start("QRA 61 1", dosing.end_s - now_s, reply, lambda: self._dosed(before_mg))

    def _dosed(self, before_mg: float) -> DoserFault | None:
        now_s, head = self._plant.now(), self._doser.mounted or 0
        fault = self._doser.finish(now_s)
        if fault is None and self.stuck:
            fault = DoserFault.FLOW_ERROR  # it fell and fell, and the cell felt none of it
        content_mg = self.sics.gross_mg - before_mg
        self._last = LastDosing(head, content_mg, self._settings)
        self._plant.note(f"{self.name} dosed {content_mg:.2f} mg")
        return fault

    def _stop(self, reply: Reply) -> None:
        """Stop a dosing; its own command ends with I 8, and the stop with A."""
        reply("QRA 61 4 B")
        running = self._running
        if running is not None and running.command == "QRA 61 1":
            running.timer.cancel()
            running.end()
        reply("QRA 61 4 A")

    # -- QRD: what is set and asked

    def _set(self, words: list[str], reply: Reply) -> None:
        if self._is_at_work:
            reply(f"QRD 1 1 {words[0] if words else ''} I {DoserFault.BUSY}")
        elif words == ["9", "0"]:
            self._declare_empty(reply)
        elif (settings := _changed(self._settings, words)) is not None:
            self._settings = settings
            reply(f"QRD 1 1 {words[0]} A")
        else:
            reply("QRD 1 1 L")

    def _declare_empty(self, reply: Reply) -> None:
        if not self.sics.is_stable:
            reply(f"QRD 1 1 9 I {DoserFault.NOT_STABLE}")
            return
        self._empty_mg = self.sics.gross_mg
        reply("QRD 1 1 9 A")

    def _ask(self, words: list[str], reply: Reply) -> None:
        match words:
            case ["2", "8"]:
                reply(f"QRD 2 2 8 {int(self._doser.has_sampler)} A")
            case ["2", "9"]:
                loaded = self.sics.gross_mg - self._empty_mg > EMPTY_MG
                reply(f"QRD 2 2 9 {int(loaded)} A")
            case ["3", "7"]:
                reply(f"QRD 2 3 7 {DOOR_CODES[self._doser.door] if self.door_detectable else 8} A")
            case ["3", "8"] if not self._doser.has_sampler:
                reply(f"QRD 2 3 8 I {DoserFault.NOT_SELECTED}")
            case ["3", "8"]:
                reply(f"QRD 2 3 8 {self._doser.position} A")
            case ["4", "11"]:
                head = self._doser.head
                self._answer_xml("QRD 2 4 11", head_xml(head) if head else None, reply)
            case ["4", "12"]:
                self._answer_xml("QRD 2 4 12", self._result(), reply)
            case _:
                reply(f"QRD 2 {words[0]} L" if words else "QRD 2 L")

    def _result(self) -> str | None:
        last = self._last
        return None if last is None else result_xml(last.settings, last.content_mg, self._doser.heads[last.head])

    def _answer_xml(self, command: str, xml: str | None, reply: Reply) -> None:
        if self._is_at_work:
            reply(f"{command} I {DoserFault.BUSY}")
        elif xml is None:
            reply(f"{command} I {DoserFault.NOT_MOUNTED}")
        else:
            for line in (f"{command} B", *xml.splitlines(), f"{command} A"):
                reply(line)


NUMBERS: dict[str, tuple[str, range]] = {
    "1": ("tap_before", range(2)),
    "2": ("tap_while", range(2)),
    "3": ("tap_intensity", range(10, 101)),
    "4": ("tap_s", range(1, 11)),
    "7": ("tolerance_mode", range(2)),
    "14": ("algorithm", range(2)),
    "15": ("antistatic", range(2)),
}
"""Number after QRD 1 1 -> setting and the whole numbers that it takes."""


def _changed(settings: Settings, words: list[str]) -> Settings | None:
    """Give the settings with one of them changed, or None where that cannot be."""
    try:
        match words:
            case [number, text] if number in NUMBERS and int(text) in NUMBERS[number][1]:
                changes: dict[str, object] = {NUMBERS[number][0]: int(text)}
            case ["5", text] if LEAST_MG <= float(text) <= MOST_MG:
                changes = {"target_mg": round(float(text), 2)}
            case ["6", text] if 0.1 <= float(text) <= 40.0:
                changes = {"tolerance_percent": float(text)}
            case [("8" | "13") as number, text] if len(text.strip('"')) <= 20:
                changes = {"sample_id" if number == "8" else "user_id": text.strip('"')}
            case _:
                return None
    except ValueError:
        return None
    return replace(settings, **changes)  # type: ignore[arg-type]


def _put_up(site: Site, instrument: Instrument, spot: Spot) -> Quantos:
    plant = site.plant
    content_mg = float(site.option(instrument, "head_content_mg"))
    heads = {
        int(number): Head(int(number), site.lot(instrument, str(name)), content_mg)
        for number, name in site.option(instrument, "heads").items()
    }
    has_sampler = bool(site.option(instrument, "sampler"))
    doser = Doser(instrument.name, heads, plant.truth, plant.seed, has_sampler)
    plant.add_doser(doser)
    serial = str(site.option(instrument, "serial") or f"SIM-{instrument.name}")
    quantos = Quantos(plant, doser, Plate("XPE206", serial, CAPACITY_MG, readability_mg=0.01))
    site.answer(instrument, spot, quantos.receiver)
    return quantos


MODEL = Model(
    Carrier.PTY,
    Language.TEXT,
    _put_up,
    {"heads": {}, "head_content_mg": 20_000.0, "sampler": False, "serial": None},
)
