"""Routes of the laboratory itself, with JSON both ways; who may use which is in `lab.console.routes`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from lab.console import requests as sent
from lab.console.desk import At, Somebody, admitted
from lab.console.guard import connection_of
from lab.console.live import LiveState

State = dict[str, Any]

router = APIRouter(prefix="/api", dependencies=[Depends(admitted)])


@router.get("/state")
def state(desk: At, person: Somebody) -> State:
    """Everything, once."""
    return desk.service.snapshot(person)


@router.get("/events")
async def events(request: Request, desk: At, person: Somebody) -> Response:
    """Everything, and then what changes."""
    stream = desk.broadcast.join(connection_of(request).abort)
    shown = desk.guard.shown(request)
    return LiveState(desk.broadcast, stream, lambda: desk.entrance.identify(shown, touch=False) is not None)


@router.get("/leases")
def leases(desk: At, person: Somebody) -> State:
    """Who has which device."""
    return desk.service.leases(person)


@router.post("/leases")
def take(request: Request, desk: At, person: Somebody, body: sent.Take) -> State:
    """Take a device by hand."""
    return desk.once(request, person, body, lambda: desk.service.take(person, body.device))


@router.post("/leases/{lease}/renew")
def renew(desk: At, person: Somebody, lease: str) -> State:
    """Keep a lease; sent every few seconds, so it is never answered from memory."""
    return desk.service.renew(person, lease)


@router.post("/leases/{lease}/release")
def release(request: Request, desk: At, person: Somebody, lease: str) -> State:
    """Give a device back; what it did before does not go on by that."""
    return desk.once(request, person, None, lambda: desk.service.release(person, lease))


@router.post("/arm")
def arm(request: Request, desk: At, person: Somebody, body: sent.Arm) -> State:
    """Prepare a command, and learn what stands against it."""

    def work() -> State:
        return desk.service.arm(person, body.lease, body.device, body.verb, body.value)

    return desk.once(request, person, body, work)


@router.post("/execute", status_code=202)
def execute(request: Request, desk: At, person: Somebody, body: sent.Execute) -> State:
    """Give an armed command; how it goes is at ``/api/commands/ID``."""
    return desk.once(request, person, body, lambda: desk.service.execute(person, body.token))


@router.get("/commands/{command}")
def command(desk: At, person: Somebody, command: str) -> State:
    """How a command stands."""
    return desk.service.command(person, command)


@router.post("/hold")
def hold(request: Request, desk: At, person: Somebody, body: sent.Hold) -> State:
    """Have work wait."""
    return desk.once(request, person, body, lambda: desk.service.hold(person, body.what, body.reason))


@router.post("/resume")
def resume(request: Request, desk: At, person: Somebody, body: sent.Resume) -> State:
    """Have work go on."""
    return desk.once(request, person, body, lambda: desk.service.resume(person, body.what))


@router.get("/lockouts")
def lock_outs(desk: At, person: Somebody) -> State:
    """All lock-outs."""
    return desk.service.lock_outs(person)


@router.post("/lockouts")
def lock_out(request: Request, desk: At, person: Somebody, body: sent.LockOut) -> State:
    """Keep everybody from starting anything at a device."""
    return desk.once(request, person, body, lambda: desk.service.lock_out(person, body.device, body.reason))


@router.post("/lockouts/remove")
def remove_lock_out(request: Request, desk: At, person: Somebody, body: sent.LockOutRemoval) -> State:
    """Take a lock off."""
    return desk.once(request, person, body, lambda: desk.service.remove_lock_out(person, body.device, body.of))


@router.get("/alarms")
def alarms(desk: At, person: Somebody, history: bool = False) -> State:
    """All alarms."""
    return desk.service.alarms(person, history=history)


@router.post("/alarms/ack")
def acknowledge(request: Request, desk: At, person: Somebody, body: sent.AlarmKey) -> State:
    """Say that one has seen an alarm."""
    return desk.once(request, person, body, lambda: desk.service.acknowledge(person, body.key))


@router.post("/alarms/shelve")
def shelve(request: Request, desk: At, person: Somebody, body: sent.AlarmShelf) -> State:
    """Silence an alarm for a while."""
    return desk.once(request, person, body, lambda: desk.service.shelve(person, body.key, body.for_s, body.reason))


@router.post("/alarms/unshelve")
def unshelve(request: Request, desk: At, person: Somebody, body: sent.AlarmKey) -> State:
    """Have a shelved alarm back."""
    return desk.once(request, person, body, lambda: desk.service.unshelve(person, body.key))


@router.post("/alarms/out-of-service")
def take_out(request: Request, desk: At, person: Somebody, body: sent.AlarmOut) -> State:
    """Take an alarm out of service."""
    return desk.once(request, person, body, lambda: desk.service.out_of_service(person, body.key, body.reason))


@router.post("/alarms/in-service")
def put_back(request: Request, desk: At, person: Somebody, body: sent.AlarmKey) -> State:
    """Have an alarm in service again."""
    return desk.once(request, person, body, lambda: desk.service.in_service(person, body.key))


@router.get("/bypasses")
def bypasses(desk: At, person: Somebody) -> State:
    """The bypasses that are active or asked for."""
    return desk.service.bypasses(person)


@router.post("/bypasses")
def request_bypass(request: Request, desk: At, person: Somebody, body: sent.BypassWish) -> State:
    """Ask for a rule to be suspended."""
    return desk.once(
        request,
        person,
        body,
        lambda: desk.service.request_bypass(person, body.rule, body.reason, body.for_s, body.measure),
    )


@router.post("/bypasses/{bypass}/approve")
async def approve_bypass(request: Request, desk: At, person: Somebody, bypass: str, body: sent.Login) -> State:
    """Suspend the rule, as the safety officer whose secret comes along."""
    return await desk.prove(lambda: desk.approve(request, person, bypass, body))


@router.post("/bypasses/{bypass}/end")
def end_bypass(request: Request, desk: At, person: Somebody, bypass: str) -> State:
    """Have the rule act again."""
    return desk.once(request, person, None, lambda: desk.service.end_bypass(person, bypass))


@router.post("/reset")
def reset(request: Request, desk: At, person: Somebody) -> State:
    """Clear what is latched and has no cause any more."""
    return desk.once(request, person, None, lambda: desk.service.reset(person))


@router.post("/rearm")
def rearm(request: Request, desk: At, person: Somebody, body: sent.Rearm) -> State:
    """Arm the watchdog of a safety module again."""
    return desk.once(request, person, body, lambda: desk.service.rearm(person, body.module))


@router.get("/audit")
def audit(desk: At, person: Somebody) -> State:
    """Number and hash of the newest audit record."""
    return desk.service.audit_head(person)
