"""What the operating system says of a connection is told in words, without numbers."""

from __future__ import annotations

import errno
import socket
import struct
import threading

import pytest

from poller.http.os_errors import WORDS, os_words
from tests.support.site import Site, free_port


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_error_has_words(number: int) -> None:
    """And no number of a system."""
    for error in (
        OSError(number, "whatever"),
        OSError(number, f"Connect call failed ('10.0.0.1', {number})"),
        OSError(f"Multiple exceptions: [Errno {number}] Connect call failed, [Errno 101] x"),
    ):
        words = os_words(error)
        assert words
        assert "Errno" not in words
        assert str(number) not in words
    assert WORDS[errno.ENETUNREACH] in words


def test_one_reason_is_told_once() -> None:
    """Of several addresses."""
    both = "Multiple exceptions: [Errno 111] Connect call failed ('::1', 1, 0, 0), [Errno 111] x"
    assert os_words(OSError(both)) == WORDS[errno.ECONNREFUSED]
    assert os_words(OSError("odd")) == "odd"
    assert os_words(OSError()) == "OSError"


@pytest.mark.parametrize("command", [["check"], ["once"], ["preview", "app", "1"]], ids=" ".join)
def test_a_port_on_which_nothing_listens(site: Site, command: list[str]) -> None:
    """Each command says so, and what to do."""
    site.configure(site.controller(url=f"http://127.0.0.1:{free_port()}/"))
    result = site.run(*command)
    said = result.stdout + result.stderr
    assert result.returncode == 69
    assert "the connection is refused: nothing listens on that port" in said
    assert "is the url right, is it up, and reachable from here?" in said
    assert "rrno" not in said


def test_a_connection_that_is_broken_off(site: Site) -> None:
    """At once, by the other side."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def reset() -> None:
            while True:
                try:
                    taken, _ = server.accept()
                except OSError:
                    return
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                taken.recv(1)
                taken.close()

        threading.Thread(target=reset, daemon=True).start()
        site.configure(site.controller(url=f"http://127.0.0.1:{server.getsockname()[1]}/"))
        said = site.run("check").stdout
        server.shutdown(socket.SHUT_RDWR)
    assert "the other side broke the connection off" in said
    assert "rrno" not in said
