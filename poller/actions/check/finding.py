"""One line of `check`: what was seen, and the cure where something is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal, get_args

from poller.core.errors import ConfigError

CheckState = Literal["ok", "warning", "wrong"]

CONFIG = "config"
"""The subject of what is wrong with the config itself."""

WRONG, UNAVAILABLE, LEDGER, CONFIG_CODE = 1, 69, 73, 78
"""Exit codes, the more telling the later: something wrong; a server not reached, or it refused us;
the ledger can't be opened or written; the config can't be used."""


@dataclass(frozen=True)
class CheckResult:
    """One line. ``code`` is the exit code where ``state`` is wrong."""

    state: CheckState
    subject: str
    saw: str
    cure: str = ""
    code: int = WRONG

    def text(self) -> str:
        """The line."""
        cure = f" — {self.cure}" if self.cure else ""
        return f"{self.state:<7} {self.subject}: {self.saw}{cure}"

    def json(self) -> dict[str, Any]:
        """The same as an object; its keys are a promise."""
        fields = asdict(self)
        del fields["code"]
        return fields


ok, warning, wrong = (partial(CheckResult, state) for state in get_args(CheckState))
unavailable = partial(wrong, code=UNAVAILABLE)


def not_usable(error: ConfigError) -> list[CheckResult]:
    """What is wrong with the config, a line each."""
    return [wrong(CONFIG, why, error.hint, CONFIG_CODE) for why in error.findings]


def exit_code(results: Iterable[CheckResult]) -> int:
    """0 when nothing is wrong, else the most telling code."""
    return max((one.code for one in results if one.state == "wrong"), default=0)
