"""A Universal Robot: its dashboard server, its modes, and the programs that a laboratory has taught it.

    on connect    Connected: Universal Robots Dashboard Server
    load x.urp    Loading program: /programs/x.urp | File not found: x.urp | Error while loading program: x.urp
    play, pause   Starting program | Pausing program | Failed to execute: play       stop  Stopped
    programState  STOPPED x.urp   get loaded program  Loaded program: /programs/x.urp | No program loaded
    robotmode     Robotmode: RUNNING   safetystatus  Safetystatus: NORMAL (e)   safetymode  Safetymode: NORMAL
    running       Program running: false   is in remote control  true
    power on | power off | brake release | unlock protective stop | close popup | restart safety | ...
                                                                                      (instruments.md 6.1)

What it answers to a command that its mode does not allow is not published: `Failed to execute: COMMAND` here.
No reply says that it is busy: what cannot be done now and what can never be done are refused alike.
A message on its pendant blocks a program, which is reported as playing all the same.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping, Sequence

from sim.addresses import Carrier, Language, Spot
from sim.errors import BadOptionError
from sim.model import Model
from sim.parts.hands import find_hand
from sim.parts.robot_arm import Arm, Mishap, Route
from sim.plant import Impossible, Plant
from sim.plant.places import Place
from sim.site import Site
from sim.spec import Instrument
from sim.wire.lines import LineReceiver, Reply
from sim.wire.receiver import Send

POWERING_S, RELEASING_S, UNLOCK_S = 5.0, 3.0, 5.0
OTHER_SERIAL = "20209999999"
GREETING = b"Connected: Universal Robots Dashboard Server\n"
FOLDER = "/programs/"
VERSIONS = {"e": "URSoftware 5.12.4.1101661 (Aug 31 2022)", "CB3": "URSoftware 3.15.8.106339 (Jul 08 2021)"}


class Programs:
    """What lies on the controller."""

    def __init__(self, pattern: str, special: Mapping[str, Sequence[str]], exists: Callable[[str], bool]) -> None:
        self._special = special
        self._exists = exists
        parts = re.escape(pattern).replace(r"\{from\}", r"(.+)-(\d+)").replace(r"\{to\}", r"(.+)-(\d+)")
        self._pattern = re.compile(parts)
        self._turned = pattern.index("{to}") < pattern.index("{from}")

    def find(self, name: str) -> Route | None:
        """Give what a program carries, nothing and nowhere for some; None where there is no such program."""
        if name in self._special:
            ends = tuple(self._special[name])
            return Route(*ends) if ends else Route("", "")
        found = self._pattern.fullmatch(name)
        if found is None:
            return None
        ends = (f"{found[1]}/{found[2]}", f"{found[3]}/{found[4]}")
        route = Route(*(ends[::-1] if self._turned else ends))
        return route if self._exists(route.source) and self._exists(route.goal) else None


class UrRobot:
    """One robot at its dashboard server."""

    def __init__(
        self, name: str, plant: Plant, arm: Arm, programs: Programs, *, serial: str, model: str, series: str
    ) -> None:
        self.name, self.arm = name, arm
        self.mode, self.safety, self.remote = "RUNNING", "NORMAL", True
        """What checkers and tests may change, besides calling what follows."""
        self.other_device = False
        """Whether another robot answers in its place."""
        self.ignore_setpoint = False
        """Whether it says that it plays, and does not."""
        self._plant, self._programs = plant, programs
        self._serial, self._model, self._series = serial, model, series
        self._loaded = ""
        self._popup: str | None = None
        self._stopped_s = 0.0
        arm.on_mishap = self._mishap

    @property
    def loaded(self) -> str:
        """The program that is loaded, empty where none is."""
        return self._loaded

    # -- what checkers and tests do to it

    def protective_stop(self) -> None:
        """Have it meet something: it stops where it is, until somebody unlocks it."""
        self.safety, self._stopped_s = "PROTECTIVE_STOP", self._plant.now()
        self.arm.pause()
        self._plant.note(f"{self.name} protective stop")

    def show_popup(self, words: str) -> None:
        """Show a message on its pendant, which blocks the program without a word on the wire."""
        self._popup = words
        self.arm.block(True)
        self._plant.note(f"{self.name} shows: {words}")

    def stop_at_pendant(self) -> None:
        """Have somebody press stop on its pendant."""
        self.arm.stop()

    def unsolicited(self) -> bytes:
        """Give what it may say unasked."""
        return GREETING

    def power_cycle(self) -> None:
        """Have its mains fail and come back: nothing is loaded, and it is off."""
        self.arm.stop()
        self._loaded, self._popup, self.mode = "", None, "POWER_OFF"

    def _mishap(self, mishap: Mishap, why: str) -> None:
        if mishap is Mishap.COLLISION:
            self._plant.note(f"{self.name} collides: {why}")
            self.protective_stop()
        else:
            self.show_popup(why)

    # -- the dashboard

    def receiver(self, send: Send) -> LineReceiver:
        """Greet, and give what listens on one connection."""
        send(GREETING)
        return LineReceiver(send, self.command, b"\n")

    def command(self, line: str, reply: Reply) -> None:
        """Carry out one line."""
        reply(self._command(line.strip()))

    def _command(self, line: str) -> str:
        if line.startswith("load "):
            return self._load(line.removeprefix("load ").strip())
        told = self._tell(line)
        if told is not None:
            return told
        act = self._actions().get(line)
        return f"could not understand: '{line}'" if act is None else act()

    def _tell(self, line: str) -> str | None:
        """Answer what only asks."""
        e_series = self._series == "e"
        answers = {
            "robotmode": f"Robotmode: {self.mode}",
            "safetymode": f"Safetymode: {self.safety}",
            "programState": f"{self.arm.state} {self._loaded or '<unnamed>'}",
            "running": f"Program running: {str(self.arm.state == 'PLAYING').lower()}",
            "get loaded program": f"Loaded program: {FOLDER}{self._loaded}" if self._loaded else "No program loaded",
            "PolyscopeVersion": VERSIONS[self._series],
            "get serial number": OTHER_SERIAL if self.other_device else self._serial,
            "get robot model": self._model,
            "quit": "Disconnected",
        }
        if e_series:
            answers["safetystatus"] = f"Safetystatus: {self.safety}"
            answers["is in remote control"] = str(self.remote).lower()
        return answers.get(line)

    def _actions(self) -> Mapping[str, Callable[[], str]]:
        return {
            "play": self._play,
            "pause": self._pause,
            "stop": self._stop,
            "power on": self._power_on,
            "power off": self._power_off,
            "brake release": self._release_brakes,
            "unlock protective stop": self._unlock,
            "close popup": self._close_popup,
            "close safety popup": lambda: "closing safety popup",
            "restart safety": self._restart_safety,
        }

    @property
    def _ready(self) -> bool:
        return self.mode == "RUNNING" and self.safety in ("NORMAL", "REDUCED") and self.remote

    def _load(self, path: str) -> str:
        name = path.removeprefix(FOLDER)
        if not self.remote or self.arm.state != "STOPPED":
            return f"Error while loading program: {path}"
        if self._programs.find(name) is None:
            return f"File not found: {path}"
        self._loaded = name
        return f"Loading program: {FOLDER}{name}"

    def _play(self) -> str:
        route = self._programs.find(self._loaded)
        if route is None or not self._ready or self.arm.state == "PLAYING":
            return "Failed to execute: play"
        if not self.ignore_setpoint:
            self.arm.play(route)
            self._plant.note(f"{self.name} plays {self._loaded}")
        return "Starting program"

    def _pause(self) -> str:
        if self.arm.state != "PLAYING" or not self.remote:
            return "Failed to execute: pause"
        self.arm.pause()
        return "Pausing program"

    def _stop(self) -> str:
        if self.arm.state != "STOPPED":
            self.arm.stop()
            self._plant.note(f"{self.name} stopped")
        return "Stopped"

    def _power_on(self) -> str:
        if not self.remote or self.safety not in ("NORMAL", "REDUCED"):
            return "Failed to execute: power on"
        if self.mode == "POWER_OFF":
            self._go("POWER_ON", "IDLE", POWERING_S)
        return "Powering on"

    def _power_off(self) -> str:
        if not self.remote:
            return "Failed to execute: power off"
        self.arm.stop()
        self.mode = "POWER_OFF"
        self._plant.note(f"{self.name} power off")
        return "Powering off"

    def _release_brakes(self) -> str:
        if not self.remote or self.safety not in ("NORMAL", "REDUCED"):
            return "Failed to execute: brake release"
        if self.mode in ("POWER_OFF", "POWER_ON", "IDLE"):
            off_s = POWERING_S if self.mode == "POWER_OFF" else 0.0
            self._go(self.mode, "RUNNING", off_s + RELEASING_S)
        return "Brake releasing"

    def _unlock(self) -> str:
        if self.safety != "PROTECTIVE_STOP":
            return "Failed to execute: unlock protective stop"
        if self._plant.now() < self._stopped_s + UNLOCK_S:
            return (
                "Cannot unlock protective stop until 5s after occurrence. Always inspect cause of protective stop "
                "before unlocking"
            )
        self.safety = "NORMAL"
        return "Protective stop releasing"

    def _restart_safety(self) -> str:
        if self.safety in ("FAULT", "VIOLATION"):
            self.safety, self.mode = "NORMAL", "POWER_OFF"
        return "Restarting safety"

    def _close_popup(self) -> str:
        if self._popup is not None:
            self._popup = None
            self.arm.block(False)
            self._plant.note(f"{self.name} message closed")
        return "closing popup"

    def _go(self, through: str, goal: str, time_s: float) -> None:
        self.mode = through
        self._plant.note(f"{self.name} goes to {goal}")

        def arrive() -> None:
            if self.mode == through:
                self.mode = goal

        self._plant.at(self._plant.now() + time_s, f"{self.name} mode", arrive)


def _put_up(site: Site, instrument: Instrument, spot: Spot) -> UrRobot:
    def told(name: str) -> object:
        return site.option(instrument, name)

    plant, name, pattern = site.plant, instrument.name, str(told("program"))
    if pattern.count("{from}") != 1 or pattern.count("{to}") != 1:
        raise BadOptionError(f"{name}: program {pattern!r} must have {{from}} and {{to}} once each")
    if told("series") not in VERSIONS:
        raise BadOptionError(f"{name}: series {told('series')!r} is none of {', '.join(VERSIONS)}")

    def exists(position: str) -> bool:
        try:
            plant.standing_at(position)
        except Impossible:
            return False
        return True

    plant.add(Place(name, 1, 1))
    hand = find_hand(site, instrument, told("gripper"))
    arm = Arm(name, plant, hand, float(site.option(instrument, "move_time")))
    robot = UrRobot(
        name,
        plant,
        arm,
        Programs(pattern, site.option(instrument, "programs"), exists),
        serial=str(told("serial") or f"2020{zlib.crc32(name.encode()) % 10**7:07d}"),
        model=str(told("model")),
        series=str(told("series")),
    )
    site.answer(instrument, spot, robot.receiver)
    return robot


MODEL = Model(
    Carrier.TCP,
    Language.TEXT,
    _put_up,
    {
        "program": "{from}_to_{to}.urp",
        "programs": {"home.urp": []},
        "gripper": None,
        "move_time": 30.0,
        "serial": None,
        "model": "UR5",
        "series": "e",
    },
)
"""`move_time` is what a program takes, in seconds; `gripper` names the gripper that must hold what is carried."""
