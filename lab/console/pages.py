"""Routes for browsers: the page, logging in and out, a secret of one's own; programs may use them with JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

from anyio import to_thread
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from lab.console.desk import Anybody, At, Desk, admitted
from lab.console.entrance import csrf_of
from lab.console.errors import BadRequestError, ConsoleError
from lab.console.guard import CSRF_HEADER
from lab.console.listen import is_loopback
from lab.console.page import SCRIPT, STYLE, Page, static
from lab.console.person import Person
from lab.console.requests import Login, NewSecret
from lab.errors import LabError

FORM = "application/x-www-form-urlencoded"
OWN_STOP = "/api/stop"

router = APIRouter(dependencies=[Depends(admitted)])
# Who sends a STOP is asked by nothing that could wait or refuse.
stopping = APIRouter()
Sent = TypeVar("Sent", bound=BaseModel)


@router.get("/")
def page(request: Request, desk: At, person: Anybody) -> Response:
    """The page, as far as it is for whoever asks."""
    return HTMLResponse(_page(request, desk, person).html())


@router.get("/console.js")
def script() -> Response:
    """What shows the live state."""
    return Response(static(SCRIPT), media_type="text/javascript")


@router.get("/console.css")
def style() -> Response:
    """How the page looks."""
    return Response(static(STYLE), media_type="text/css")


@router.get("/api/me")
def me(request: Request, desk: At, person: Anybody) -> dict[str, Any]:
    """Who asks, and what pages of the session prove themselves with."""
    return _told(desk, request, person)


@router.post("/api/login")
async def login(request: Request, desk: At) -> Response:
    """Open a session."""

    def log_in(sent: Login) -> Response:
        session_id, user = desk.entrance.log_in(sent.user, sent.secret, desk.guard.shown(request).address)
        told = {
            "user": user.name,
            "roles": sorted(user.roles),
            "csrf": csrf_of(session_id),
            # Until then the person has no roles.
            "must_change": user.must_change,
        }
        response = RedirectResponse("/", 303) if _is_form(request) else JSONResponse(told)
        desk.guard.keep_session(request, response, session_id)
        return response

    return await _answer(request, desk, Login, log_in)


@router.post("/api/secret")
async def set_secret(request: Request, desk: At) -> Response:
    """Take a secret of one's own, with the one so far."""

    def change(sent: NewSecret) -> Response:
        address = desk.guard.shown(request).address
        desk.entrance.set_secret(sent.user, sent.secret, sent.new_secret, address)
        if _is_form(request):
            return HTMLResponse(_page(request, desk, None, "The new secret is set: log in with it.").html())
        return JSONResponse({"user": sent.user})

    return await _answer(request, desk, NewSecret, change)


@router.post("/api/logout")
async def logout(request: Request, desk: At) -> Response:
    """End the session."""
    form = await _form(request) if _is_form(request) else {}
    desk.guard.refuse_unmeant(request, request.headers.get(CSRF_HEADER) or form.get("csrf"))
    session = desk.guard.shown(request).session
    if session is not None:
        await to_thread.run_sync(desk.entrance.log_out, session)
    response = RedirectResponse("/", 303) if form else JSONResponse({"user": None})
    desk.guard.drop_session(request, response)
    return response


@stopping.post("/api/stop")
async def stop(request: Request, desk: At) -> dict[str, Any]:
    """Stop everything: needs nothing, and waits for nobody's turn."""
    actor = desk.entrance.name(desk.guard.shown(request))
    return await to_thread.run_sync(desk.service.stop, actor, limiter=desk.stopping)


async def _answer(request: Request, desk: Desk, kind: type[Sent], work: Callable[[Sent], Response]) -> Response:
    """Do something that takes a secret; a form gets its refusal as a page."""
    try:
        sent = await _sent(request, kind)
        return await desk.prove(lambda: work(sent))
    except LabError as error:
        if not _is_form(request):
            raise
        status = error.status if isinstance(error, ConsoleError) else 409
        return HTMLResponse(_page(request, desk, None, str(error)).html(), status)


async def _sent(request: Request, kind: type[Sent]) -> Sent:
    try:
        if _is_form(request):
            return kind.model_validate(await _form(request))
        return kind.model_validate_json(await request.body())
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"]) or "the request"
        raise BadRequestError(f"{where}: {fault['msg']}") from None


def _is_form(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM


async def _form(request: Request) -> dict[str, str]:
    body = await request.body()
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _told(desk: Desk, request: Request, person: Person | None) -> dict[str, Any]:
    if person is None:
        return {"user": None, "roles": [], "csrf": None}
    session = desk.guard.shown(request).session
    return {
        "user": person.name,
        "roles": sorted(person.roles),
        "csrf": None if session is None else csrf_of(session),
    }


def _page(request: Request, desk: Desk, person: Person | None, message: str = "") -> Page:
    csrf = _told(desk, request, person)["csrf"] or ""
    service = desk.service
    return Page(service.lab, service.world, _stop_url(request, desk, person), person, csrf, message)


def _stop_url(request: Request, desk: Desk, person: Person | None) -> str:
    """Where a STOP of this browser is taken: by the supervisor itself wherever it can be reached."""
    url = desk.stop_url()
    host = urlsplit(url).hostname if url else None
    if url is None or host is None:
        return OWN_STOP
    reachable = not is_loopback(host) or is_loopback(request.url.hostname or "")
    if not reachable:
        return OWN_STOP
    return url if person is None else f"{url}?by={quote(person.name)}"
