from __future__ import annotations

from pathlib import Path

import pytest

from lab.config.notify_file import NotifyFile
from lab.safety.alarms.notify_routes import Mail, Webhook
from lab.safety.alarms.states import Priority
from protocols.documents import DocumentError, load_model

GOOD = """\
routes:
  - {webhook: "https://chat.example.org/hooks/lab", from: high}
  - {webhook: "env:LAB_HOOK"}
  - {smtp: "mail.example.org:2525", to: [ada@example.org, ben@example.org], sender: lab@example.org,
     user: lab, secret: "file:~/.config/lab-mail", from: medium, after: 10 min}
  - {smtp: localhost, to: [ada@example.org], sender: lab@example.org, from: critical}
"""


def loaded(tmp_path: Path, text: str) -> NotifyFile:
    path = tmp_path / "notify.yaml"
    path.write_text(text, encoding="utf-8")
    return load_model(path, NotifyFile)


def test_a_file_becomes_routes_with_names_and_seconds(tmp_path: Path) -> None:
    assert loaded(tmp_path, GOOD).all == (
        Webhook("webhook-1", "https://chat.example.org/hooks/lab", Priority.HIGH),
        Webhook("webhook-2", "env:LAB_HOOK", Priority.HIGH),
        Mail(
            "mail-3",
            "mail.example.org",
            ("ada@example.org", "ben@example.org"),
            "lab@example.org",
            2525,
            "lab",
            "file:~/.config/lab-mail",
            Priority.MEDIUM,
            600.0,
        ),
        Mail("mail-4", "localhost", ("ada@example.org",), "lab@example.org", 587, from_priority=Priority.CRITICAL),
    )


def test_nobody_is_told_where_nothing_is_said() -> None:
    assert NotifyFile().all == ()


@pytest.mark.parametrize(
    ("route", "told"),
    [
        ("{from: high}", "a route goes to a webhook or over smtp: give one of the two"),
        ('{webhook: "https://x.org/y", smtp: "m:25"}', "give one of the two"),
        ('{webhook: "https://x.org/y", user: lab}', "belong to smtp"),
        ('{webhook: "chat.example.org"}', "routes.0.webhook: a webhook's address must be https://HOST/PATH"),
        ('{webhook: "https://a:hunter2@x.org/y"}', "has a password in it"),
        ('{smtp: "m:25", to: [a@b.org], sender: l@b.org, user: lab, secret: hunter2}', "write env:NAME or file:PATH"),
        ('{smtp: "m:25", to: [a@b.org], sender: l@b.org, user: lab}', "user and secret belong together"),
        ('{smtp: "m:25", to: [], sender: l@b.org}', "goes to nobody"),
        ('{smtp: "m:25", to: [a@b.org]}', "has no sender"),
        ('{smtp: "m:x", to: [a@b.org], sender: l@b.org}', "smtp is 'm:x', and must be HOST:PORT"),
        ('{webhook: "https://x.org/y", from: urgent}', "must be 'low', 'medium', 'high' or 'critical'"),
        ('{webhook: "https://x.org/y", after: 10}', "after"),
        ('{webhook: "https://x.org/y", after: -1 min}', "must be 0 or more"),
        ('{webhok: "https://x.org/y"}', "did you mean 'webhook'?"),
    ],
)
def test_a_fault_is_told_with_its_line_and_never_with_the_secret(tmp_path: Path, route: str, told: str) -> None:
    with pytest.raises(DocumentError) as error:
        loaded(tmp_path, f"# who is told\nroutes:\n  - {route}\n")
    said = str(error.value)
    assert told in said
    assert "notify.yaml, line 3: " in said
    assert "hunter2" not in said
