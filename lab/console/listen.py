"""Where the lab service listens, and what makes an address fit to be listened on."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path

from lab.errors import UsageError

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 8765


@dataclass(frozen=True)
class Listen:
    """A TCP address, as a person asked for it."""

    host: str = LOOPBACK
    port: int = DEFAULT_PORT
    """0: any free one."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    behind_proxy: tuple[str, ...] = ()
    """Addresses or networks of the proxies that bring TLS; all others are turned away."""

    @property
    def tls(self) -> bool:
        """Whether the service itself encrypts."""
        return self.tls_cert is not None

    @property
    def secure(self) -> bool:
        """Whether browsers reach the service over TLS, which cookies are then bound to."""
        return self.tls or bool(self.behind_proxy)

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return is_loopback(self.host)

    def check(self) -> None:
        """Make sure that nobody on the way can read secrets.

        Raises:
            UsageError: Where that is not so, or a file or an address cannot be used.
        """
        if (self.tls_cert is None) != (self.tls_key is None):
            given, missing = ("--tls-cert", "--tls-key") if self.tls_key is None else ("--tls-key", "--tls-cert")
            raise UsageError(f"{given} is given without {missing}: TLS needs both")
        if not self.loopback and not self.secure:
            raise UsageError(
                f"--host {self.host}: others on the network could read passwords on their way: give --tls-cert and "
                f"--tls-key, or --behind-proxy with the address of a proxy that brings TLS, or stay on {LOOPBACK}"
            )
        for proxy in self.behind_proxy:
            _check_proxy(proxy)
        if self.tls_cert is not None and self.tls_key is not None:
            _check_certificate(self.tls_cert, self.tls_key)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone.

    >>> is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _check_proxy(proxy: str) -> None:
    try:
        network = ipaddress.ip_network(proxy)
    except ValueError:
        raise UsageError(
            f"--behind-proxy {proxy!r}: is neither an address nor a network, such as 10.0.0.7 or 10.0.0.0/28"
        ) from None
    if network.prefixlen == 0:
        raise UsageError(f"--behind-proxy {proxy}: would trust everybody: name the proxies")


def _check_certificate(cert: Path, key: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
        mode = key.stat().st_mode
    except (OSError, ValueError) as error:  # an ssl.SSLError is an OSError
        raise UsageError(
            f"--tls-cert {cert} --tls-key {key}: cannot be used ({error}): give a certificate in PEM and its key"
        ) from None
    if mode & stat.S_IROTH:
        raise UsageError(f"--tls-key {key}: everybody on this machine can read it: chmod o= {key}")


def bind_tcp(listen: Listen) -> socket.socket:
    """A bound socket at the address.

    Raises:
        UsageError: Where it cannot be bound.
    """
    try:
        family = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM)[0][0]
        sock = socket.create_server((listen.host, listen.port), family=family, backlog=128)
    except OSError as error:
        raise UsageError(
            f"--host {listen.host} --port {listen.port}: cannot be listened on ({error.strerror or error}): "
            "another process may use the port; --port 0 takes any free one"
        ) from None
    sock.setblocking(False)
    return sock
