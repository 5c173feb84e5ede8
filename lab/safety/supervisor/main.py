"""The safety supervisor: ``python -m lab.safety.supervisor CONFIG.json``, a process of its own.

It owns the safety modules of one laboratory and nothing else, scans them ten times a second, and serves STOP. It
boots tripped. Where it meets what it does not expect it ends, and the modules' watchdogs open everything.

Exit codes: 0 after SIGTERM or SIGINT, with everything told to open; 2 for a configuration that it cannot serve;
anything else is a defect.
"""

from __future__ import annotations

import fcntl
import gc
import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType

from drivers.codecs.safety_io import encode_timeout
from drivers.errors import DriverError
from lab.errors import LabError, UsageError
from lab.safety.alarms.book import AlarmBook
from lab.safety.audit.log import AuditLog
from lab.safety.judging.bypass import BypassBook
from lab.safety.judging.core import SUPERVISOR, SafetyCore
from lab.safety.judging.pace import fitted, scan_interval_s, watchdog_s
from lab.safety.supervisor.checks import OutputChecks
from lab.safety.supervisor.config import ModulePlace, SupervisorConfig, load_config
from lab.safety.supervisor.http import StopPort
from lab.safety.supervisor.lab import LabPresence
from lab.safety.supervisor.modules import WatchedModule
from lab.safety.supervisor.outputs import Outputs
from lab.safety.supervisor.process import FACTS, SOCKET
from lab.safety.supervisor.requests import Requests
from lab.safety.supervisor.scan import Scanner
from lab.safety.supervisor.scribe import Scribe
from lab.safety.supervisor.server import Server
from lab.safety.supervisor.stop import Stopper
from lab.safety.supervisor.wire import is_serial, open_wire

LOCK = "safety.lock"
BAD_INPUT = 2
DEFECT = 70
"""Exit code where something was met that nobody expected."""
NICE = -10
SWITCH_S = 0.001
"""How long one thread may keep the others from running."""
LAST_WORDS_S = 0.3
"""Wall seconds in which modules are to acknowledge that they open, when the supervisor ends."""


