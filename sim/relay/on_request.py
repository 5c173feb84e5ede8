"""Faults that are done when a request arrives, before the instrument hears it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sim.addresses import Carrier
from sim.relay import hooks
from sim.relay.damage import noisy
from sim.relay.faults import Fault
from sim.relay.possible import CONNECTION_LIMIT, THEIRS_FIRST
from sim.relay.scene import Scene
from sim.relay.schedule import Order

REQUEST = "request"
ACKNOWLEDGED, DEVICE_BUSY = "5", 6
"""Modbus exceptions: accepted and under way; busy with something else."""
GONE_S = 0.1
"""Wall seconds for which a cable is out, at most."""
LIMIT_S = 0.2
"""Wall seconds for which connections are turned away."""
NOISE = 0.3


@dataclass(frozen=True)
class Taken:
    """A fault was done."""

    on: bytes = b""
    """What the instrument still hears of the request."""
    detail: str | None = None
    """What was done; None for the variant's name."""


Act = Callable[[Scene, Order, bytes], Taken | None]
"""Does what an order asks for; gives None where it is nothing for this request."""


def on_request(scene: Scene, order: Order, request: bytes) -> Taken | None:
    """Do to a request what an order asks for; None where it must wait for the reply, or for another request."""
    fault, instrument = order.fault, scene.instrument(order)
    if fault is Fault.OTHER_DEVICE:
        return _exchange(scene, order)
    if fault in hooks.LASTING and hooks.has_hook(instrument, fault):
        detail, end = hooks.switch_on(instrument, fault)
        scene.go_on(order, end)
        return Taken(request, detail)
    if fault in hooks.ACTS and hooks.has_hook(instrument, fault):
        detail = hooks.do(instrument, fault, order.random)
        return _without_power(scene, detail) if fault is Fault.POWER_CYCLE else Taken(request, detail)
    act = _ACTS.get(fault)
    return act(scene, order, request) if act else None


def _lose(_: Scene, order: Order, __: bytes) -> Taken | None:
    return Taken() if order.variant == REQUEST else None


def _cut(_: Scene, order: Order, request: bytes) -> Taken | None:
    return Taken(request[: len(request) // 2]) if order.variant == REQUEST else None


def _spoil(scene: Scene, order: Order, request: bytes) -> Taken | None:
    spoilt = scene.framing.spoil(request) if order.variant == REQUEST else None
    return None if spoilt is None else Taken(spoilt)


def _make_noise(_: Scene, order: Order, request: bytes) -> Taken | None:
    return Taken(noisy(request, NOISE, order.random)) if order.variant == REQUEST else None


def _refuse(scene: Scene, order: Order, request: bytes) -> Taken | None:
    refusal = scene.framing.refusal(request, int(order.variant))
    if refusal is None:
        return None
    scene.answer(refusal)
    if order.variant != ACKNOWLEDGED:
        return Taken()
    scene.mute()
    return Taken(request)


def _be_busy(scene: Scene, _: Order, request: bytes) -> Taken | None:
    refusal = scene.framing.refusal(request, DEVICE_BUSY)
    if refusal is None:
        return None
    scene.answer(refusal)
    return Taken()


def _ignore(scene: Scene, _: Order, request: bytes) -> Taken | None:
    acknowledgement = scene.framing.acknowledgement(request)
    if acknowledgement is None:
        return None
    scene.answer(acknowledgement)
    return Taken()


def _stick(scene: Scene, order: Order, request: bytes) -> Taken | None:
    if not scene.framing.reads(request):
        return None
    scene.stick(order)
    return Taken(request)


def _disconnect(scene: Scene, order: Order, request: bytes) -> Taken | None:
    gone_s = order.random.choice((0.0, order.random.uniform(0.0, GONE_S)))
    if order.variant != REQUEST:
        scene.mute()
    scene.pull(gone_s)
    return Taken(b"" if order.variant == REQUEST else request, f"{order.variant}, gone {1000 * gone_s:.0f} ms")


def _exchange(scene: Scene, order: Order) -> Taken:
    _, end = hooks.switch_on(scene.instrument(order), order.fault)

    def back() -> None:
        end()
        scene.pull()

    scene.go_on(order, back)
    scene.pull()
    return Taken()


def _die(scene: Scene, order: Order, _: bytes) -> Taken:
    if order.variant == "reset":
        scene.reset()
    elif order.variant == "half-open":
        scene.die()
    else:
        scene.hang(order)
    return Taken()


def _share(scene: Scene, order: Order, request: bytes) -> Taken | None:
    if order.variant == CONNECTION_LIMIT:
        scene.pull(LIMIT_S)
        return Taken()
    question = scene.framing.foreign_question(request) if order.variant == THEIRS_FIRST else None
    return None if question is None else Taken(question + request)


def _without_power(scene: Scene, detail: str) -> Taken:
    if scene.carrier is Carrier.TCP:
        scene.pull()
    return Taken(detail=detail)


_ACTS: Mapping[Fault, Act] = {
    Fault.NO_REPLY: _lose,
    Fault.PARTIAL_FRAME: _cut,
    Fault.BAD_CHECKSUM: _spoil,
    Fault.NOISE: _make_noise,
    Fault.EXCEPTION: _refuse,
    Fault.BUSY: _be_busy,
    Fault.SETPOINT_IGNORED: _ignore,
    Fault.STUCK: _stick,
    Fault.DISCONNECT: _disconnect,
    Fault.DEAD_CONNECTION: _die,
    Fault.TWO_MASTERS: _share,
}
