"""The one page of the lab service: STOP, logging in, and the live state as text.

It works without JavaScript but for the live state, and loads nothing from anywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from importlib.resources import files

from lab.console.person import Person

SCRIPT = "console.js"
STYLE = "console.css"


def static(name: str) -> bytes:
    """A file that the page loads."""
    return files("lab.console").joinpath("static", name).read_bytes()


@dataclass(frozen=True)
class Page:
    """What the page shows."""

    lab: str
    world: str
    stop_url: str
    """Where the STOP form posts to: the supervisor's own route."""
    person: Person | None = None
    csrf: str = ""
    message: str = ""
    """Why something was refused, or what to do next."""

    def html(self) -> str:
        """The page."""
        simulated = self.world != "real"
        title = f"{self.lab} (SIMULATION)" if simulated else self.lab
        return _PAGE.format(
            title=escape(title),
            world=escape(self.world),
            stop=escape(self.stop_url),
            message=f'<p role="alert">{escape(self.message)}</p>' if self.message else "",
            body=_LOGIN if self.person is None else self._state(self.person),
        )

    def _state(self, person: Person) -> str:
        roles = ", ".join(sorted(person.roles)) or "set a secret of your own first"
        return _STATE.format(name=escape(person.name), roles=escape(roles), csrf=escape(self.csrf))


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="/console.css">
<script type="module" src="/console.js"></script>
</head>
<body data-world="{world}">
<header>
<h1>{title}</h1>
<form method="post" action="{stop}"><button id="stop">STOP ALL (software)</button></form>
</header>
<main>
{message}
{body}
</main>
</body>
</html>
"""

_LOGIN = """<form method="post" action="/api/login">
<label>Name <input name="user" autocomplete="username" required></label>
<label>Secret <input name="secret" type="password" autocomplete="current-password" required></label>
<button>Log in</button>
</form>
<details>
<summary>Set a secret of your own</summary>
<form method="post" action="/api/secret">
<label>Name <input name="user" autocomplete="username" required></label>
<label>Secret so far <input name="secret" type="password" autocomplete="current-password" required></label>
<label>New secret <input name="new_secret" type="password" autocomplete="new-password" required></label>
<button>Set</button>
</form>
</details>"""

_STATE = """<form method="post" action="/api/logout">
<p>{name} ({roles}) <input type="hidden" name="csrf" value="{csrf}"><button>Log out</button></p>
</form>
<p id="link" role="status">The live state needs JavaScript.</p>
<pre id="state"></pre>"""