def main(arguments: list[str]) -> int:
    """Supervise until SIGTERM or SIGINT."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m lab.safety.supervisor CONFIG.json\n")
        return BAD_INPUT
    prepare_process()
    try:
        config = load_config(Path(arguments[0]))
        with _hold(config):
            supervisor = Supervisor(config)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: supervisor.end())
            supervisor.run()
    except (LabError, DriverError) as error:
        sys.stderr.write(f"athanor: {error}\n")
        return BAD_INPUT
    return 0


def prepare_process() -> None:
    """Make this process prompt, and have any defect in any thread end it at once."""
    with suppress(PermissionError):
        os.nice(NICE)
    sys.setswitchinterval(SWITCH_S)
    # A module that answers nonsense would be told of ten times a second; the snapshot tells it.
    logging.getLogger("pymodbus").propagate = False
    sys.excepthook = _die
    threading.excepthook = lambda args: _die(args.exc_type, args.exc_value, args.exc_traceback)


def _die(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    """End now: nobody toggles a watchdog any more, and the modules open everything by themselves."""
    traceback.print_exception(kind, error, trace, file=sys.stderr)
    sys.stderr.flush()
    os._exit(DEFECT)


class Supervisor:
    """Everything of one supervisor, put together."""

    def __init__(self, config: SupervisorConfig) -> None:
        """Take up what outlived the last one and begin to reach the modules; nothing is scanned or served yet.

        Raises:
            LabError: Where the audit log is held or broken, or notices cannot be sent as configured.
            DriverError: Where an address or a watchdog's time is none.
        """
        self._config = config
        self._lock = threading.RLock()
        interval_s = scan_interval_s(config.clock)
        rules, self._raised = fitted(config.interlocks, interval_s)
        state = config.state_folder
        try:
            state.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{state}: cannot be made ({error.strerror}): make room, or set XDG_STATE_HOME") from None
        self._audit = AuditLog(state / "audit.jsonl", version=config.version, rules=rules.sha256, patient=True)
        self._core = SafetyCore(
            rules,
            alarms=AlarmBook(config.clock.now, state / "alarms.jsonl"),
            audit=self._audit,
            bypasses=BypassBook(time.monotonic),
            now=config.clock.now,
            store=state / "latches.json",
        )
        self._modules = {place.name: self._module(place, interval_s) for place in config.modules}
        self._scribe = Scribe(self._core.settle)
        self._lab = LabPresence()
        checks = OutputChecks(self._modules.values())
        self._stopper = Stopper(
            self._core, self._lock, self._modules, lab=self._lab, checks=checks, scribe=self._scribe
        )
        self._scanner = Scanner(
            self._core,
            self._lock,
            self._modules,
            config.clock,
            lab=self._lab,
            checks=checks,
            stopper=self._stopper,
            scribe=self._scribe,
            world=config.world,
        )
        self._stopper.on_latched = self._scanner.publish
        self._lab.on_gone = self._scanner.scan_soon
        self._outputs = Outputs(
            self._core,
            self._lock,
            self._modules,
            checks=checks,
            stopper=self._stopper,
            scribe=self._scribe,
            permitted=self._scanner.permitted,
        )
        self._notify()

    def run(self) -> None:
        """Scan once, serve, and scan until `end`; then leave everything open."""
        self._scanner.scan(time.monotonic())
        server, port = self._serve()
        started = partial(self._audit.try_write, "started", who=SUPERVISOR, after=self._raised or None)
        self._scribe.do(started)
        facts = self._config.folder / FACTS
        self._write_facts(facts, port)
        gc.collect()
        gc.freeze()
        self._scanner.run()
        facts.unlink(missing_ok=True)
        self._leave_open()
        server.close()
        if port is not None:
            port.close()
        self._scribe.do(partial(self._audit.try_write, "ended", who=SUPERVISOR))
        self._scribe.close(LAST_WORDS_S)

    def end(self) -> None:
        """Have `run` come to its end; may be called from a signal handler."""
        self._scanner.end()

    def _module(self, place: ModulePlace, interval_s: float) -> WatchedModule:
        timeout_s = watchdog_s(place.watchdog_s, interval_s)
        encode_timeout(timeout_s)
        return WatchedModule(
            place.name,
            partial(open_wire, place.name, place.address, self._config.clock.now, baud=place.baud),
            timeout_s,
            [output for output in self._core.interlocks.outputs.values() if output.device == place.name],
            serial=is_serial(place.address),
        )

    def _notify(self) -> None:
        if self._config.notify:
            # Late: mail and web clients take a tenth of a second to load, and most laboratories on a desk have no use
            # for them.
            from lab.safety.alarms.notify import Notifier
            from lab.safety.alarms.notify_routes import routes_from_json

            routes = routes_from_json(self._config.notify)
            Notifier(routes, lab=self._config.lab, world=self._config.world).watch(self._core.alarms)

    def _serve(self) -> tuple[Server, StopPort | None]:
        requests = Requests(
            self._core,
            self._lock,
            lab=self._lab,
            outputs=self._outputs,
            stopper=self._stopper,
            scanner=self._scanner,
            users=self._config.users,
        )
        path = self._config.folder / SOCKET
        try:
            server = Server(path, requests)
        except OSError as error:
            raise UsageError(
                f"{path}: cannot be listened at ({error.strerror}): set XDG_STATE_HOME to another folder"
            ) from None
        self._scanner.subscribers.append(server.broadcast)
        place = self._config.http
        if place is None:
            return server, None
        stop = self._stopper.stop
        return server, StopPort(
            place, lambda actor: {"acknowledged": stop(actor).acknowledged}, lambda: self._scanner.snapshot
        )

    def _write_facts(self, path: Path, port: StopPort | None) -> None:
        url = None if port is None else port.url
        facts = {
            "pid": os.getpid(),
            "http": url,
            "rules": self._core.interlocks.sha256,
            "digest": self._config.digest,
            "lab": self._config.path,
            "name": self._config.lab,
        }
        new = path.with_suffix(".new")
        try:
            new.write_text(json.dumps(facts), encoding="utf-8")
            new.replace(path)
        except OSError as error:
            # The socket serves without; only whoever looks for the facts finds none.
            sys.stderr.write(f"athanor: {path}: cannot be written ({error.strerror}): make room on the disk\n")
        if self._config.announce is not None:
            said = json.dumps(facts) if self._config.announce == "json" else _ready(self._config, url)
            sys.stdout.write(said + "\n")
            sys.stdout.flush()

    def _leave_open(self) -> None:
        told = [
            future
            for module in self._modules.values()
            for futures in module.open(tuple(module.outputs)).values()
            for future in futures
        ]
        wait(told, LAST_WORDS_S)


def _ready(config: SupervisorConfig, url: str | None) -> str:
    stop = "`athanor stop`" if url is None else f"`athanor stop` or POST {url}/stop"
    return (
        f"safety supervisor of lab {config.lab} ({config.world}), process {os.getpid()}: STOP by {stop}; "
        "everything is tripped until `athanor reset`; Ctrl-C opens everything and ends it"
    )


@contextmanager
def _hold(config: SupervisorConfig) -> Iterator[None]:
    """Be the only supervisor of a laboratory inside the block.

    Raises:
        UsageError: Where there is one already, or the folder cannot be written.
    """
    path = config.folder / LOCK
    try:
        file = path.open("a", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written ({error.strerror}): set XDG_STATE_HOME to another folder"
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"lab {config.lab} has a supervisor already ({path}): end that one first") from None
        yield
