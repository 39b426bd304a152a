"""The socket that systemd gives a service, read by a test."""

from __future__ import annotations

import socket
import threading

from tests.support.forks import Command
from tests.support.waiting import wait_for


class SystemdSocket:
    """The other end: receives what the service says, as PID 1 does."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._address = address
        self._said: list[str] = []
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        while message := self._socket.recv(4096):
            self._said.append(message.decode())

    def close(self) -> None:
        """Done listening."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._listener.join()
        self._socket.close()

    def hear_all(self) -> None:
        """Wait until all is heard that was said before."""
        mark = f"X_MARK={self.count('X_MARK=')}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
            ours.sendto(mark.encode(), self._address)
        wait_for(lambda: self.count(mark) == 1)

    def hear(self) -> list[str]:
        """All that was said so far, one message each."""
        return list(self._said)

    def count(self, message: str) -> int:
        """How often something that begins so was said."""
        return sum(said.startswith(message) for said in self.hear())

    def status(self) -> str:
        """What the service does now."""
        return ([""] + [said[7:] for said in self.hear() if said.startswith("STATUS=")])[-1]

    def last(self, message: str) -> str:
        """The last message that begins so."""
        return [said for said in self.hear() if said.startswith(message)][-1]


def ended(service: Command) -> str:
    """Stop the service; what it logged."""
    service.terminate()
    _, err = service.communicate(timeout=60)
    assert service.returncode == 0, err
    assert "Traceback" not in err
    return err
