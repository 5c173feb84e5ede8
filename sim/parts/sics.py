"""What a balance answers to MT-SICS lines, levels 0 and 1 (instruments.md 2.1); balances and dosers have one inside.

    @ I0 .. I5              cancel, lists, type and capacity, software, serial number
    S SI SC SIR SR SNR      weight at rest, now, at rest or after ms; again and again until the next of them or @
    Z ZI ZC T TI TC TA TAC  zero, tare, ask or preset the tare, clear it
    M21 0 n                 unit of the answers      C3  adjust inside: B, then a minute of I to everything else, A
    D "text" DW             display                  WS [n]  draught shield: 0 closed, 1 right door, .., 9 moving

Not in any text that could be read, and so guesses: the letters of ZC, TC and ZI (as TI), WS L where the doors are there
already, the codes of units beside 0 (1 kg, 3 mg), a zero range of two hundredths of the capacity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.clock import Timer
from sim.parts.scales import UNITS, Plate, Scale, Shield, read_mg, shown
from sim.plant import DoorState, Plant
from sim.wire.lines import Reply

LOOK_S = 0.5
"""How often a command that waits for rest looks for it."""
REPEAT_S = 0.25
"""Between two lines of SIR."""
SHIELD_S = 2.0
ADJUSTING_S = 60.0
ZERO_RANGE = 0.02
"""Of the capacity: more than that is not set to zero, and less than minus that is an underload."""
CHANGE = 0.125
"""Part of the last value by which a weight must change for SR to tell it, and at least 30 of the last digit."""
LEVEL_0 = ("@", "I0", "I1", "I2", "I3", "I4", "I5", "S", "SI", "SIR", "Z", "ZI")
LEVEL_1 = ("D", "DW", "SR", "T", "TA", "TAC", "TI")
LEVEL_2 = ("C3", "M21", "SC", "SNR", "TC", "ZC")


def _never() -> bool:
    return False


@dataclass
class Waiting:
    """A command that waits for the weight to come to rest."""

    command: str
    reply: Reply
    give_up_s: float
    then: Callable[[bool], None]
    """What to do at rest (True), or when the time is over."""
    timer: Timer | None = None


@dataclass
class Sics:
    """The electronics of one balance, one conversation at a time."""

    plant: Plant
    scale: Scale
    plate: Plate
    shield: Shield | None = None
    others: tuple[str, ...] = ()
    """Commands that the instrument has beside these, for I0."""
    at_something_else: Callable[[], bool] = _never
    error: str | None = None
    """A weighing error, such as ``10b``; None while all is well."""
    busy: bool = False
    """Whether it is at something else, as when somebody is at its keys; it answers everything but @ with I."""
    other_device: bool = False
    """Whether another balance of the kind answers in its place."""
    _frozen: tuple[float, bool] | None = field(default=None, init=False)
    """What it felt when its cell got stuck, and whether that was at rest."""
    _waiting: Waiting | None = field(default=None, init=False)
    _stream: Timer | None = field(default=None, init=False)
    _adjusting: Timer | None = field(default=None, init=False)
    _door_code: int = field(default=1, init=False)
    _unit: str = field(default="0", init=False)

    def hear(self, line: str, reply: Reply) -> bool:
        """Carry out a line, where it is one of these; gives whether it was."""
        words = line.split()
        match words:
            case ["@"]:
                self.cancel()
                reply(f'{self.plate.cancel_word} A "{self.serial}"')
            case [("I0" | "I1" | "I2" | "I3" | "I4" | "I5") as command] if self.busy:
                reply(f"{command} I")
            case ["I0"]:
                self._tell_commands(reply)
            case [("I1" | "I2" | "I3" | "I4" | "I5") as command]:
                reply(f"{command} A {self._about(command)}")
            case _ if (self._adjusting or self.busy) and words and words[0] in (*LEVEL_0, *LEVEL_1, *LEVEL_2, "WS"):
                reply(f"{_word(words[0])} I")
            case ["S" | "SI" | "SIR" | "SR" | "SNR"] | ["SC", _]:
                self._weigh(words, reply)
            case ["Z" | "ZI" | "T" | "TI"] | ["ZC" | "TC", _]:
                self._set(words, reply)
            case ["TA" | "TAC", *_]:
                self._remember(words, reply)
            case ["M21", "0", code]:
                self._unit = code if code in UNITS else self._unit
                reply("M21 A" if code in UNITS else "M21 L")
            case ["WS", *rest] if self.shield is not None:
                self._move_shield(self.shield, rest, reply)
            case ["D", *_] | ["DW"]:
                reply(f"{words[0]} A")
            case ["C3"]:
                self._adjust(reply)
            case _:
                return False
        return True

    def cancel(self) -> None:
        """Give up whatever waits or repeats."""
        self._end_stream()
        if self._waiting and self._waiting.timer:
            self._waiting.timer.cancel()
        self._waiting = None

    def power_cycle(self, say: Reply) -> None:
        """Be switched off and on: the tare is lost, what is on the pan becomes zero where it may, and it says hello."""
        self.cancel()
        if self._adjusting:
            self._adjusting.cancel()
            self._adjusting = None
        self._unit = "0"
        gross_mg = self.gross_mg
        self.scale.cell.tare_mg = 0.0
        self.scale.cell.zero_mg = gross_mg if abs(gross_mg) <= self._zero_range_mg else 0.0
        say(f'I4 A "{self.serial}"')

    # -- what it says of itself

    @property
    def serial(self) -> str:
        """Of whichever balance answers."""
        return f"{self.plate.serial}-2" if self.other_device else self.plate.serial

    def _tell_commands(self, reply: Reply) -> None:
        doors = ("WS",) if self.shield is not None else ()
        levels = ((0, LEVEL_0), (1, LEVEL_1), (2, (*LEVEL_2, *doors)), (3, self.others))
        named = [(level, command) for level, commands in levels for command in commands]
        for place, (level, command) in enumerate(named, start=1):
            reply(f'I0 {"A" if place == len(named) else "B"} {level} "{command}"')

    def _about(self, command: str) -> str:
        plate = self.plate
        return {
            "I1": '"0123" "2.30" "2.22" "2.33" "2.20"',
            "I2": f'"{plate.model} Excellence {plate.capacity_mg / 1000.0:.4f} g"',
            "I3": '"2.10 10.28.0.493.142"',
            "I4": f'"{self.serial}"',
            "I5": '"11671158C"',
        }[command]

    # -- weights

    @property
    def stuck(self) -> bool:
        """Whether its cell goes on telling what it told, whatever is put on it."""
        return self._frozen is not None

    @stuck.setter
    def stuck(self, stuck: bool) -> None:
        self._frozen = None
        self._frozen = (self.gross_mg, self.is_stable) if stuck else None

    @property
    def gross_mg(self) -> float:
        """What it takes to be on its pan, before zero and tare."""
        return self.scale.gross_mg(self.plant.now()) if self._frozen is None else self._frozen[0]

    @property
    def is_stable(self) -> bool:
        """Whether it takes that to be at rest."""
        return self.scale.is_stable(self.plant.now()) if self._frozen is None else self._frozen[1]

    @property
    def _zero_range_mg(self) -> float:
        return ZERO_RANGE * self.plate.capacity_mg

    def _range_fault(self, gross_mg: float) -> str | None:
        if gross_mg > self.plate.capacity_mg:
            return "+"
        return "-" if gross_mg - self.scale.cell.zero_mg < -self._zero_range_mg else None

    def _value(self, mass_mg: float) -> str:
        return shown(mass_mg, self._unit, self.plate.readability_mg)

    def _net(self, letter: str) -> str:
        """One line with the weight, or with what is wrong."""
        if self.error is not None:
            return f"S S Error {self.error}"
        gross_mg = self.gross_mg
        if fault := self._range_fault(gross_mg):
            return f"S {fault}"
        net_mg = self.scale.cell.net(gross_mg)
        if abs(net_mg) < self.plate.min_weigh_mg:
            letter = {"S": "M", "D": "N"}[letter]
        return f"S {letter} {self._value(net_mg)}"

    def _weigh(self, words: list[str], reply: Reply) -> None:
        self._end_stream()
        match words:
            case ["SI"]:
                reply(self._net("S" if self.is_stable else "D"))
            case ["SIR"]:
                self._repeat(reply)
            case ["SR" | "SNR" as command]:
                self._when_at_rest("S", reply, lambda at_rest: self._follow(command, at_rest, reply))
            case ["SC", text]:
                self._or_after("S", text, reply, lambda at_rest: reply(self._net("S" if at_rest else "D")))
            case _:
                self._when_at_rest("S", reply, lambda at_rest: reply(self._net("S") if at_rest else "S I"))

    def _repeat(self, reply: Reply) -> None:
        reply(self._net("S" if self.is_stable else "D"))
        self._stream = self.plant.at(self.plant.now() + REPEAT_S, f"{self.scale.name} SIR", lambda: self._repeat(reply))

    def _follow(self, command: str, at_rest: bool, reply: Reply) -> None:
        """Tell a weight at rest, and then each that differs enough: SR tells of the way there too."""
        if not at_rest:
            reply("S I")
            return
        reply(self._net("S"))
        told_mg = [self.scale.cell.net(self.gross_mg)]
        moving = [False]

        def look() -> None:
            net_mg = self.scale.cell.net(self.gross_mg)
            least_mg = max(CHANGE * abs(told_mg[0]), 30.0 * self.plate.readability_mg)
            if abs(net_mg - told_mg[0]) >= least_mg or moving[0]:
                if self.is_stable:
                    told_mg[0], moving[0] = net_mg, False
                    reply(self._net("S"))
                elif not moving[0]:
                    moving[0] = True
                    if command == "SR":
                        reply(self._net("D"))
            self._stream = self.plant.at(self.plant.now() + LOOK_S, f"{self.scale.name} {command}", look)

        self._stream = self.plant.at(self.plant.now() + LOOK_S, f"{self.scale.name} {command}", look)

    def _end_stream(self) -> None:
        if self._stream:
            self._stream.cancel()
            self._stream = None

    # -- zero and tare

    def _set(self, words: list[str], reply: Reply) -> None:
        command, act = words[0], self._zero if words[0].startswith("Z") else self._tare
        if len(command) == 1:
            self._when_at_rest(command, reply, lambda at_rest: reply(act(command, "S") if at_rest else f"{command} I"))
        elif command.endswith("I"):
            reply(f"{command} I" if self._is_at_work else act(command, "S" if self.is_stable else "D"))
        else:
            self._or_after(command, words[1], reply, lambda at_rest: reply(act(command, "S" if at_rest else "D")))

    def _zero(self, command: str, letter: str) -> str:
        gross_mg = self.gross_mg
        if abs(gross_mg) > self._zero_range_mg:
            return f"{command} {'+' if gross_mg > 0 else '-'}"
        self.scale.cell.zero_mg, self.scale.cell.tare_mg = gross_mg, 0.0
        self.plant.note(f"{self.scale.name} zeroed at {gross_mg:.2f} mg")
        return "Z A" if command == "Z" else f"{command} {letter}"

    def _tare(self, command: str, letter: str) -> str:
        gross_mg = self.gross_mg
        tare_mg = gross_mg - self.scale.cell.zero_mg
        fault = self._range_fault(gross_mg) or ("-" if tare_mg < -self.plate.readability_mg * 30.0 else None)
        if fault:
            return f"{command} {fault}"
        self.scale.cell.tare_mg = tare_mg
        self.plant.note(f"{self.scale.name} tared at {tare_mg:.2f} mg")
        return f"{command} {letter} {self._value(tare_mg)}"

    def _remember(self, words: list[str], reply: Reply) -> None:
        cell = self.scale.cell
        match words:
            case ["TAC"]:
                cell.tare_mg = 0.0
                reply("TAC A")
            case ["TA"]:
                reply(f"TA A {self._value(cell.tare_mg)}")
            case ["TA", text, unit] if 0.0 <= (tare_mg := read_mg(text, unit)) <= self.plate.capacity_mg:
                cell.tare_mg = tare_mg
                reply(f"TA A {self._value(cell.tare_mg)}")
            case _:
                reply(f"{words[0]} L")

    # -- waiting

    @property
    def _is_at_work(self) -> bool:
        return self._waiting is not None or self.at_something_else()

    def _when_at_rest(self, word: str, reply: Reply, then: Callable[[bool], None]) -> None:
        self._wait(word, reply, self.plate.stability_timeout_s, then)

    def _or_after(self, word: str, text: str, reply: Reply, then: Callable[[bool], None]) -> None:
        if not text.isdecimal():
            reply(f"{word} L")
            return
        self._wait(word, reply, int(text) / 1000.0, then)

    def _wait(self, word: str, reply: Reply, timeout_s: float, then: Callable[[bool], None]) -> None:
        if self._is_at_work:
            reply(f"{word} I")
        elif self.is_stable:
            then(True)
        else:
            self._waiting = Waiting(word, reply, self.plant.now() + timeout_s, then)
            self._look_again(self._waiting)

    def _look_again(self, waiting: Waiting) -> None:
        def look() -> None:
            if not self.is_stable and self.plant.now() < waiting.give_up_s:
                self._look_again(waiting)
                return
            self._waiting = None
            waiting.then(self.is_stable)

        next_s = min(self.plant.now() + LOOK_S, max(self.plant.now(), waiting.give_up_s))
        waiting.timer = self.plant.at(next_s, f"{self.scale.name} balance", look)

    # -- what moves

    def _move_shield(self, shield: Shield, words: list[str], reply: Reply) -> None:
        if not words:
            code = 9 if shield.door is DoorState.MOVING else 0 if shield.door is DoorState.CLOSED else self._door_code
            reply(f"WS A {code}")
            return
        if len(words) > 1 or words[0] not in tuple("01234567"):
            reply("WS L")
            return
        goal = DoorState.CLOSED if words[0] == "0" else DoorState.OPEN
        if shield.door is DoorState.MOVING or self._is_at_work:
            reply("WS I")
        elif shield.door is goal and (goal is DoorState.CLOSED or self._door_code == int(words[0])):
            reply("WS L")
        else:
            self._start_shield(shield, goal, int(words[0]) or self._door_code)
            reply("WS A")

    def _start_shield(self, shield: Shield, goal: DoorState, code: int) -> None:
        shield.door = DoorState.MOVING

        def arrive() -> None:
            shield.door = goal
            self._door_code = code
            shield.disturb(self.plant.now())
            self.plant.note(f"{self.scale.name} door {goal.lower()}")

        self.plant.at(self.plant.now() + SHIELD_S, f"{self.scale.name} shield", arrive)

    def _adjust(self, reply: Reply) -> None:
        if self._is_at_work:
            reply("C3 I")
            return

        def end() -> None:
            self._adjusting = None
            reply("C3 A")

        reply("C3 B")
        self._adjusting = self.plant.at(self.plant.now() + ADJUSTING_S, f"{self.scale.name} adjustment", end)


def _word(command: str) -> str:
    return "S" if command.startswith("S") else command
