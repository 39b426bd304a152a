"""Whether a name is a secret's: one list, for parameters and for names in a text. Pure.

A name is taken by its parts, in whatever style it is written: ``DB_PASS``, ``dbPass``, ``db-pass``.
So ``KEYBOARD`` has no ``key`` in it, and ``AUTHOR`` no ``auth``.
"""

from __future__ import annotations

import itertools
import re
from functools import lru_cache

STRONG = (
    "password", "passwd", "passwort", "passphrase", "passcode", "secret", "secrets", "token",
    "credential", "credentials", "creds", "apikey", "accesskey", "privatekey", "secretkey",
    "signingkey", "encryptionkey", "authkey",
)  # fmt: skip
"""Ends of a part, or of two parts together, that say it whatever comes before them."""

WEAK = frozenset({
    "pass", "pwd", "pw", "psw", "storepass", "keypass", "sshpass", "key", "auth", "jwt", "otp",
    "totp", "pin", "cred", "kennwort",
})  # fmt: skip
"""Parts that say it where they come last: words of other things, too."""

STILL = frozenset({
    "value", "data", "text", "plain", "raw", "string", "base64", "b64", "new", "old", "prod",
    "production", "live", "dev", "test", "qa", "stage", "staging", "primary", "secondary", "backup",
})  # fmt: skip
"""Parts after a weak one that leave it last."""

ABOUT = frozenset({
    "age", "algorithm", "algo", "class", "count", "counter", "dir", "directory", "duration",
    "enabled", "disabled", "endpoint", "exists", "expires", "expiration", "expiry", "field", "file",
    "filename", "folder", "format", "host", "id", "ids", "index", "kind", "label", "len", "length",
    "level", "lifetime", "limit", "list", "location", "max", "min", "manager", "method", "mode",
    "name", "names", "namespace", "number", "path", "plugin", "policy", "port", "prefix",
    "provider", "rate", "ref", "reference", "region", "required", "reset", "rotation", "scope",
    "server", "service", "size", "status", "store", "strategy", "suffix", "threshold", "timeout",
    "ttl", "type", "uri", "url", "usage", "user", "username", "validity", "vault", "version",
})  # fmt: skip
"""Last parts of names that speak about a secret and hold none."""

NOT_ABOUT = frozenset({("secret", "id"), ("token", "id")})
"""Vault's secret_id is a secret."""

KEY_OF = frozenset({
    "public", "pub", "primary", "foreign", "partition", "sort", "cache", "composite", "unique",
    "project", "issue", "jira", "row", "group", "routing", "route", "idempotency", "registry",
    "object", "s3", "bucket", "lookup", "translation", "message", "i18n", "config", "property",
    "map", "json", "header", "tag", "label", "annotation", "index", "shard", "event", "metric",
    "feature", "flag", "hot", "short", "any", "first", "last", "next", "no", "missing", "duplicate",
    "unknown", "invalid", "artifact", "job", "build", "branch", "component", "locale", "sonar",
})  # fmt: skip
"""Parts before ``key`` that make it no secret."""

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether what is called so is hidden."""
    parts = [part.lower() for part in _PARTS.findall(name)]
    pairs = [a + b for a, b in itertools.pairwise(parts)]
    for place, part in enumerate(parts):
        if part.endswith(STRONG):
            if not _speaks_about(part, parts[place + 1 :]):
                return True
        elif place < len(pairs) and pairs[place].endswith(STRONG) and part not in KEY_OF:
            if not _speaks_about(pairs[place], parts[place + 2 :]):
                return True
        elif (
            part in WEAK
            and STILL.issuperset(parts[place + 1 :])
            and not (part == "key" and place and parts[place - 1] in KEY_OF)
        ):
            return True
    return False


def is_plain_word(name: str) -> bool:
    """Whether the name is a weak word alone: in a text it needs more to be a secret's."""
    return name.lower().strip("-_.") in WEAK - {"pwd", "psw"}


def _speaks_about(part: str, after: list[str]) -> bool:
    return bool(after) and after[-1] in ABOUT and (part, after[-1]) not in NOT_ABOUT
