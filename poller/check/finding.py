"""One line of `check`: what was seen, and the cure where something is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["ok", "warning", "wrong"]

CONFIG = "config"
"""The subject of what is wrong with the config itself."""

EX_CONFIG, EX_UNAVAILABLE = 78, 69


@dataclass(frozen=True)
class Finding:
    """One line. ``reached`` is false where a server was not reached, or refused us."""

    state: State
    subject: str
    saw: str
    cure: str = ""
    reached: bool = True

    def text(self) -> str:
        """The line."""
        cure = f" — {self.cure}" if self.cure else ""
        return f"{self.state:<7} {self.subject}: {self.saw}{cure}"

    def json(self) -> dict[str, Any]:
        """The same as an object; its keys are a promise."""
        fields = asdict(self)
        del fields["reached"]
        return fields


def exit_code(findings: Sequence[Finding]) -> int:
    """78: the config can't be used; 69: a server was not reached or refused us; 1: else wrong."""
    wrong = [finding for finding in findings if finding.state == "wrong"]
    if any(finding.subject == CONFIG for finding in wrong):
        return EX_CONFIG
    if any(not finding.reached for finding in wrong):
        return EX_UNAVAILABLE
    return int(bool(wrong))
