"""A Quantos dosing system: MT-SICS lines with CR LF, on a serial line or a socket.

    S SI T Z I4 @           balance                       -> S S    12.50012 g
    QRA 60 .. QRA 61 ..     move, do: B, and A or I code when it is over
    QRD 1 1 ..              set                           -> QRD 1 1 5 A
    QRD 2 ..                ask                           -> QRD 2 3 7 3 A
                                                            (instruments.md 2.1 and 2.2)

While a command that has answered B is under way, nothing but a stop is carried out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from drivers.clock import Timer
from sim.addresses import Carrier, Language, Spot
from sim.model import Model
from sim.parts.quantos_xml import head_xml, result_xml
from sim.plant import DoorState, Doser, DoserFault, Head, Plant
from sim.site import Site
from sim.spec import Instrument
from sim.wire.lines import LineReceiver, Reply
from sim.wire.receiver import Send

PIN_S = 2.0
DOOR_S = 4.0
STABILITY_TIMEOUT_S = 40.0
DOOR_CODES = {DoorState.CLOSED: 2, DoorState.OPEN: 3, DoorState.MOVING: 9}
CAPACITY_MG = 220_000.0
LEAST_MG, MOST_MG = 0.10, 250_000.0


@dataclass
class Settings:
    """What QRD 1 1 has set."""

    target_mg: float = 0.0
    tolerance_percent: float = 1.0
    tolerance_mode: int = 0
    sample_id: str = ""


@dataclass
class LastDosing:
    """What QRD 2 4 12 tells about."""

    number: int
    head: int
    content_mg: float
    settings: Settings


class Quantos:
    """One dosing balance."""

    def __init__(self, plant: Plant, doser: Doser) -> None:
        self.name = doser.name
        self._plant = plant
        self._doser = doser
        self._settings = Settings()
        self._last: LastDosing | None = None
        self._running: str | None = None
        self._finish_early: Callable[[], None] | None = None
        self._waiting: Timer | None = None

    def receiver(self, send: Send) -> LineReceiver:
        """Give what listens on one connection."""
        return LineReceiver(send, self.command, b"\r\n", "latin-1")

    def command(self, line: str, reply: Reply) -> None:
        """Carry out one line."""
        words = line.split()
        match words:
            case ["@"]:
                self._cancel_weighing()
                reply(f'I4 A "{self._serial}"')
            case ["I4"]:
                reply(f'I4 A "{self._serial}"')
            case [("S" | "SI" | "T" | "Z") as command]:
                self._weigh(command, reply)
            case ["QRA", "60" | "61", *_]:
                self._act(words, reply)
            case ["QRD", "1", "1", *_]:
                self._set(words[3:], reply)
            case ["QRD", "2", *_]:
                self._ask(words[2:], reply)
            case _:
                reply("ES")

    @property
    def _serial(self) -> str:
        return f"SIM-{self.name}"

    # -- balance

    def _weigh(self, command: str, reply: Reply) -> None:
        now_s = self._plant.now()
        if command == "SI":
            reply(self._weight("S", "S" if self._doser.is_stable(now_s) else "D"))
        elif self._running or self._waiting:
            reply(f"{command} I")
        elif self._doser.is_stable(now_s):
            reply(self._stable(command))
        else:
            self._wait_for_rest(command, reply, now_s + STABILITY_TIMEOUT_S)

    def _wait_for_rest(self, command: str, reply: Reply, give_up_s: float) -> None:
        def look() -> None:
            self._waiting = None
            now_s = self._plant.now()
            if self._doser.is_stable(now_s):
                reply(self._stable(command))
            elif now_s >= give_up_s:
                reply(f"{command} I")
            else:
                self._wait_for_rest(command, reply, give_up_s)

        self._waiting = self._plant.at(self._plant.now() + 0.5, f"{self.name} balance", look)

    def _cancel_weighing(self) -> None:
        if self._waiting:
            self._waiting.cancel()
            self._waiting = None

    def _stable(self, command: str) -> str:
        gross_mg = self._doser.gross_mg(self._plant.now())
        if gross_mg > CAPACITY_MG:
            return f"{command} +"
        if command == "Z":
            self._doser.zero_mg, self._doser.tare_mg = gross_mg, 0.0
            return "Z A"
        if command == "T":
            self._doser.tare_mg = gross_mg - self._doser.zero_mg
            return f"T S {self._doser.tare_mg / 1000.0:10.5f} g"
        return self._weight("S", "S")

    def _weight(self, command: str, status: str) -> str:
        return f"{command} {status} {self._doser.net_mg(self._plant.now()) / 1000.0:10.5f} g"

    # -- QRA: what moves

    def _act(self, words: list[str], reply: Reply) -> None:
        family = " ".join(words[:2])
        if words[1:] == ["61", "4"]:
            self._stop(reply)
        elif self._running:
            reply(f"{' '.join(words[:3])} I {DoserFault.BUSY}")
        elif words[1:] == ["61", "1"]:
            self._dose(reply)
        elif words[1:] in (["60", "2", "3"], ["60", "2", "4"]):
            self._start("QRA 60 2", PIN_S, reply, lambda: self._move_pin(words[3] == "4"))
        elif words[1:] in (["60", "7", "2"], ["60", "7", "3"]):
            door = DoorState.CLOSED if words[3] == "2" else DoorState.OPEN
            self._doser.door = DoorState.MOVING
            self._start("QRA 60 7", DOOR_S, reply, lambda: self._move_door(door))
        else:
            reply(f"{family} L")

    def _start(self, command: str, duration_s: float, reply: Reply, finish: Callable[[], DoserFault | None]) -> None:
        """Answer B now, and how `finish` went when the time is over or somebody stops it."""

        def end() -> None:
            self._running, self._finish_early = None, None
            fault = finish()
            reply(f"{command} A" if fault is None else f"{command} I {fault}")

        timer = self._plant.at(self._plant.now() + duration_s, f"{self.name} {command}", end)

        def end_early() -> None:
            timer.cancel()
            end()

        self._running, self._finish_early = command, end_early
        reply(f"{command} B")

    def _move_pin(self, locked: bool) -> None:
        self._doser.pin_locked = locked
        self._plant.note(f"{self.name} head pin {'locked' if locked else 'unlocked'}")

    def _move_door(self, door: DoorState) -> None:
        self._doser.door = door
        self._doser.disturb(self._plant.now())
        self._plant.note(f"{self.name} door {door.lower()}")

    def _dose(self, reply: Reply) -> None:
        fault = self._doser.why_not()
        if fault is None and not self._settings.target_mg:
            fault = DoserFault.NOT_ALLOWED
        if fault is None and not self._doser.is_stable(self._plant.now()):
            fault = DoserFault.NOT_STABLE
        if fault is not None:
            reply(f"QRA 61 1 I {fault}")
            return
        now_s = self._plant.now()
        before_mg = self._doser.gross_mg(now_s)
        dosing = self._doser.start(self._settings.target_mg, now_s)
        self._plant.note(f"{self.name} dosing {dosing.target_mg:.2f} mg from head {self._doser.mounted}")
        self._start("QRA 61 1", dosing.end_s - now_s, reply, lambda: self._dosed(before_mg))

    def _dosed(self, before_mg: float) -> DoserFault | None:
        now_s = self._plant.now()
        number, head = self._doser.dosing.number if self._doser.dosing else 0, self._doser.mounted or 0
        fault = self._doser.finish(now_s)
        content_mg = self._doser.gross_mg(now_s) - before_mg
        self._last = LastDosing(number, head, content_mg, Settings(**vars(self._settings)))
        self._plant.note(f"{self.name} dosed {content_mg:.2f} mg")
        return fault

    def _stop(self, reply: Reply) -> None:
        """Stop a dosing; its own command ends with I 8, and the stop with A."""
        reply("QRA 61 4 B")
        if self._running == "QRA 61 1" and self._finish_early:
            self._finish_early()
        reply("QRA 61 4 A")

    # -- QRD: what is set and asked

    def _set(self, words: list[str], reply: Reply) -> None:
        if self._running:
            reply(f"QRD 1 1 {words[0] if words else ''} I {DoserFault.BUSY}")
            return
        try:
            known = self._set_one(words)
        except ValueError:
            known = False
        reply(f"QRD 1 1 {words[0]} A" if known else "QRD 1 1 L")

    def _set_one(self, words: list[str]) -> bool:
        settings = self._settings
        match words:
            case ["5", text] if LEAST_MG <= float(text) <= MOST_MG:
                settings.target_mg = round(float(text), 2)
            case ["6", text] if 0.1 <= float(text) <= 40.0:
                settings.tolerance_percent = float(text)
            case ["7", ("0" | "1") as text]:
                settings.tolerance_mode = int(text)
            case ["8", text] if len(text.strip('"')) <= 20:
                settings.sample_id = text.strip('"')
            case _:
                return False
        return True

    def _ask(self, words: list[str], reply: Reply) -> None:
        match words:
            case ["3", "7"]:
                reply(f"QRD 2 3 7 {DOOR_CODES[self._doser.door]} A")
            case ["4", "11"]:
                head = self._doser.head
                self._answer_xml("QRD 2 4 11", head_xml(head) if head else None, reply)
            case ["4", "12"]:
                self._answer_xml("QRD 2 4 12", self._result(), reply)
            case _:
                reply(f"QRD 2 {words[0]} L" if words else "QRD 2 L")

    def _result(self) -> str | None:
        last = self._last
        if last is None:
            return None
        return result_xml(last.settings, last.content_mg, self._doser.heads[last.head])

    def _answer_xml(self, command: str, xml: str | None, reply: Reply) -> None:
        if xml is None:
            reply(f"{command} I {DoserFault.NOT_MOUNTED}")
            return
        reply(f"{command} B")
        for line in xml.splitlines():
            reply(line)
        reply(f"{command} A")


def _put_up(site: Site, instrument: Instrument, spot: Spot) -> Quantos:
    plant = site.plant
    content_mg = float(site.option(instrument, "head_content_mg"))
    heads = {
        int(number): Head(int(number), site.lot(instrument, str(name)), content_mg)
        for number, name in site.option(instrument, "heads").items()
    }
    doser = Doser(instrument.name, heads, plant.truth, plant.seed)
    plant.add_doser(doser)
    quantos = Quantos(plant, doser)
    site.answer(instrument, spot, quantos.receiver)
    return quantos


MODEL = Model(Carrier.PTY, Language.TEXT, _put_up, {"heads": {}, "head_content_mg": 20_000.0})
