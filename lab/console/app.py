"""The lab service as one FastAPI application: what every request passes, and how every error is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from drivers.gate import CommandDeniedError, DriverError
from lab.console.api import router
from lab.console.commands import FAILED_INSIDE, Replies
from lab.console.desk import Desk
from lab.console.entrance import Entrance
from lab.console.errors import ConsoleError, RefusedError, TooOftenError
from lab.console.events import Broadcast
from lab.console.frame import Frame
from lab.console.guard import Guard
from lab.console.pages import router as pages
from lab.console.pages import stopping
from lab.console.routes import ROUTES
from lab.console.service import LabService
from lab.errors import LabError


def build_app(
    service: LabService,
    entrance: Entrance,
    broadcast: Broadcast,
    stop_url: Callable[[], str | None] = lambda: None,
) -> FastAPI:
    """Put the application together.

    Args:
        service: The laboratory.
        entrance: Who may come in.
        broadcast: The live state.
        stop_url: Where the supervisor itself takes a STOP over HTTP; None: STOP goes through this service.

    Raises:
        RuntimeError: Where the routes and the table of who may use them do not match.
    """
    app = FastAPI(
        title=service.lab,
        routes=[*stopping.routes, *pages.routes, *router.routes],
        # The generated documentation pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.desk = Desk(service, entrance, broadcast, Guard(entrance, service.lab), Replies(), stop_url)
    check_routes(app)
    app.add_middleware(Frame, form_targets=lambda: _origin(stop_url()))
    app.add_exception_handler(LabError, _refusal)
    app.add_exception_handler(DriverError, _refusal)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _defect)
    return app


def check_routes(app: FastAPI) -> None:
    """Make sure that every route says who may use it.

    Raises:
        RuntimeError: With the routes that do not.
    """
    ours = [route for route in app.routes if isinstance(route, APIRoute)]
    there = {(method, route.path) for route in ours for method in route.methods or ()}
    others = [route for route in app.routes if not isinstance(route, APIRoute)]
    if there != ROUTES.keys() or others:
        raise RuntimeError(f"routes without an entry, or entries without a route: {there ^ ROUTES.keys()} {others}")


def _origin(url: str | None) -> str:
    """The origin of a URL, which the page's forms may post to besides this service."""
    if url is None:
        return ""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _refusal(_request: Request, error: Exception) -> Response:
    """What was refused, in one sentence."""
    body: dict[str, Any] = {"error": str(error)}
    headers: Mapping[str, str] | None = None
    status = error.status if isinstance(error, ConsoleError) else 409
    if isinstance(error, RefusedError | CommandDeniedError):
        body["reasons"] = list(error.reasons)
    if isinstance(error, TooOftenError):
        headers = {"Retry-After": str(int(error.retry_after_s) + 1)}
    return JSONResponse(body, status, headers)


def _invalid(_request: Request, error: Exception) -> Response:
    """A request that does not say what it must, named by its first fault."""
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    first = faults[0] if faults else {"loc": (), "msg": "cannot be read"}
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path")) or "the request"
    return JSONResponse({"error": f"{where}: {first['msg']}"}, 422)


def _http(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = {404: "there is no such path", 405: "this path does not take that method"}.get(status)
    headers = error.headers if isinstance(error, HTTPException) else None
    return JSONResponse({"error": detail or getattr(error, "detail", str(error))}, status, headers)


def _defect(_request: Request, _error: Exception) -> Response:
    # Starlette raises the error again after this, so that the server logs it with its trace.
    return JSONResponse({"error": FAILED_INSIDE}, 500)
