"""Which addresses are this machine's, and its alone."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether an address, or `localhost`, is this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_ours(header: str, bound: str) -> bool:
    """Whether a Host header names this machine by an address, or by a name that no stranger can point here.

    The port is not looked at: it differs behind a forwarded one (`ssh -L`).
    """
    try:
        name = urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return False
    if is_loopback(name):
        return True
    if is_loopback(bound):
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in (bound.lower(), socket.gethostname().lower())
    return True
