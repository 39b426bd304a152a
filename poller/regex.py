"""Regular expressions of users: matched by RE2, which takes linear time whatever the pattern.

Look-around and back references are what RE2 leaves out; all else is Python's syntax, named groups
as well.
"""

from __future__ import annotations

import re2

SYNTAX = "https://github.com/google/re2/wiki/Syntax"


def compiled(pattern: str, *, lines: bool = False) -> re2._Regexp:
    """The pattern, to be matched against UTF-8 bytes. Raises ValueError that says why not.

    With ``lines``, ``^`` and ``$`` are the ends of a line, and no match reaches over one.
    """
    options = re2.Options()
    options.log_errors = False
    options.never_nl = lines
    try:
        regex = re2.compile(f"(?m){pattern}" if lines else pattern, options)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error
        raise ValueError(
            f"not a regular expression of RE2 ({reason}); it has no look-around and no back"
            f" references: {SYNTAX}"
        ) from None
    if regex.search(b"") is not None:
        raise ValueError("matches the empty text, and so everything")
    return regex
