"""The shell's way to a running lab service: HTTP over its Unix socket."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

from lab.errors import LabError, UsageError
from lab.records.lock import held_labs
from lab.safety.supervisor.sockets import connect_unix

SOCKET = "lab.sock"
"""The lab service's socket in the laboratory's runtime folder."""
ANSWER_S = 40.0
"""Wall seconds until an answer is given up: longer than the service itself waits for the laboratory."""
CONNECT_S = 3.0
SILENT_S = 8.0
"""Wall seconds without an event of the live state, which has one every two, until the service counts as hung."""
LOOK_AGAIN_S = 0.1

State = dict[str, Any]


class ServiceGoneError(LabError):
    """Nobody answers where the lab service should be."""


class ServiceRefusedError(LabError):
    """What the lab service refuses, with its reasons."""

    def __init__(self, text: str, status: int, reasons: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.status, self.reasons = status, reasons


class _Wire(HTTPConnection):
    """HTTP over the Unix socket of a folder."""

    def __init__(self, folder: Path, answer_s: float) -> None:
        super().__init__("lab")
        self._folder, self._answer_s = folder, answer_s

    def connect(self) -> None:
        """Connect."""
        self.sock = connect_unix(self._folder / SOCKET, CONNECT_S)
        self.sock.settimeout(self._answer_s)


class LabClient:
    """Asks one lab service; a connection for each question, so several threads may ask."""

    def __init__(self, folder: Path, *, token: str | None = None, answer_s: float = ANSWER_S) -> None:
        """Prepare; nothing is connected before something is asked.

        Args:
            folder: The laboratory's runtime folder.
            token: A machine's token; without one the service knows the user of this process.
            answer_s: Wall seconds until an answer is given up.
        """
        self.folder = folder
        self._answer_s = answer_s
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    # -- looking

    def me(self) -> State:
        """Who the service takes this process for."""
        return self._get("/api/me")

    def state(self) -> State:
        """Everything, once."""
        return self._get("/api/state")

    def events(self) -> Iterator[tuple[str, State]]:
        """Kind and data of the live state's events, until the service ends them.

        Raises:
            ServiceGoneError: Where the service falls silent.
            ServiceRefusedError: Where it does not give them.
        """
        with self._asking("GET", "/api/events", answer_s=SILENT_S) as response:
            yield from parse_events(line.decode().rstrip("\n") for line in response)

    def leases(self) -> State:
        """Who has which device."""
        return self._get("/api/leases")

    def alarms(self, *, history: bool = False) -> State:
        """All alarms."""
        return self._get("/api/alarms", history=history)

    def bypasses(self) -> State:
        """The bypasses that are active or asked for."""
        return self._get("/api/bypasses")

    def lock_outs(self) -> State:
        """All lock-outs."""
        return self._get("/api/lockouts")

    def audit(self) -> State:
        """Number and hash of the newest audit record."""
        return self._get("/api/audit")

    # -- driving by hand

    def take(self, device: str) -> State:
        """Take a device."""
        return self._post("/api/leases", {"device": device})

    def renew(self, lease: str) -> State:
        """Keep a lease."""
        return self._post(f"/api/leases/{_quoted(lease)}/renew")

    def release(self, lease: str) -> State:
        """Give a device back."""
        return self._post(f"/api/leases/{_quoted(lease)}/release")

    def arm(self, lease: str, device: str, verb: str, value: str | None = None) -> State:
        """Learn what a command would do, and have it ready."""
        return self._post("/api/arm", {"lease": lease, "device": device, "verb": verb, "value": value})

    def execute(self, token: str, *, key: str | None = None) -> State:
        """Give an armed command; does not wait for its end.

        Args:
            token: Of the armed command.
            key: Idempotency key: the same request sent again with the same key is the same command.
        """
        return self._post("/api/execute", {"token": token}, key=key)

    def command(self, command_id: str) -> State:
        """How a command stands."""
        return self._get(f"/api/commands/{_quoted(command_id)}")

    def finished(
        self,
        command_id: str,
        *,
        within_s: float,
        between: Callable[[], object] = lambda: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> State:
        """Wait for the end of a command; where it does not come in time, what is known then.

        Args:
            command_id: Of the command.
            within_s: Wall seconds.
            between: Called between looks, such as to renew a lease.
            sleep: How to wait.
        """
        deadline_s = time.monotonic() + within_s
        while (found := self.command(command_id))["phase"] == "running" and time.monotonic() < deadline_s:
            between()
            sleep(LOOK_AGAIN_S)
        return found

    # -- recipes, lock-outs

    def hold(self, what: str, reason: str) -> State:
        """Have work wait."""
        return self._post("/api/hold", {"what": what, "reason": reason})

    def resume(self, what: str) -> State:
        """Have work go on."""
        return self._post("/api/resume", {"what": what})

    def lock_out(self, device: str, reason: str) -> State:
        """Keep everybody from starting anything at a device."""
        return self._post("/api/lockouts", {"device": device, "reason": reason})

    def remove_lock_out(self, device: str, of: str | None = None) -> State:
        """Take a lock off."""
        return self._post("/api/lockouts/remove", {"device": device, "of": of})

    # -- safety

    def stop(self) -> State:
        """Have the lab service pass a STOP on; `athanor stop` goes to the supervisor itself."""
        return self._post("/api/stop")

    def reset(self) -> State:
        """Clear what is latched and has no cause any more."""
        return self._post("/api/reset")

    def rearm(self, module: str) -> State:
        """Arm the watchdog of a safety module again."""
        return self._post("/api/rearm", {"module": module})

    def acknowledge(self, key: str) -> State:
        """Say that one has seen an alarm."""
        return self._post("/api/alarms/ack", {"key": key})

    def shelve(self, key: str, for_s: float, reason: str) -> State:
        """Silence an alarm for a while."""
        return self._post("/api/alarms/shelve", {"key": key, "for_s": for_s, "reason": reason})

    def unshelve(self, key: str) -> State:
        """Have a shelved alarm back."""
        return self._post("/api/alarms/unshelve", {"key": key})

    def out_of_service(self, key: str, reason: str) -> State:
        """Take an alarm out of service; needs a safety officer's token."""
        return self._post("/api/alarms/out-of-service", {"key": key, "reason": reason})

    def in_service(self, key: str) -> State:
        """Have an alarm in service again; needs a safety officer's token."""
        return self._post("/api/alarms/in-service", {"key": key})

    def request_bypass(self, rule: str, reason: str, for_s: float, measure: str) -> State:
        """Ask for a rule to be suspended."""
        return self._post("/api/bypasses", {"rule": rule, "reason": reason, "for_s": for_s, "measure": measure})

    def approve_bypass(self, bypass: str, user: str, secret: str) -> State:
        """Suspend the rule as the safety officer whose secret it is."""
        return self._post(f"/api/bypasses/{_quoted(bypass)}/approve", {"user": user, "secret": secret})

    def end_bypass(self, bypass: str) -> State:
        """Have the rule act again."""
        return self._post(f"/api/bypasses/{_quoted(bypass)}/end")

    # -- inside

    def _get(self, path: str, **query: bool) -> State:
        wanted = urlencode([(name, "true") for name, value in query.items() if value])
        return self._ask("GET", f"{path}?{wanted}" if wanted else path)

    def _post(self, path: str, body: Mapping[str, Any] | None = None, key: str | None = None) -> State:
        headers = {} if key is None else {"Idempotency-Key": key}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return self._ask("POST", path, None if body is None else json.dumps(body), headers)

    def _ask(self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None) -> State:
        with self._asking(method, path, body, headers, answer_s=self._answer_s) as response:
            found: State = json.loads(response.read())
        return found

    @contextmanager
    def _asking(
        self,
        method: str,
        path: str,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        answer_s: float,
    ) -> Iterator[HTTPResponse]:
        """Ask, give what is not refused, and turn what goes wrong on the wire into a sentence."""
        place = self.folder / SOCKET
        with closing(_Wire(self.folder, answer_s)) as wire:
            try:
                wire.request(method, path, body, {**self._headers, **(headers or {})})
                response = wire.getresponse()
                if response.status >= HTTPStatus.BAD_REQUEST:
                    _refuse(response)
                yield response
            except TimeoutError:
                raise ServiceGoneError(
                    f"{place}: the lab service did not answer in time (`athanor stop` works without it)"
                ) from None
            except (ConnectionRefusedError, FileNotFoundError):
                raise ServiceGoneError(
                    f"{place}: the lab service does not answer: it has ended, or is just starting"
                ) from None
            except (OSError, HTTPException, ValueError) as error:
                raise ServiceGoneError(f"{place}: the lab service broke off ({error})") from None


