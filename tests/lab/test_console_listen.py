from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.console.listen import Listen, bind_tcp
from lab.errors import UsageError
from tests.lab.front import certificate

__all__ = ["certificate"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_needs_nothing(host: str) -> None:
    Listen(host).check()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "lab.example", ""])
def test_any_other_host_needs_tls_or_a_proxy(host: str) -> None:
    with pytest.raises(
        UsageError, match=r"others on the network could read passwords .*: give --tls-cert and --tls-key"
    ):
        Listen(host).check()
    Listen(host, behind_proxy=("10.0.0.7", "192.168.1.0/28")).check()


def test_any_other_host_is_fine_with_a_certificate(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    listen = Listen("0.0.0.0", tls_cert=cert, tls_key=key)
    listen.check()
    assert listen.tls


def test_half_a_certificate_is_none(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    with pytest.raises(UsageError, match="--tls-cert is given without --tls-key"):
        Listen("0.0.0.0", tls_cert=cert).check()
    with pytest.raises(UsageError, match="--tls-key is given without --tls-cert"):
        Listen("0.0.0.0", tls_key=key).check()


def test_a_certificate_that_cannot_be_used_is_told(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    cert, key = certificate
    for wrong in (tmp_path / "missing.pem", cert):
        with pytest.raises(UsageError, match=r"cannot be used .*: give a certificate in PEM and its key"):
            Listen("0.0.0.0", tls_cert=cert, tls_key=wrong).check()
    open_key = tmp_path / "key.pem"
    open_key.write_bytes(key.read_bytes())
    os.chmod(open_key, 0o644)
    with pytest.raises(UsageError, match="everybody on this machine can read it: chmod o="):
        Listen("0.0.0.0", tls_cert=cert, tls_key=open_key).check()


@pytest.mark.parametrize(
    ("proxy", "why"),
    [
        ("*", "is neither an address nor a network"),
        ("proxy.example", "is neither an address nor a network"),
        ("0.0.0.0/0", "would trust everybody"),
        ("::/0", "would trust everybody"),
    ],
)
def test_trusted_proxies_are_named(proxy: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        Listen("0.0.0.0", behind_proxy=(proxy,)).check()


def test_a_port_that_is_taken_is_told_with_what_to_do() -> None:
    with bind_tcp(Listen(port=0)) as first:
        port = first.getsockname()[1]
        with pytest.raises(UsageError, match=rf"--host 127.0.0.1 --port {port}: cannot be listened on .*--port 0"):
            bind_tcp(Listen(port=port))


def test_a_host_that_does_not_exist_is_told() -> None:
    with pytest.raises(UsageError, match="cannot be listened on"):
        bind_tcp(Listen("no-such-host.invalid", port=0))
