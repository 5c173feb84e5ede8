"""Opening serial ports and TCP streams, and saying in a sentence why that did not work."""

from __future__ import annotations

import errno
import os
import socket
import stat
import termios
from contextlib import suppress
from dataclasses import replace

import serial

from drivers.address import SerialAddress, SocketAddress
from drivers.errors import LinkError
from drivers.links.settings import LineSettings

OPEN_ERRORS = (OSError, ValueError, termios.error)
"""What opening a port may raise: pyserial lets the terminal's errors and Python's own through as they are."""
KEEPALIVE_S = (10, 5, 3)
"""Idle wall seconds before the first probe of a TCP stream, between probes, and how many may be lost."""


PSEUDO_TERMINALS = "/dev/pts/"


class NotOpenError(LinkError):
    """The wire cannot be opened, so nothing was sent."""


def open_serial(path: str, settings: LineSettings, *, timeout_s: float, write_timeout_s: float) -> serial.Serial:
    """Open a serial port for ourselves alone.

    A pseudo-terminal has no line behind it: parity and data bits mean nothing there, and are not asked for, because
    the system refuses them.

    Args:
        path: Where it is.
        settings: Of the line.
        timeout_s: Wall seconds that a single read may take.
        write_timeout_s: Wall seconds that a write may take.

    Raises:
        OSError: And the others of `OPEN_ERRORS`.
    """
    if not stat.S_ISCHR(os.stat(path).st_mode):
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
    if os.path.realpath(path).startswith(PSEUDO_TERMINALS):
        settings = replace(settings, data_bits=8, parity="N")
    port = serial.Serial(
        path,
        baudrate=settings.baudrate,
        bytesize=settings.data_bits,
        parity=settings.parity,
        stopbits=settings.stop_bits,
        xonxoff=settings.software_flow,
        timeout=timeout_s,
        write_timeout=write_timeout_s,
        exclusive=True,
    )
    try:
        check_taken(port.fileno(), settings)
        if settings.software_flow:
            resume(port.fileno())
    except OPEN_ERRORS:
        port.close()
        raise
    return port


def resume(descriptor: int) -> None:
    """Let a terminal send that a byte of noise has stopped: an XOFF holds for whoever opens it next as well."""
    for flow in (termios.TCOOFF, termios.TCOON):  # only what was stopped here is started here
        termios.tcflow(descriptor, flow)


def check_taken(descriptor: int, settings: LineSettings) -> None:
    """Make sure that an open terminal has the settings that it was told: the system may leave some out.

    Raises:
        ValueError: Where it has others.
    """
    flags = termios.tcgetattr(descriptor)[2]
    bits = {termios.CS5: 5, termios.CS6: 6, termios.CS7: 7, termios.CS8: 8}[flags & termios.CSIZE]
    parity = "N" if not flags & termios.PARENB else "O" if flags & termios.PARODD else "E"
    stop_bits = 2 if flags & termios.CSTOPB else 1
    if (bits, parity, stop_bits) != (settings.data_bits, settings.parity, settings.stop_bits):
        raise ValueError(f"it has {bits}{parity}{stop_bits}")


def connect(where: SocketAddress, *, timeout_s: float) -> socket.socket:
    """Open a TCP stream that notices when the other end is gone.

    Raises:
        OSError: When nobody takes it within `timeout_s` wall seconds.
    """
    stream = socket.create_connection((where.host, where.tcp_port), timeout=timeout_s)
    watch(stream)
    return stream


def watch(stream: socket.socket) -> None:
    """Have the system send without delay, and look for the other end while nothing is said."""
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in zip(("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT"), KEEPALIVE_S, strict=True):
        if hasattr(socket, option):
            stream.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def not_open(
    device: str,
    address: str,
    where: SerialAddress | SocketAddress,
    settings: LineSettings,
    error: Exception,
) -> NotOpenError:
    """Make the error for a wire that cannot be opened."""
    if isinstance(where, SocketAddress):
        return NotOpenError(f"{device}: nobody answers at {address} ({_of_socket(where, error)}")
    return NotOpenError(f"{device}: {address} cannot be opened: {_of_serial(where, settings, error)}")


def _of_serial(where: SerialAddress, settings: LineSettings, error: Exception) -> str:
    number = _number(error)
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return "there is no such port: is the adapter plugged in, and the path right in the lab file?"
    if number in (errno.EACCES, errno.EPERM):
        return (
            f"this user may not use it: add the user to the group that `ls -l {where.path}` shows (often dialout), "
            "and log in again"
        )
    if number in (errno.EAGAIN, errno.EBUSY):
        return f"it is in use: end the other program that has it (`fuser {where.path}` shows which)"
    if number == errno.ENOTTY:
        return (
            f"it is {_kind(where.path)} and no serial port: write the path of one in the lab file, as "
            "`ls -l /dev/serial/by-id` shows them"
        )
    if not isinstance(error, OSError) or number == errno.EINVAL:
        return f"it does not take {settings.describe()} ({error}): check baud, parity and stop_bits in the lab file"
    return f"{error}: is this a serial port, the adapter plugged in, and the path right in the lab file?"


def _number(error: Exception) -> int | None:
    """The system's number of an error; pyserial leaves it in the error that it had before its own."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    before = error.__context__
    return before.args[0] if isinstance(before, termios.error) else None


def _kind(path: str) -> str:
    with suppress(OSError):
        mode = os.stat(path).st_mode
        if stat.S_ISREG(mode):
            return "a file"
        if stat.S_ISDIR(mode):
            return "a folder"
        if stat.S_ISCHR(mode):
            return "a device of another kind"
    return "a socket or pipe"


def _of_socket(where: SocketAddress, error: Exception) -> str:
    """Give the rest of the sentence, from within its brackets on."""
    if isinstance(error, ConnectionRefusedError):
        return (
            "connection refused): is the instrument on, the port right in the lab file, and as many programs "
            "connected as it takes?"
        )
    if isinstance(error, socket.gaierror):
        return f"there is no host called {where.host}): is the address right in the lab file?"
    if isinstance(error, TimeoutError) or getattr(error, "errno", None) in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return f"{error}): is the instrument on, in this network, and the address right in the lab file?"
    return f"{error}): is the instrument on, and the address right in the lab file?"
