"""A build's parameters. Pure.

Never sent: what Jenkins itself keeps secret or what is a file (by class), and what has a name that
is redacted. A password has no ``value`` in Jenkins' JSON at all (measured).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from poller.jenkins.model import Build
from poller.redact import Redactor
from poller.sei.payload import Param
from poller.sei.text import NAME, TEXT, clean

NEVER = ("Password", "Credentials", "File", "Secret")
MOST = 500


def parameters(build: Build) -> Iterator[Mapping[str, Any]]:
    """Every parameter object, over all of the build's ``ParametersAction``s."""
    for action in build.actions:
        if action is not None and isinstance(action.parameters, list):
            yield from (p for p in action.parameters if isinstance(p, dict))


def job_run_params(build: Build, redactor: Redactor) -> list[Param]:
    """What of the parameters is sent; one without a value would make SEI drop the run."""
    params = (_param(parameter, redactor) for parameter in parameters(build))
    return [param for param in params if param is not None][:MOST]


def text_of(build: Build, name: str) -> str | None:
    """The text of the parameter of that name."""
    for parameter in parameters(build):
        value = parameter.get("value")
        if parameter.get("name") == name and isinstance(value, str):
            return value
    return None


def _param(parameter: Mapping[str, Any], redactor: Redactor) -> Param | None:
    cls, name, value = (parameter.get(key) for key in ("_class", "name", "value"))
    if not isinstance(name, str) or not isinstance(cls, str):
        return None
    kind = cls.rpartition(".")[2].rpartition("$")[2]
    if any(word in kind for word in NEVER) or redactor.hides(name):
        return None
    if isinstance(value, str):
        return Param(kind, clean(name, NAME), clean(redactor.text(value), TEXT))
    if isinstance(value, bool | int | float):
        return Param(kind, clean(name, NAME), value)
    return None
