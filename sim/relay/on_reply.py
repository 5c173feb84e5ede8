"""Faults that are done when the instrument says something, before anybody hears it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sim.relay import hooks
from sim.relay.damage import Parcel, at_once, cut, dripping, first_wrapped, noisy, with_noise_before
from sim.relay.faults import Fault
from sim.relay.on_request import REQUEST
from sim.relay.possible import CONNECTION_LIMIT, THEIRS_FIRST
from sim.relay.scene import Scene
from sim.relay.schedule import Order

AGAIN_S = 0.02
DRIP_S = 0.004
BEFORE = "before"

Act = Callable[[Scene, Order, bytes], list[Parcel] | None]
"""Gives what goes out in place of a reply, or None where an order is nothing for this reply."""


def on_reply(scene: Scene, order: Order, reply: bytes) -> list[Parcel] | None:
    """Do to a reply what an order asks for; None where it is nothing for this reply."""
    act = _ACTS.get(order.fault)
    return act(scene, order, reply) if act and order.variant != REQUEST else None


def _lose(scene: Scene, _: Order, __: bytes) -> list[Parcel]:
    scene.mute()  # a reply may have several lines
    return []


def _delay(_: Scene, order: Order, reply: bytes) -> list[Parcel]:
    return [Parcel(order.late_s, reply)]


def _repeat(_: Scene, order: Order, reply: bytes) -> list[Parcel]:
    return [Parcel(0.0, reply), Parcel(0.0 if order.variant == "at once" else AGAIN_S, reply)]


def _cut(_: Scene, order: Order, reply: bytes) -> list[Parcel]:
    return at_once(cut(reply, order.variant))


def _spoil(scene: Scene, _: Order, reply: bytes) -> list[Parcel] | None:
    return _maybe(scene.framing.spoil(reply))


def _make_noise(_: Scene, order: Order, reply: bytes) -> list[Parcel]:
    if order.variant == BEFORE:
        return at_once(with_noise_before(reply, order.random))
    return at_once(noisy(reply, int(order.variant.removesuffix(" %")) / 100.0, order.random))


def _readdress(scene: Scene, _: Order, reply: bytes) -> list[Parcel] | None:
    return _maybe(scene.framing.by_another(reply))


def _wrap(scene: Scene, _: Order, reply: bytes) -> list[Parcel] | None:
    return _maybe(scene.framing.with_words(reply, first_wrapped))


def _corrupt(scene: Scene, order: Order, reply: bytes) -> list[Parcel] | None:
    return _maybe(scene.framing.corrupt(reply, order.random))


def _say_more(scene: Scene, order: Order, reply: bytes) -> list[Parcel] | None:
    more = hooks.unsolicited(scene.instrument(order)) or scene.earlier
    if not more:
        return None  # nothing has been said before that could be said again
    return at_once(more + reply if order.variant == BEFORE else reply + more)


def _end_early(scene: Scene, _: Order, __: bytes) -> list[Parcel] | None:
    if not scene.replies:
        return None  # that there is more than one line is known when the second one comes
    scene.mute()
    return []


def _never_end(scene: Scene, _: Order, reply: bytes) -> list[Parcel] | None:
    beginning = scene.framing.begun(reply)
    if beginning is None:
        return None
    scene.never_end(beginning)
    return at_once(reply)


def _steal(_: Scene, order: Order, __: bytes) -> list[Parcel] | None:
    return None if order.variant in (THEIRS_FIRST, CONNECTION_LIMIT) else []


def _drip(_: Scene, __: Order, reply: bytes) -> list[Parcel]:
    return dripping(reply, DRIP_S)


def _maybe(changed: bytes | None) -> list[Parcel] | None:
    return None if changed is None else at_once(changed)


_ACTS: Mapping[Fault, Act] = {
    Fault.NO_REPLY: _lose,
    Fault.LATE_REPLY: _delay,
    Fault.DUPLICATE_REPLY: _repeat,
    Fault.PARTIAL_FRAME: _cut,
    Fault.BAD_CHECKSUM: _spoil,
    Fault.NOISE: _make_noise,
    Fault.FOREIGN_REPLY: _readdress,
    Fault.INT16_WRAP: _wrap,
    Fault.PAYLOAD_CORRUPTION: _corrupt,
    Fault.UNSOLICITED: _say_more,
    Fault.MULTILINE_CUT: _end_early,
    Fault.BEGUN_THEN_NOTHING: _never_end,
    Fault.TWO_MASTERS: _steal,
    Fault.SLOW_DRIP: _drip,
}
