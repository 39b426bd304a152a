"""Which `Host` a request may name. Pure.

A page on loopback can be read by any web site whose name is made to point there (DNS rebinding),
unless the server looks at the name: it answers to addresses, to localhost and to its own names.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]\s/]+)(?::\d{1,5})?")


def allowed(header: str, names: Collection[str]) -> bool:
    """Whether a ``Host`` header is an address, ``localhost`` or one of ``names``."""
    match = _HOST.fullmatch(header)
    if match is None:
        return False
    host = match[1].strip("[]").rstrip(".").lower()
    return host == "localhost" or host in names or is_address(host)


def is_address(host: str) -> bool:
    """Whether it is an IP address and not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def split_listen(listen: str) -> tuple[str, int]:
    """``HOST:PORT`` or a port alone, which is on loopback."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]") or "127.0.0.1", int(port)