def _refuse(response: HTTPResponse) -> NoReturn:
    try:
        told: State = json.loads(response.read())
    except ValueError:
        told = {}
    text = str(told.get("error") or f"the lab service answered with status {response.status}")
    raise ServiceRefusedError(text, response.status, tuple(told.get("reasons", ())))


def parse_events(lines: Iterable[str]) -> Iterator[tuple[str, State]]:
    """Kind and data of server-sent events.

    >>> list(parse_events(["retry: 1000", "", "event: beat", "id: 7", 'data: {"seq":7}', ""]))
    [('beat', {'seq': 7})]
    """
    kind, data = "message", ""
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            data = value
        elif not line:
            if data:
                yield kind, json.loads(data)
            kind, data = "message", ""


def find_lab(data: Path | None = None, lab: str | None = None, *, token: str | None = None) -> LabClient:
    """A client of the lab that runs.

    Args:
        data: Data folder of its run.
        lab: Its name.
        token: A machine's token.

    Raises:
        UsageError: Where none runs that fits, several do, or it has no service.
    """
    found = [
        entry
        for entry in held_labs()
        if (data is None or Path(str(entry["data"])) == data.resolve()) and (lab is None or entry["lab"] == lab)
    ]
    wanted = " ".join([*([f"--data {data}"] if data else []), *([f"--lab {lab}"] if lab else [])])
    if not found:
        raise UsageError(
            f"{wanted}: no such lab runs now: `athanor status` lists those that do"
            if wanted
            else "no lab runs now: start one with `athanor run` or `athanor serve`"
        )
    if len(found) > 1:
        labs = ", ".join(f"{entry['lab']} (--data {entry['data']})" for entry in found)
        raise UsageError(f"{len(found)} labs run: {labs}: name one with --data or --lab")
    runtime = Path(str(found[0]["runtime"]))
    if not (runtime / SOCKET).exists():
        raise UsageError(
            f"lab {found[0]['lab']} (process {found[0]['pid']}) has no lab service: it is just starting, or ending"
        )
    return LabClient(runtime, token=token)


def _quoted(part: str) -> str:
    return quote(part, safe="")
