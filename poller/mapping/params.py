"""A build's parameters. Pure.

Never sent: what Jenkins itself keeps secret, hides or keeps as a file (by class), what has a name
that is redacted, and objects, as nobody knows what is in them. What looks like a secret in a value
is replaced. A password has no ``value`` in Jenkins' JSON at all (measured).
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from poller.core.escape import NAME, TEXT, clean, clip
from poller.core.known_secrets import forms
from poller.jenkins.build import Build
from poller.mapping.payload import Param
from poller.mapping.redaction import NAME_FORM, Redactor

NEVER = ("Password", "Credential", "File", "Secret", "Hide", "Hidden", "Mask")
"""Parts of class names. Hidden ones: WHideParameterValue of the plugin Hidden Parameter."""

SHORTEST_VALUE = 8
"""Characters of a value that is hidden in texts; a shorter one is a part of too many words."""

SHORTEST_WORD = 10
"""Letters of a single word that may be a secret."""

USUAL_WORDS = frozenset({
    "administrator", "credentials", "deployment", "development", "environment", "integration",
    "kubernetes", "management", "monitoring", "operations", "preproduction", "production",
    "repository",
})  # fmt: skip
PARAMETERS_ACTION = "ParametersAction"
STRING = "StringParameterValue"
"""What a parameter without a class is, as Jenkins 1.x exports it."""

MOST = 500
LARGEST = 2**53
"""Whole numbers beyond it are no longer exact in the receiver's JSON: they go as text."""


def parameters(build: Build) -> Iterator[Mapping[str, Any]]:
    """Every parameter object, over all of the build's ``ParametersAction``s. Other actions' lists
    of that name are none of the build's parameters."""
    for action in build.actions:
        if (
            action is not None
            and action.cls.endswith(PARAMETERS_ACTION)
            and isinstance(action.parameters, list)
        ):
            yield from (p for p in action.parameters if isinstance(p, dict))


def job_run_params(build: Build, redactor: Redactor) -> list[Param]:
    """What of the parameters is sent, each name once; one without a value would make SEI drop the
    run."""
    found: dict[str, Param] = {}
    for parameter in parameters(build):
        param = _param(parameter, redactor)
        if param is not None:
            found.setdefault(param.name, param)
    return list(found.values())[:MOST]


def with_given(
    params: Sequence[Param], given: Mapping[str, str], redactor: Redactor
) -> list[Param]:
    """The parameters and those ``given`` by a rule, which come first and take their place."""
    first = [
        Param(STRING, clip(name, NAME), clip(redactor.text(text), TEXT))
        for name, text in given.items()
        if not redactor.is_secret_name(name)
    ]
    names = {param.name for param in first}
    return [*first, *(param for param in params if param.name not in names)][:MOST]


def redactor_of(build: Build, redactor: Redactor) -> Redactor:
    """One that hides the build's own secrets, too."""
    return redactor.with_values(known_values(secrets(build, redactor)))


def secrets(build: Build, redactor: Redactor) -> Iterator[str]:
    """The values that are never sent because of their names, where Jenkins gives them."""
    for parameter in parameters(build):
        name, value = parameter.get("name"), parameter.get("value")
        if isinstance(name, str) and isinstance(value, str) and redactor.is_secret_name(name):
            yield value


def counts_of_tests(build: Build) -> dict[str, str]:
    """The build's test results as parameters."""
    counts = build.tests
    if counts is None:
        return {}
    return {
        "TEST_TOTAL": str(counts.total),
        "TEST_FAILED": str(counts.failed),
        "TEST_SKIPPED": str(counts.skipped),
    }


def texts(params: Sequence[Param]) -> dict[str, str]:
    """Their values as text."""
    return {param.name: _word(param.value) for param in params}


def text_of(build: Build, name: str) -> str | None:
    """The text of the parameter of that name."""
    for parameter in parameters(build):
        value = parameter.get("value")
        if parameter.get("name") == name and isinstance(value, str):
            return value
    return None


def _param(parameter: Mapping[str, Any], redactor: Redactor) -> Param | None:
    cls, name = parameter.get("_class") or STRING, parameter.get("name")
    if not isinstance(name, str) or not name or not isinstance(cls, str):
        return None
    kind = clip(cls.rpartition(".")[2].rpartition("$")[2], NAME)
    if not kind or any(word in kind for word in NEVER) or redactor.is_secret_name(name):
        return None
    value = _plain(_value(parameter))
    if value is None:
        return None
    if isinstance(value, str):
        value = clip(redactor.text(value), TEXT)
    return Param(kind, clip(name, NAME), value)


def _value(parameter: Mapping[str, Any]) -> Any:
    """The value; of the kinds that have none, what stands for it: a run (``job#number``, as Jenkins
    writes it), a Subversion tag, the label of a node."""
    value = parameter.get("value")
    if value is not None:
        return value
    job, number = parameter.get("jobName"), parameter.get("number")
    if isinstance(job, str) and isinstance(number, str | int):
        return f"{job}#{number}"
    return next(
        (parameter[key] for key in ("tag", "label") if parameter.get(key) is not None), None
    )


def _plain(value: Any) -> str | int | float | None:
    """A value that JSON, and SEI, take as it is; several choices as one text; None for objects."""
    if isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= LARGEST else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list) and value:
        parts = [_plain(part) for part in value if not isinstance(part, list)]
        if None not in parts and len(parts) == len(value):
            return ",".join(_word(part) for part in parts)
    return None


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def known_values(values: Iterable[str]) -> frozenset[bytes]:
    """Secret values as they may stand in a text: each line of them, in every usual form.

    What is too short, or a word, a name or a number, would hide what is none, and is left.
    """
    lines = {clean(line).strip() for value in values for line in value.splitlines()}
    secret = {line for line in lines if len(line) >= SHORTEST_VALUE and not _is_name(line)}
    return frozenset(form.encode("utf-8", "replace") for one in secret for form in _forms(one))


def _forms(value: str) -> set[str]:
    """A value as it stands in texts, in XML too, and in base64, with a newline and without."""
    raw = value.encode("utf-8", "replace")
    encoded = {base64.b64encode(one).decode().rstrip("=") for one in (raw, raw + b"\n")}
    return {*forms(value), escape(value), *encoded}


def _is_name(value: str) -> bool:
    """Whether it is what things are called, and no secret: words and numbers, or one word that is
    short or usual."""
    if value.isalpha():
        return len(value) < SHORTEST_WORD or value.lower() in USUAL_WORDS
    return NAME_FORM.fullmatch(value) is not None
