"""The page's script, run by Node with the few things of a browser that it uses."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab.console.page import SCRIPT, static

NODE = shutil.which("node")
pytestmark = [pytest.mark.skipif(NODE is None, reason="no node on this machine"), pytest.mark.system]

BROWSER = """
const elements = { link: {}, state: {} };
let now = 1e6;
Date.now = () => now;
const listeners = {};
let pressed;
const stop = { form: { requestSubmit: () => (elements.stopped = true) } };
globalThis.document = {
  getElementById: (id) => (id === "stop" ? stop : LOGGED_IN ? elements[id] : null),
  addEventListener: (kind, listener) => (pressed = listener),
};
globalThis.EventSource = class {
  constructor(url) { elements.url = url; }
  addEventListener(kind, listener) { listeners[kind] = listener; }
};
let look;
globalThis.setInterval = (work) => (look = work);
await import("./console.mjs");
for (const [kind, data, after] of EVENTS) {
  if (kind === "key") pressed({ ...data, preventDefault: () => {} });
  else if (kind === "silence") { now += after; look(); }
  else listeners[kind]({ data: JSON.stringify(data) });
}
console.log(JSON.stringify(elements));
"""


def shown(folder: Path, events: list[tuple[str, Any, int]], *, logged_in: bool = True) -> dict[str, Any]:
    """What the page shows after these events."""
    assert NODE is not None
    (folder / "console.mjs").write_bytes(static(SCRIPT))
    page = BROWSER.replace("LOGGED_IN", json.dumps(logged_in)).replace("EVENTS", json.dumps(events))
    (folder / "page.mjs").write_text(page, encoding="utf-8")
    done = subprocess.run([NODE, "page.mjs"], cwd=folder, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_script_follows_the_live_state_as_the_service_means_it(tmp_path: Path) -> None:
    state = {"t": 1, "devices": {"a/b~c": {"value": 20.0}, "gone": {"x": 1}}, "locks": {"furnace-1": "vera"}}
    delta = {"seq": 2, "set": {"/t": 2, "/devices/a~1b~0c/value": None, "/new/x": []}, "gone": ["/devices/gone/x"]}
    last = {"seq": 3, "gone": ["/locks/furnace-1"]}
    found = shown(tmp_path, [("snapshot", {"seq": 1, "state": state}, 0), ("delta", delta, 0), ("delta", last, 0)])
    assert found["url"] == "/api/events"
    assert json.loads(found["state"]["textContent"]) == {
        "t": 2,
        "devices": {"a/b~c": {"value": None}},
        "new": {"x": []},
    }
    assert (found["link"]["textContent"], found["link"]["className"]) == ("live", "")


def test_old_state_is_marked_and_a_beat_is_a_sign_of_life(tmp_path: Path) -> None:
    snapshot = ("snapshot", {"seq": 1, "state": {"t": 1}}, 0)
    found = shown(tmp_path, [snapshot, ("silence", None, 3000), ("beat", {"seq": 1}, 0), ("silence", None, 3000)])
    assert found["link"]["textContent"] == "live"
    found = shown(tmp_path, [snapshot, ("silence", None, 5000)])
    assert found["link"]["textContent"].startswith("STALE: no word from the lab service; STOP still works")
    assert found["state"]["className"] == "stale"


def test_where_nobody_is_logged_in_the_script_asks_for_nothing(tmp_path: Path) -> None:
    assert "url" not in shown(tmp_path, [], logged_in=False)


@pytest.mark.parametrize("logged_in", [True, False])
def test_a_key_stops_everything_from_every_page(tmp_path: Path, logged_in: bool) -> None:
    stop = {"ctrlKey": True, "shiftKey": True, "code": "Period", "key": ":"}
    assert shown(tmp_path, [("key", stop, 0)], logged_in=logged_in).get("stopped")
    for other in ({**stop, "ctrlKey": False}, {**stop, "code": "KeyA"}):
        assert "stopped" not in shown(tmp_path, [("key", other, 0)], logged_in=logged_in)
