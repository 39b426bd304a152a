"""Every error that the program raises on purpose.

PollerError
├── ConfigError          the config can't be used                          exit 78
├── UsageError           the command line can't be used                    exit 64
├── NoSuchBuild          the named job or build does not exist             exit 65
├── InstallError         `install` can't write its files, or nobody could run them   exit 73
├── LedgerError          the ledger can't be opened or written             exit 73
│   └── LedgerUnwritable     … now: a full or failing disk
│       └── LedgerBusy           … now: another program holds it
└── RemoteError          a server did not give what was asked              exit 69
    ├── Unreachable      no answer: refused, timed out, broken off, 5xx, 429
    ├── NotAsked         not asked: others like it got no answer
    ├── CircuitOpen      not asked: it did not answer others
    ├── ForeignSession   another server answered, or the same since a restart
    ├── Unauthorized     401, 403: the credentials are wrong or not enough
    ├── NotFound         404
    └── BadAnswer        an answer that can't be used
"""

from __future__ import annotations

from poller.core.escape import escape_line
from poller.core.known_secrets import mask


def sanitize(text: str) -> str:
    """One line without our secrets, that a terminal only shows."""
    return mask(escape_line(text))


class PollerError(Exception):
    """What failed, and what the user can do about it.

    ``str()`` of it is one line (of a ConfigError, one a finding) and, whatever a server answered,
    holds no secret of ours and nothing that a terminal obeys; ``hint`` is the cure, a sentence, or
    empty.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(sanitize(message))
        self.hint = sanitize(hint)


class ConfigError(PollerError):
    """The config can't be used; ``findings`` are all the reasons, one line each."""

    exit_code = 78

    def __init__(self, findings: list[str], hint: str = "") -> None:
        super().__init__("", hint)
        self.findings = [_short(sanitize(finding), LONGEST_REASON) for finding in findings]
        self.args = ("\n".join(self.findings),)


class UsageError(PollerError):
    """The command line can't be used."""

    exit_code = 64


class NoSuchBuild(PollerError):
    """The named job or build does not exist."""

    exit_code = 65


class InstallError(PollerError):
    """`install` can't write its files, or the service could not run what it installs."""

    exit_code = 73


class LedgerError(PollerError):
    """The ledger can't be opened or written."""

    exit_code = 73


class LedgerUnwritable(LedgerError):
    """It can't be written now, and nothing says that it is broken: the disk is full, failing or
    away, or another program holds the file. Worth another try."""


class LedgerBusy(LedgerUnwritable):
    """Another program holds the file for longer than is waited for."""


LONGEST_WHAT, LONGEST_REASON = 300, 2_000
"""Characters of a line that a server has a part in: an answer may hold a name of a megabyte."""


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


class RemoteError(PollerError):
    """A server did not give what was asked. ``where`` names it: ``controller main``, ``SEI``;
    ``reason`` is what happened, without where and what; ``status`` the HTTP status, where known."""

    exit_code = 69
    status: int | None = None

    def __init__(self, where: str, what: str, message: str, hint: str = "") -> None:
        what, message = _short(what, LONGEST_WHAT), _short(message, LONGEST_REASON)
        super().__init__(f"{where}: {what}: {message}" if what else f"{where}: {message}", hint)
        self.where = where
        self.what = what
        self.reason = sanitize(message)


class Unreachable(RemoteError):
    """No answer: refused, timed out, broken off, 5xx or 429. Worth another try.

    ``retry_after`` is in seconds, where the server gave one. ``starting``: it said itself that it
    does not work yet. ``away``: it answers nothing else either, so this says nothing of what was
    asked.
    """

    retry_after: float | None = None
    starting: bool = False
    away: bool = False


class NotAsked(RemoteError):
    """Not asked now, as several others like it got no answer: it says nothing of this one."""


class CircuitOpen(RemoteError):
    """Not asked at all, as the server has not answered lately: it says nothing of what was to be
    asked. Whoever does without an answer must not do without this one."""


class ForeignSession(RemoteError):
    """An answer of a session that is not known to be the server's: of another one, or of the same
    since it was restarted. It is not used."""


def is_away(error: BaseException | None) -> bool:
    """Whether the server that is meant answers nothing now: the error says nothing of what was
    asked."""
    return isinstance(error, CircuitOpen | ForeignSession) or (
        isinstance(error, Unreachable) and error.away
    )


class Unauthorized(RemoteError):
    """401 or 403, which ``status`` is: the credentials are wrong, or not enough."""

    status = 401


class NotFound(RemoteError):
    """404: not there, or not to be seen with this token."""


class BadAnswer(RemoteError):
    """An answer that can't be used: not JSON, cut off, too large, of wrong types, a redirect."""
