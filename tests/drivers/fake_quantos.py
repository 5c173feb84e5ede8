"""A dosing system of a few lines, for tests of its driver."""

from __future__ import annotations

from drivers.bus import Bus
from drivers.clock import JUMP_EPOCH_S, JumpClock
from drivers.devices.quantos import QuantosDoser
from drivers.registry import build
from tests.drivers.fakes import FakeGate, FakePty, Noted

HEAD = ["<Info_head><Substance>BaCO3</Substance>", "<Lot_ID>BaCO3-lot7</Lot_ID></Info_head>"]
DOSE = {"mass_mg": 592.0, "tolerance_mg": 1.0, "sample_id": "S001"}
QUESTIONS = ("I4", "QRD 2", "SI", "TA")
"""What only asks."""


class Balance:
    """A Quantos that doses in 40 s what it is told, unless it is told how to fail."""

    def __init__(self, clock: JumpClock) -> None:
        self.clock = clock
        self.far: FakePty | None = None
        self.lines: list[str] = []
        self.target_mg = self.pan_mg = self.tare_mg = 0.0
        self.sample = ""
        self.door, self.position = "2", "0"
        self.record_off_mg = 0.0
        self.dosing_end: str | None = "QRA 61 1 A"
        self.poured = 1.0
        self.weight_s = 0.0
        self.answers: dict[str, list[str]] = {}

    def respond(self, line: str) -> list[str]:
        self.lines.append(line)
        if line in self.answers:
            return self.answers[line]
        match line.split():
            case ["I4"]:
                return ['I4 A "B021"']
            case ["@"]:
                return ['I4 A "B021"']
            case ["QRD", "2", "3", "7"]:
                return [f"QRD 2 3 7 {self.door} A"]
            case ["QRD", "2", "2", "8"]:
                return ["QRD 2 2 8 1 A"]
            case ["QRD", "2", "3", "8"]:
                return [f"QRD 2 3 8 {self.position} A"]
            case ["QRD", "2", "2", "9"]:
                return [f"QRD 2 2 9 {int(self.pan_mg > 0)} A"]
            case ["QRD", "2", "4", "11"]:
                return ["QRD 2 4 11 B", *HEAD, "QRD 2 4 11 A"]
            case ["QRD", "2", "4", "12"]:
                content_mg = self.pan_mg - self.tare_mg + self.record_off_mg
                result = f'<Dosing><Sample_ID>{self.sample}</Sample_ID><Content Unit="mg">{content_mg:.2f}</Content>'
                target = f'<Target_quantity Unit="mg">{self.target_mg:.2f}</Target_quantity>'
                return ["QRD 2 4 12 B", f"{result}{target}<Validity>valid</Validity></Dosing>", "QRD 2 4 12 A"]
            case ["QRD", "1", "1", number, value]:
                if number == "5":
                    self.target_mg = float(value)
                elif number == "8":
                    self.sample = value
                return [f"QRD 1 1 {number} A"]
            case ["T"]:
                self.tare_mg = self.pan_mg
                return [f"T S {self.tare_mg / 1000:10.5f} g"]
            case ["Z"]:
                self.tare_mg = self.pan_mg = 0.0
                return ["Z A"]
            case ["TA"]:
                return [f"TA A {self.tare_mg / 1000:10.5f} g"]
            case [("S" | "SI") as command]:
                moving = self.clock.now() < JUMP_EPOCH_S + self.weight_s
                status = "I" if moving and command == "S" else f"{'D' if moving else 'S'} {self.net_g():10.5f} g"
                return [f"S {status}"]
            case ["QRA", "60", what, where]:
                if what == "7":
                    self.door = where
                elif what == "8":
                    self.position = where
                return [f"QRA 60 {what} B", *self.late(f"QRA 60 {what} A", 5.0)]
            case ["QRA", "61", "1"]:
                return ["QRA 61 1 B", *self.dose()]
            case ["QRA", "61", "4"]:
                return ["QRA 61 4 B", "QRA 61 4 A", "QRA 61 1 I 8"]
        return ["ES"]

    def told(self) -> list[str]:
        """Everything that it was told to do."""
        return [line for line in self.lines if not line.startswith(QUESTIONS)]

    def net_g(self) -> float:
        return (self.pan_mg - self.tare_mg) / 1000

    def dose(self) -> list[str]:
        self.pan_mg += self.target_mg * self.poured
        return [] if self.dosing_end is None else self.late(self.dosing_end, 40.0)

    def late(self, line: str, after_s: float) -> list[str]:
        assert self.far is not None
        say = self.far.say
        self.clock.call_at(self.clock.now() + after_s, lambda: say(f"{line}\r\n".encode()), "balance")
        return []


def make_doser(path: str, gate: FakeGate, clock: JumpClock, noted: Noted, bus: Bus, **options: object) -> QuantosDoser:
    options = {"limits": {"mass": 2000.0}, **options}
    doser = build("doser-1", "quantos", path, options, gate, clock, noted, bus)
    assert isinstance(doser, QuantosDoser)
    return doser
