"""A balance that speaks MT-SICS, over a serial line with XON/XOFF or TCP."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any, ClassVar

from ophyd import Component

from drivers.bus import Job
from drivers.codecs import mt_sics as sics
from drivers.codecs.mt_sics import Shield, Weight
from drivers.codecs.quantos import ASK_DOOR
from drivers.errors import ActionFailedError, BusyError, LinkError, RefusedError, WrongInstrumentError
from drivers.gate import Granted
from drivers.instrument import Leave
from drivers.kinds import Kind
from drivers.pace import STEADY_S, next_poll_s
from drivers.parts.balance import BUSY_S, LISTEN_S, WEIGHING_OPTIONS, SicsInstrument, Weighing
from drivers.signals import Reading
from drivers.spec import DriverSpec, Option, Parts
from drivers.status import ActionStatus

log = logging.getLogger(__name__)

SHIELD_S = 20.0
"""Lab seconds that the doors may take."""
OPEN_CODE, CLOSED_CODE = 1, 0
NO_DOORS = "none"
BUSY = "busy"
STUCK = "it felt nothing while its doors moved: is its cell stuck? Put a known weight on it"


class MtSicsBalance(SicsInstrument):
    """A balance; its limit is `mass` in mg, more than which is not believed."""

    VERBS: ClassVar[Mapping[str, str]] = {
        "weigh": "weigh",
        "tare": "tare",
        "zero": "zero",
        "clear-tare": "clear_tare",
        "open-door": "open_door",
        "close-door": "close_door",
        "inspect": "inspect",
        "stop": "halt",
    }
    LOOKS = frozenset({"inspect"})
    MEASURED = ("mass_mg", "stable", "state", "tare_mg", "door")

    mass_mg = Component(Reading, value=math.nan, units="mg", precision=2, kind="hinted")
    """Last net mass at rest; NaN while it is not at rest."""
    stable = Component(Reading, value=math.nan, kind="normal")
    """1 at rest, 0 not."""
    state = Component(Reading, value="unknown", kind="normal")
    """``at rest``, ``at rest, below minimum``, ``moving``, ``busy``, or what the balance says is wrong."""
    door = Component(Reading, value="unknown", kind="normal")
    """``open``, ``closed``, ``moving``, ``unknown``, or ``none`` where no motor moves them."""
    changed = Component(Reading, value="", kind="normal")
    """What was changed by nobody of us, since the last tare; empty where nothing was."""
    stuck = Component(Reading, value="", kind="normal")
    """Why its weights may be none, in a sentence; empty where nothing speaks for that."""
    model = Component(Reading, value="", kind="config")
    software = Component(Reading, value="", kind="config")
    commands = Component(Reading, value="", kind="config")
    """What the balance says that it understands, parted by spaces; after ``inspect``."""
    capacity_mg = Component(Reading, value=math.nan, units="mg", precision=1, kind="config")

    def __init__(
        self,
        name: str,
        *,
        weighing: Weighing,
        open_code: int = OPEN_CODE,
        closed_code: int = CLOSED_CODE,
        **base: Any,
    ) -> None:
        super().__init__(name, weighing=weighing, **base)
        self.mass_mg.limit(-weighing.most_mg, weighing.most_mg)
        self._open_code, self._closed_code = open_code, closed_code
        self._restless_since_s: float | None = None
        self._at: int | None = Shield.ERROR
        """Where the doors were seen last, as the balance says it."""

    # -- verbs

    def weigh(self, within_s: float | None = None) -> ActionStatus:
        """Wait for the weight to come to rest, read it twice, and show it in `mass_mg`.

        Args:
            within_s: Lab seconds until it must be at rest; what the lab file says where it is missing.
        """
        return self._do("weigh", lambda leave: self._weigh(*leave, within_s))

    def tare(self) -> ActionStatus:
        """Make what is on the pan count as nothing, once it is at rest; never repeated by itself."""
        return self._do("tare", lambda leave: self._tare(*leave))

    def zero(self) -> ActionStatus:
        """Make the present load zero and forget the tare, once it is at rest; never repeated by itself."""
        return self._do("zero", lambda leave: self._zero(*leave))

    def clear_tare(self) -> ActionStatus:
        """Take nothing off any more."""
        return self._do("clear-tare", self._clear_tare)

    def open_door(self) -> ActionStatus:
        """Open the door of the draught shield that ``open_code`` names."""
        return self._do("open-door", lambda leave: self._move_shield("open-door", self._open_code, leave))

    def close_door(self) -> ActionStatus:
        """Close the draught shield."""
        return self._do("close-door", lambda leave: self._move_shield("close-door", self._closed_code, leave))

    def inspect(self) -> ActionStatus:
        """Read type, capacity, software and commands."""
        return self._begin("inspect", self._alone(self._inspect()))

    # -- jobs

    def _move_shield(self, verb: str, code: int, leave: Leave) -> Job:
        """Move the doors, and look until they are there: they may be told as often as need be."""
        grant, heed_stops = leave
        by_s = self.clock.now() + SHIELD_S
        felt = [(yield from self._patiently(self._feel))]
        moved = False
        while True:
            heed_stops()
            said = self._tell_shield(code, grant)
            yield self.clock.now() + LISTEN_S
            felt.append((yield from self._patiently(self._feel)))
            at = yield from self._patiently(self._ask_shield)
            moved = moved or at == Shield.MOVING
            if at == code:
                break
            if at is None:
                raise RefusedError(f"{self.name}: {verb}: no motor moves the doors of this balance: move them by hand")
            if self.clock.now() >= by_s:
                raise ActionFailedError(
                    f"{self.name}: {verb}: the doors are {self._where(at)} (WS {at}) after {SHIELD_S:g} s, the balance "
                    f"said {said}: what is in their way, and are open_code and closed_code right in the lab file?"
                )
            if at == Shield.MOVING:
                yield self.clock.now() + BUSY_S
        self._publish(door=self._where(code))
        if moved:
            felt.append((yield from self._patiently(self._feel)))
            stuck = None not in felt and len(set(felt)) == 1
            self._publish(stuck=STUCK if stuck else "")
            if stuck:
                log.warning("%s: %s", self.name, STUCK)

    def _feel(self) -> float | None:
        """Give the weight where it is at rest; None where anything stirs, or nothing is told."""
        try:
            found = self._current()
        except RefusedError:
            return None
        return found.mass_mg if found is not None and found.stable else None

    def _tell_shield(self, code: int, grant: Granted) -> str:
        try:
            return self._tell_balance(sics.move_shield(code), grant).strip()
        except LinkError as error:
            return f"nothing ({error})"

    def _clear_tare(self, leave: Leave) -> Job:
        grant, heed_stops = leave
        heed_stops()
        yield from self._act_once(sics.CLEAR_TARE, grant, lambda: self._ask_tare() == 0.0, self._rest_by_s(None))
        left_mg = yield from self._patiently(self._ask_tare)
        if left_mg:
            raise ActionFailedError(f"{self.name}: {left_mg:g} mg are still taken off after {sics.CLEAR_TARE}")
        self._tare_known_mg = left_mg
        self._publish(changed="")

    def _inspect(self) -> Job:
        commands = yield from self._patiently(
            lambda: self._parsed(lambda: sics.parse_commands(self._ask_lines(sics.ASK_COMMANDS)))
        )
        yield from self._patiently(self._read_nameplate)
        self._publish(commands=" ".join(commands))

    def _halt(self, grant: Granted) -> Job:
        """Have the balance give up what it waits for; it keeps its tare."""
        self._cancel(grant)
        # Whatever waits learns at once that it was given up.
        self.bus.hasten(self.name)
        yield from ()

    # -- what was found

    def _show(self, mass_mg: float) -> None:
        self._publish(mass_mg=mass_mg, stable=1.0, state="at rest", changed="")

    # -- looking

    def _check_identity(self) -> str:
        if not (self.weighing.serial or self.serial.get()):
            self._refuse_quantos()
        serial = self._recognize(self.weighing.serial)
        self._read_nameplate()
        return f"balance {self.model.get()} {serial}".replace("  ", " ")

    def _refuse_quantos(self) -> None:
        """Refuse what doses and has a balance inside: it says the same of itself, and knows more commands."""
        line = self._query(ASK_DOOR)
        if sics.is_general_error(line):
            return
        raise WrongInstrumentError(
            f"{self.name}: a Quantos answers at {self.link.url} ({ASK_DOOR} with {line.strip()!r}), not a balance "
            "alone: is the address right in the lab file? Where its balance is meant, give its serial number there "
            "(options: serial)"
        )

    def _read_nameplate(self) -> None:
        """Read type, capacity and software, where the balance tells them."""
        try:
            plate = self._parsed(lambda: sics.parse_nameplate(self._ask_lines(sics.ASK_BALANCE)))
            self._publish(model=plate.model)
            if plate.capacity_mg is not None:
                self._publish(capacity_mg=plate.capacity_mg)
            self._publish(software=self._ask_text(sics.ASK_SOFTWARE))
        except RefusedError as error:
            log.info("%s: tells no more of itself: %s", self.name, error)

    def _look(self) -> float:
        self._look_at_weight()
        if self.state.get() != BUSY:
            self._look_at_tare()
            self._at = self._if_new(self._ask_shield, self._at, f"{self.name}: {sics.SHIELD}")
            self._publish(door=NO_DOORS if self._at is None else self._where(self._at))
        if self.stable.get() == 1.0:
            self._restless_since_s = None
            return self.clock.now() + STEADY_S
        if self._restless_since_s is None:
            self._restless_since_s = self.clock.now()
        return next_poll_s(self.clock.now(), self._restless_since_s)

    def _look_at_weight(self) -> None:
        try:
            found = self._current()
        except RefusedError as error:
            self._publish(mass_mg=math.nan, stable=0.0, state=str(error).removeprefix(f"{self.name}: "))
            return
        if found is None or not found.stable:
            self._publish(mass_mg=math.nan, stable=0.0, state=BUSY if found is None else "moving")
        elif self._agrees(found):
            state = "at rest, below minimum" if found.below_minimum else "at rest"
            self._publish(mass_mg=found.mass_mg, stable=1.0, state=state)
        else:
            self._publish(mass_mg=math.nan, stable=0.0, state="moving")

    def _agrees(self, found: Weight) -> bool:
        """Whether a reading agrees with the last that counted, or else with one more."""
        allowed_mg = self.weighing.agreement_mg(found)
        if abs(found.mass_mg - self.mass_mg.get()) <= allowed_mg:
            return True
        again = self._current()
        return again is not None and again.stable and abs(again.mass_mg - found.mass_mg) <= allowed_mg

    def _look_at_tare(self) -> None:
        try:
            tare_mg = self._ask_tare()
        except BusyError:
            return  # it has begun something else since it was asked for its weight
        said = self._tare_changed(self._tare_known_mg, tare_mg)
        if said is not None and self.changed.get() != said:
            # The known one is kept, so that the next weighing fails: its tare is not what was asked for.
            log.warning("%s: %s", self.name, said)
            self._publish(changed=said)
        elif self._tare_known_mg is None:
            self._tare_known_mg = tare_mg

    def _ask_shield(self) -> int | None:
        """Ask where the doors are; None where no motor moves them."""
        line = self._query(sics.SHIELD)
        if sics.is_unknown_command(line) or sics.is_wrong_parameter(line):
            return None
        if sics.is_busy(line):
            return Shield.ERROR
        return self._parsed(lambda: sics.parse_shield(line))

    def _where(self, code: int) -> str:
        if code == self._closed_code:
            return "closed"
        return "moving" if code == Shield.MOVING else "unknown" if code == Shield.ERROR else "open"


def _build(parts: Parts) -> MtSicsBalance:
    return MtSicsBalance(
        **parts.base,
        link=parts.line(software_flow=True, unasked=sics.is_weight),
        weighing=Weighing.of(parts, parts.limits["mass"]),
        open_code=int(parts.option("open_code", OPEN_CODE)),
        closed_code=int(parts.option("closed_code", CLOSED_CODE)),
    )


DRIVER = DriverSpec(
    Kind.BALANCE,
    MtSicsBalance,
    _build,
    limits={"mass": "mg"},
    options={
        **WEIGHING_OPTIONS,
        "open_code": Option("the number after WS that opens a door (1, the right one of an Excellence balance)"),
        "closed_code": Option("the number after WS that closes the doors (0)"),
    },
)
