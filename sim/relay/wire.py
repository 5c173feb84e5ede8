"""One wire with the relay on it: what is to happen there, what goes on, and its cable."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from sim.addresses import Spot
from sim.errors import SimError
from sim.relay import hooks
from sim.relay.addressees import Addressees
from sim.relay.faults import OVER, Fault
from sim.relay.framing import Framing
from sim.relay.framings import framing_of
from sim.relay.possible import possible_faults, possible_variants
from sim.relay.schedule import LASTING, Dice, Order, Schedule
from sim.relay.tap import Tap
from sim.relay.text import LettersAndLines, Lines
from sim.wire.plug import Plug
from sim.wire.receiver import OpenReceiver, Receiver, Send

Note = Callable[[str, Fault, str], None]
"""Instrument, fault, detail."""
CallLater = Callable[[float, Callable[[], None]], None]
"""Wall seconds, and what is to be done."""
Witness = Callable[[str], None]
"""Told the name of whoever answers."""


@dataclass
class Lasting:
    """A fault that goes on."""

    order: Order
    left: int | None
    """More requests; None for ever."""
    end: Callable[[], None]


class TappedWire:
    """One pseudo-terminal or port, with all its connections."""

    def __init__(
        self,
        spots: Mapping[str, Spot],
        instruments: Mapping[str, object],
        note: Note,
        call_later: CallLater,
        *,
        framing: Framing | None = None,
        in_pieces: bool = False,
    ) -> None:
        """Lay it.

        Args:
            spots: Who answers on it, and where.
            instruments: The simulated instruments by name; a name that is not there is a real one.
            note: Called with all that is done.
            call_later: Has something done after a wall time.
            framing: How frames look; None where the receiver says so.
            in_pieces: Whether replies arrive in pieces, as they do from a real line.
        """
        self.names = tuple(spots)
        spot = next(iter(spots.values()))
        self.carrier, self.place = spot.carrier, spot.place
        self.plug: Plug | None = None
        self.framing = framing or Framing()
        self.call_later = call_later
        self.in_pieces = in_pieces
        self.quiet = True
        """Whether nothing is to happen: then bytes only pass."""
        self.hanging = False
        self.late_s = 0.0
        self.earlier = b""
        """The frame that came last while something was to happen."""
        self.witness: Witness | None = None
        """Told of each answer before anything is done to it, under the lock under which it is given."""
        self._addressees = Addressees(spots)
        self._instruments = instruments
        self._note = note
        self._lock = threading.RLock()
        self._orders: list[Order] = []
        self._lasting: list[Lasting] = []
        self._dice: Dice | None = None
        self._schedule = Schedule()
        self._numbers = itertools.count()
        self._stuck: dict[str, dict[bytes, bytes]] = {}
        self._met = framing is not None
        self._possible: dict[str, tuple[Fault, ...]] = {}
        self._states: dict[str, frozenset[Fault]] = {}

    def through(self, inner: OpenReceiver) -> OpenReceiver:
        """Put the relay between a wire and whoever answers."""
        if not self._met:
            self._meet(inner(_say_nothing))

        def open_receiver(send: Send) -> Receiver:
            return Tap(self, send, inner)

        return open_receiver

    def _meet(self, receiver: object) -> None:
        """Learn from a receiver how frames look; all receivers of a wire speak alike."""
        self._met = True
        framing = framing_of(receiver)
        lettered = isinstance(framing, Lines) and self._addressees.lettered
        self.framing = LettersAndLines(framing.end) if isinstance(framing, Lines) and lettered else framing

    # -- what is to happen

    def start(self, schedule: Schedule) -> None:
        """Have faults come by chance or list.

        Raises:
            SimError: Where the list has something that cannot be done.
        """
        for name in self.names:
            for fault in set(schedule.listed.get(name, {}).values()):
                self._check(name, fault)
        with self._lock:
            self._schedule, self._dice = schedule, Dice(schedule, self.place)
            self._look()

    def stop(self) -> None:
        """Let no more faults come; what lasts is ended."""
        with self._lock:
            self._dice = None
            self._orders.clear()
            lasting, self._lasting = self._lasting, []
            self._look()
        for one in lasting:
            self._end(one)

    def order(self, order: Order) -> None:
        """Have a fault happen as soon as it can."""
        with self._lock:
            self._orders.append(order)
            self._look()

    def make_order(
        self, name: str, fault: Fault, seed: int, variant: str | None = None, lasting: int | None = LASTING
    ) -> Order:
        """Say what is to happen.

        Raises:
            SimError: Where that cannot be done to this instrument.
        """
        random = Random(f"{seed}/{self.place}/{next(self._numbers)}")
        self._check(name, fault)
        variants = possible_variants(fault, self.framing, self.carrier, real=name not in self._instruments)
        if variant is not None and variant not in variants:
            known = ", ".join(map(repr, variants))
            raise SimError(f"{name}: there is no way {variant!r} for {fault}: there are {known}")
        return Order(name, fault, random.choice(variants) if variant is None else variant, random, lasting, self.late_s)

    def possible(self, name: str) -> tuple[Fault, ...]:
        """Give the faults that can be done to an instrument."""
        if name not in self._possible:
            self._possible[name] = possible_faults(self.framing, self.carrier, self._instruments.get(name))
        return self._possible[name]

    # -- for taps

    def instrument(self, name: str) -> object:
        """Give a simulated instrument, None for a real one."""
        return self._instruments.get(name)

    def addressed(self, request: bytes) -> str:
        """Give who is meant; whoever was meant before where that cannot be told."""
        return self._addressees.of(self.framing, request)

    def asked(self, name: str) -> tuple[Order, ...]:
        """Count a request; give what is to happen to the instrument, in the order in which it was ordered."""
        with self._lock:
            over = self._count(name)
            self._roll(name)
            orders = tuple(order for order in self._orders if order.instrument == name)
            self._look()
        for one in over:
            self._end(one)
        return orders

    def waiting(self, name: str) -> tuple[Order, ...]:
        """Give what is to happen to an instrument."""
        return tuple(order for order in self._orders if order.instrument == name)

    def done(self, order: Order, detail: str) -> None:
        """Note that something was done."""
        with self._lock:
            order.times -= 1
            if order.times <= 0 and order in self._orders:
                self._orders.remove(order)
            self._look()
        self._note(order.instrument, order.fault, detail)

    def go_on(self, order: Order, end: Callable[[], None]) -> None:
        """Call `end` after as many requests as the order says."""
        with self._lock:
            self._lasting.append(Lasting(order, order.lasting, end))

    def hang(self, order: Order) -> None:
        """Let nothing pass for as many requests."""
        self.hanging = True
        self.go_on(order, self._unhang)

    def stick(self, order: Order) -> None:
        """Have reads be answered as they were first answered from now on."""
        self._stuck[order.instrument] = {}
        self.go_on(order, lambda: self._unstick(order.instrument))

    def stuck(self, name: str) -> dict[bytes, bytes] | None:
        """Give what was answered since an instrument got stuck: question -> reply; None where it is not."""
        return self._stuck.get(name)

    # -- inside

    def _count(self, name: str) -> list[Lasting]:
        """Give what ends with this request."""
        for one in self._lasting:
            if one.order.instrument == name and one.left is not None:
                one.left -= 1
        over = [one for one in self._lasting if one.left is not None and one.left < 0]
        self._lasting = [one for one in self._lasting if one not in over]
        return over

    def _roll(self, name: str) -> None:
        if self._dice is None:
            return
        fault = self._dice.roll(name, self._possible_now(name))
        if fault is None:
            return
        lasting = self._schedule.lasts.get(fault, self._schedule.lasting)
        order = self.make_order(name, fault, self._schedule.seed, lasting=lasting)
        order.by_chance = True
        self._orders.append(order)

    def _possible_now(self, name: str) -> list[Fault]:
        """Give what chance may bring: nothing twice at once, and nothing that nobody could see for what goes on."""
        going_on = {one.order.fault for one in self._lasting if one.order.instrument == name}
        ahead = {order.fault for order in self._orders if order.instrument == name and order.by_chance}
        hidden = going_on | ahead
        if name not in self._states:
            self._states[name] = hooks.states_of(self.instrument(name))
        if hidden & self._states[name]:
            hidden |= self._states[name]
        if Fault.STUCK in hidden:
            hidden |= hooks.ACTS.keys()
        return [fault for fault in self.possible(name) if fault not in hidden]

    def _end(self, one: Lasting) -> None:
        one.end()
        self._note(one.order.instrument, one.order.fault, OVER)

    def _look(self) -> None:
        nothing = not self._orders and not self._lasting and (self._dice is None or self._dice.over)
        self.quiet = nothing

    def _unhang(self) -> None:
        self.hanging = False

    def _unstick(self, name: str) -> None:
        self._stuck.pop(name, None)

    def _check(self, name: str, fault: Fault) -> None:
        if fault not in self.possible(name):
            known = ", ".join(self.possible(name))
            raise SimError(f"{name}: {fault} cannot be done to it ({fault.about}): there are {known}")


def _say_nothing(_: bytes) -> None:
    """Take what a receiver says that serves nobody."""
