"""What the operating system says of a connection, in words."""

from __future__ import annotations

import errno
import os
import re

WORDS = {
    errno.ECONNREFUSED: "the connection is refused: nothing listens on that port",
    errno.ECONNRESET: "the other side broke the connection off",
    errno.EPIPE: "the other side broke the connection off",
    errno.ECONNABORTED: "the connection was broken off",
    errno.ETIMEDOUT: "no answer to the attempt to connect",
    errno.EHOSTUNREACH: "no way to that host",
    errno.EHOSTDOWN: "the host is down",
    errno.ENETUNREACH: "no way to that network",
    errno.ENETDOWN: "this machine's network is down",
    errno.EADDRNOTAVAIL: "this machine has no address for it: no IPv6, or no port left",
    errno.EACCES: "this machine does not let the program connect: its firewall, or a sandbox",
    errno.EPERM: "this machine does not let the program connect: its firewall, or a sandbox",
    errno.EMFILE: "the program has too many open files",
    errno.ENFILE: "this machine has too many open files",
}


def os_words(error: OSError) -> str:
    """What happened, without numbers. An error for several addresses has a reason for each."""
    text = " ".join(str(error).split())
    numbers = [int(number) for number in re.findall(r"\[Errno (-?\d+)\]", text)]
    if not numbers and error.errno:
        numbers = [error.errno]
    words = [WORDS.get(number) or os.strerror(number) for number in numbers]
    return "; ".join(dict.fromkeys(words)) or text or type(error).__name__
