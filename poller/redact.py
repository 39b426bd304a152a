"""What looks like a secret does not leave: by the name of a parameter, and by patterns in a text.

The patterns are the token formats that their issuers publish (AWS access key ids, GitHub, GitLab,
Slack, Google and npm token prefixes, RFC 7519 tokens, RFC 7468 private keys) and the ways in which
command lines and URLs carry passwords. All are linear: no nested repetition.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence

HIDDEN = "****"

NAMES = (
    "password", "passwd", "passphrase", "pwd", "secret", "token", "credential", "apikey",
    "accesskey", "privatekey",
)  # fmt: skip
"""Parts of names that hide a value, whatever stands between their words."""

_WHOLE = (
    r"AKIA[0-9A-Z]{16}",
    r"gh[opsur]_[A-Za-z0-9]{36,255}",
    r"github_pat_[A-Za-z0-9_]{22,255}",
    r"glpat-[A-Za-z0-9_-]{20,64}",
    r"xox[abeoprs]-[A-Za-z0-9-]{10,255}",
    r"AIza[0-9A-Za-z_-]{35}",
    r"npm_[A-Za-z0-9]{36}",
    r"eyJ[A-Za-z0-9_-]{10,4096}\.[A-Za-z0-9_-]{10,4096}\.[A-Za-z0-9_-]{10,4096}",
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]{0,16384}"
    r"(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?",
)
_WORD = r"(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key)"
_AFTER = (
    r"(?<=://)[^\s/:@]{0,200}:[^\s/@]{1,400}(?=@)",
    r"(?i:(?P<auth>\bauthorization\s{0,3}[:=]\s{0,3}(?:basic|bearer|token|apikey)?\s{0,3}))[^\s'\",]{1,4096}",
    r"(?i:(?P<key>[\w.-]{0,40}" + _WORD + r"[\"']?\s{0,3}[:=]\s{0,3}[\"']?))[^\s'\"&,;]{1,4096}",
    r"(?i:(?P<option>--?[\w-]{0,40}" + _WORD + r"\s{1,3}[\"']?))[^\s'\"&,;]{1,4096}",
)


class Redactor:
    """The built-in names and patterns, and those of ``[redact]``.

    ``names`` are globs over a parameter's name, ``patterns`` regular expressions; case does not
    matter for names.
    """

    def __init__(self, names: Sequence[str] = (), patterns: Sequence[str] = ()) -> None:
        self._names = [name.lower() for name in names]
        self._patterns = [re.compile(p) for p in (*_WHOLE, *_AFTER, *patterns)]
        self._anchored = any(re.search(r"[\^$]|\\[AzZ]", pattern) for pattern in patterns)

    def hides(self, name: str) -> bool:
        """Whether the value of a parameter of that name is never sent."""
        lower = name.lower()
        plain = lower.replace("_", "").replace("-", "").replace(" ", "").replace(".", "")
        return any(part in plain for part in NAMES) or any(
            fnmatch.fnmatchcase(lower, glob) for glob in self._names
        )

    def text(self, text: str) -> str:
        """``text`` with everything that looks like a secret replaced by ``****``."""
        for pattern in self._patterns:
            text = pattern.sub(_hidden, text)
        return text

    def may_hide(self, texts: Iterable[str]) -> bool:
        """Whether something in one of the texts may look like a secret: one look at all of them is
        cheaper than one at each, and mostly there is nothing."""
        joined = "\n".join(texts)
        # What is found in one text is found in the joined one, too, but for its ends.
        return self._anchored or self.text(joined) != joined


def _hidden(match: re.Match[str]) -> str:
    groups = match.groupdict()
    return (groups.get("auth") or groups.get("key") or groups.get("option") or "") + HIDDEN
