"""`init`: the shortest config that works, each answer tried before the next question.

A config never holds a secret, only where it is: an environment variable, a file, or a systemd
credential.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from poller.actions.check import jenkins, sei
from poller.actions.check.finding import CONFIG_CODE, CheckResult, exit_code, unavailable, wrong
from poller.actions.check.network import reach
from poller.actions.config_file import ETC, Answers, tables
from poller.config.secrets import read_secret
from poller.config.servers import BASES, ControllerConfig, SeiConfig
from poller.context import connection_to
from poller.core.errors import ConfigError, RemoteError, UsageError
from poller.core.times import Clock
from poller.jenkins.client import JenkinsClient

M = TypeVar("M", bound=BaseModel)
TryAnswer: TypeAlias = Callable[
    [ControllerConfig, SeiConfig, Mapping[str, str], int], Awaitable[list[CheckResult]]
]
NOT_YET: Answers = {
    "url": "https://localhost/", "user": "nobody", "token": "env NOT_YET", "place": "EU",
    "key": "env NOT_YET", "name": "main", "guid": "",
}  # fmt: skip
"""In place of what is not answered yet."""


@dataclass(frozen=True)
class Question:
    """One answer to be had: by its flag, or by asking. An ``optional`` one may be empty.

    Without ``try_answer`` it is tried, and asked again, together with the next one.
    """

    key: str
    flag: str
    text: str
    try_answer: TryAnswer | None = None
    default: str = ""
    optional: bool = False


def questions(path: Path) -> list[Question]:
    """What is asked, in order. As a service, secrets are credentials by default."""
    as_service = path.parent == ETC
    prefix = "" if path.stem == "poller" else f"{path.stem}-"
    token = f"credential {prefix}jenkins-token" if as_service else "env JENKINS_TOKEN"
    key = "credential sei-api-key" if as_service else "env SEI_API_KEY"
    where = "(env NAME, file PATH or credential NAME)"
    place = f"SEI's environment ({', '.join(BASES)}) or url"
    guid = "its instance GUID (none yet: leave it empty)"
    return [
        Question("url", "--url URL", "Jenkins' url, with its context path", _try_url),
        Question("user", "--user NAME", "Jenkins user that the poller reads with"),
        Question("token", "--token-env NAME", f"where its API token is {where}", _try_token, token),
        Question("place", "--environment NAME", place, _try_place, "PROD2"),
        Question("key", "--api-key-env NAME", f"where SEI's API key is {where}", _try_key, key),
        Question("name", "--name NAME", "the controller's name at SEI", None, "main", True),
        Question("guid", "--instance-guid GUID", guid, _try_guid, optional=True),
    ]


def missing(asked: list[Question], given: Answers) -> list[str]:
    """The flags of what is neither given nor optional."""
    return [one.flag for one in asked if not one.optional and one.key not in given]


def ask_all(
    asked: list[Question],
    given: Answers,
    environ: Mapping[str, str],
    clock: Clock,
    ask: Callable[[Question, str], str] | None,
    show: Callable[[CheckResult], None],
) -> tuple[int, Answers]:
    """Have every answer, and try it; 0 and the answers when all are good, else an exit code.

    ``ask`` is None where there is nobody to ask: then a wrong answer is the end. Raises UsageError
    when something is missing then.
    """
    if ask is None and (flags := missing(asked, given)):
        raise UsageError(f"no terminal to ask on, so init needs {', '.join(flags)}")
    if urlsplit(given.get("proxy", "")).password is not None:
        raise UsageError(
            "--proxy: everybody may read the config, so it holds no password",
            "set https_proxy in the service's environment instead, from a file that root can read",
        )
    keys = {one.key for one in asked}
    answers = {key: value for key, value in given.items() if key not in keys}
    given, together = dict(given), list[Question]()
    for question in asked:
        together.append(question)
        if question.try_answer is None:
            continue
        while True:
            for one in together:
                default = answers.get(one.key, one.default)
                if one.key in given:
                    answers[one.key] = given.pop(one.key)
                else:
                    answers[one.key] = default if ask is None else ask(one, default)
            results = _tried(question.try_answer, answers, environ, clock())
            for result in results:
                show(result)
            code = exit_code(results)
            if not code:
                break
            if ask is None:
                return code, answers
        together = []
    return 0, answers


def _tried(
    try_answer: TryAnswer, answers: Answers, environ: Mapping[str, str], now: int
) -> list[CheckResult]:
    async def trial() -> list[CheckResult]:
        controller, receiver = tables({**NOT_YET, **answers})
        return await try_answer(
            _valid(ControllerConfig, controller), _valid(SeiConfig, receiver), environ, now
        )

    try:
        return asyncio.run(trial())
    except ConfigError as error:
        return [wrong("answer", why, error.hint, CONFIG_CODE) for why in error.findings]
    except RemoteError as error:
        return [unavailable("answer", str(error), error.hint)]


async def _try_url(
    controller: ControllerConfig, _sei: SeiConfig, environ: Mapping[str, str], now: int
) -> list[CheckResult]:
    reached = await reach("Jenkins", controller, environ, now)
    return reached.results + jenkins.answers("Jenkins", reached)


async def _try_token(
    controller: ControllerConfig, _sei: SeiConfig, environ: Mapping[str, str], _now: int
) -> list[CheckResult]:
    token = read_secret(controller, environ).get_secret_value()
    connection = connection_to(controller, environ)
    client = JenkinsClient(controller.name, connection, controller.user, token)
    async with contextlib.aclosing(client):
        return await jenkins.login(client, controller, token, environ)


async def _try_place(
    _controller: ControllerConfig, receiver: SeiConfig, environ: Mapping[str, str], now: int
) -> list[CheckResult]:
    return (await reach("SEI", receiver, environ, now)).results


async def _try_key(
    _controller: ControllerConfig, receiver: SeiConfig, environ: Mapping[str, str], _now: int
) -> list[CheckResult]:
    return [await sei.key_accepted(receiver, environ)]


async def _try_guid(
    controller: ControllerConfig, receiver: SeiConfig, environ: Mapping[str, str], _now: int
) -> list[CheckResult]:
    guid = controller.instance_guid
    return [await sei.instance(receiver, controller, environ)] if guid else []


def _valid(model: type[M], table: dict[str, Any]) -> M:
    try:
        return model.model_validate(table)
    except ValidationError as invalid:
        raise ConfigError(
            [
                f"{'.'.join(map(str, error['loc']))}: {error['msg'].removeprefix('Value error, ')}"
                for error in invalid.errors()
            ]
        ) from None
