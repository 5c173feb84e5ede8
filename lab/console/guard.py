"""What each request must pass before its route: who sends it, whether that person may, and whether they meant it."""

from __future__ import annotations

import hmac
from http.cookies import CookieError, SimpleCookie

from starlette.requests import Request
from starlette.responses import Response

from lab.console.entrance import Entrance, Shown, csrf_of
from lab.console.errors import NotAllowedError, UnknownPersonError
from lab.console.peer import Connection
from lab.console.person import Person
from lab.console.routes import ROUTES
from lab.errors import LabError
from lab.safety.people.roles import ACTIONS
from lab.safety.people.sessions import ABSOLUTE_S

CSRF_HEADER = "x-csrf-token"


class Guard:
    """Lets requests pass; one for each app."""

    def __init__(self, entrance: Entrance, lab: str) -> None:
        self.entrance = entrance
        # Cookies do not keep ports apart, and two laboratories may be served on one machine.
        self._cookie = f"athanor-{lab}"

    def admit(self, request: Request) -> Person | None:
        """Who sends a request to a route, None where nobody knows and nobody must.

        Raises:
            UnknownPersonError: Where somebody must be known.
            NotAllowedError: Where the person may not, or a foreign page made the browser send it.
        """
        access = ROUTES[request.method, request.scope["route"].path]
        shown = self.shown(request)
        if request.method == "POST" and access.guarded:
            refuse_foreign(request)
        if access.action is None or ACTIONS[access.action] is None:
            return self._maybe(shown)
        person = self.entrance.identify(shown)
        if person is None:
            raise UnknownPersonError("nobody knows who asks: log in, or send a token")
        if request.method == "POST" and access.guarded and shown.by_browser:
            self.refuse_unmeant(request, request.headers.get(CSRF_HEADER))
        person.require(access.action)
        return person

    def _maybe(self, shown: Shown) -> Person | None:
        """Who it is, if that can be told: where nobody must be known, nobody is turned away either."""
        try:
            return self.entrance.identify(shown)
        except LabError:
            return None

    def shown(self, request: Request) -> Shown:
        """What a request shows of its sender."""
        kind, _, bearer = request.headers.get("authorization", "").partition(" ")
        peer = connection_of(request).peer
        host = request.client.host if request.client else ""
        return Shown(
            session=self._session(request),
            bearer=bearer.strip() if kind.lower() == "bearer" else None,
            peer=peer,
            address=host if peer is None else f"uid {peer.uid}",
        )

    def keep_session(self, request: Request, response: Response, session_id: str) -> None:
        """Have the browser show a session from now on."""
        response.set_cookie(
            self._cookie_name(request),
            session_id,
            max_age=int(ABSOLUTE_S),
            path="/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )

    def drop_session(self, request: Request, response: Response) -> None:
        """Have the browser forget its session."""
        secure = request.url.scheme == "https"
        response.delete_cookie(self._cookie_name(request), path="/", secure=secure, httponly=True, samesite="strict")

    def refuse_unmeant(self, request: Request, token: str | None) -> None:
        """Make sure that a page of ours sent a request that comes with a session.

        Raises:
            NotAllowedError: Where the page's token is missing or wrong.
        """
        session = self._session(request)
        if session is None or self.entrance.sessions.find(session, touch=False) is None:
            return
        if token is None or not hmac.compare_digest(token.encode(), csrf_of(session).encode()):
            raise NotAllowedError(
                f"the request does not show that a page of this session sent it: send the header {CSRF_HEADER} with "
                "what /api/me gives as csrf"
            )

    def _session(self, request: Request) -> str | None:
        jar = SimpleCookie()
        try:
            jar.load(request.headers.get("cookie", ""))
        except CookieError:
            return None
        morsel = jar.get(self._cookie_name(request))
        return None if morsel is None else morsel.value

    def _cookie_name(self, request: Request) -> str:
        # With the prefix a browser takes the cookie over TLS only, from this host only (RFC 6265bis).
        return f"__Host-{self._cookie}" if request.url.scheme == "https" else self._cookie


def connection_of(request: Request) -> Connection:
    """What the server knows of the connection; nothing where no server of ours brought the request."""
    found = getattr(request.state, "connection", None)
    return found if isinstance(found, Connection) else Connection(None, lambda: None)


def refuse_foreign(request: Request) -> None:
    """Make sure that no page of somebody else had a browser send this.

    Raises:
        NotAllowedError: Where one did.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    # Older browsers, and all over plain HTTP on a network, send no Sec-Fetch-Site; every one sends Origin.
    foreign = site not in ("same-origin", "none") if site is not None else origin not in (None, own)
    if foreign:
        raise NotAllowedError(f"the request comes from another page ({origin or site}): use the console's own")
