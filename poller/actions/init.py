"""`init`: the shortest config that works, each answer tried before the next question.

A config never holds a secret, only where it is: an environment variable, a file, or a systemd
credential.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from poller.actions.check import jenkins, sei
from poller.actions.check.address import find_root, not_here, without_question
from poller.actions.check.finding import (
    CONFIG_CODE,
    CheckResult,
    exit_code,
    ok,
    unavailable,
    warning,
    wrong,
)
from poller.actions.check.network import reach
from poller.actions.config_file import Answers, is_source, tables
from poller.config.error_lines import words_of
from poller.config.load import ETC
from poller.config.secrets import read_secret
from poller.config.servers import BASES, ControllerConfig, SeiConfig
from poller.context import connection_to
from poller.core.errors import ConfigError, RemoteError, UsageError
from poller.core.times import Clock
from poller.jenkins.client import JenkinsClient
from poller.jenkins.discovery import fetch_items

M = TypeVar("M", bound=BaseModel)
TryAnswer: TypeAlias = Callable[
    [ControllerConfig, SeiConfig, Mapping[str, str], int], Awaitable[list[CheckResult]]
]
NOT_YET: Answers = {
    "url": "https://localhost/", "user": "nobody", "token": "env NOT_YET", "place": "EU",
    "key": "env NOT_YET", "name": "main", "guid": "",
}  # fmt: skip
"""In place of what is not answered yet."""

BACK = "back"
"""The answer that returns to the question before."""


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

    @property
    def is_secret(self) -> bool:
        """It asks where a secret is; what is typed may be the secret itself."""
        return self.key in ("token", "key")


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


ITS_PLACE = (
    "The config never holds it: it is in an environment variable, in a file, or in a systemd"
    " credential, which by hand is a file beside the config. A file that is not there is made: then"
    " the secret is asked for, and not shown."
)
HELP = {
    "url": "What the browser shows on Jenkins' first page: https://ci.example.com/jenkins/",
    "user": "Its id, as in the address of its page, /user/ID. It needs Overall/Read and Job/Read.",
    "token": f"That user makes one in Jenkins: user menu, Security, API Token. {ITS_PLACE}",
    "place": "SEI's page on custom CI/CD integrations says which one your Harness is; or the"
    " address before /custom-cicd.",
    "key": f"SEI makes one: Settings, API keys. {ITS_PLACE}",
    "name": "What SEI calls this Jenkins. Commands take it as --controller.",
    "guid": "SEI's id of this Jenkins. Without one, `sei-poller register` gets it.",
}
"""What `?` answers, by the key of the question."""


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
    given, place = dict(given), 0
    while place < len(asked):
        question = asked[place]
        default = _default(question, answers)
        if question.key in given:
            answers[question.key] = given.pop(question.key)
        else:
            answer = default if ask is None else ask(question, default)
            if answer == BACK:
                place = max(0, place - 1)
                continue
            answers[question.key] = answer
        place += 1
        if question.try_answer is None:
            continue
        later = {one.key for one in asked[place:]}
        results = _tried(question.try_answer, answers, later, environ, clock())
        for result in results:
            show(result)
        if code := exit_code(results):
            if ask is None:
                return code, answers
            if not question.is_secret:  # its place is offered again: the right one may be put there
                del answers[question.key]
            place -= 1
            while place and asked[place - 1].try_answer is None:
                place -= 1
    return 0, answers


def _default(question: Question, answers: Answers) -> str:
    """What was answered before. A secret that was typed where its place is asked for is never
    offered, as that would show it."""
    before = answers.get(question.key, question.default)
    return question.default if question.is_secret and not is_source(before) else before


def _tried(
    try_answer: TryAnswer,
    answers: Answers,
    later: Collection[str],
    environ: Mapping[str, str],
    now: int,
) -> list[CheckResult]:
    """Try it, without what was answered to ``later`` questions before somebody went back. Jenkins'
    address becomes its own, where that of a page was given."""

    async def trial() -> list[CheckResult]:
        answers["url"] = without_question(answers["url"])
        so_far = {key: answer for key, answer in answers.items() if key not in later}
        controller, receiver = tables({**NOT_YET, **so_far})
        jenkins_, sei_ = _valid(ControllerConfig, controller), _valid(SeiConfig, receiver)
        root, told = None, list[CheckResult]()
        if try_answer is _try_url:
            root = await find_root(jenkins_, environ)
        if root is not None and root != jenkins_.url:
            told = [ok("Jenkins", f"{jenkins_.url} is a page; its own address is {root}")]
            answers["url"] = root
            jenkins_ = jenkins_.model_copy(update={"url": root})
        return told + await try_answer(jenkins_, sei_, environ, now)

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
    if reached.status == jenkins.NOT_FOUND:
        return [*reached.results, await not_here("Jenkins", controller, environ)]
    return reached.results + jenkins.answers("Jenkins", reached)


async def _try_token(
    controller: ControllerConfig, _sei: SeiConfig, environ: Mapping[str, str], _now: int
) -> list[CheckResult]:
    token = read_secret(controller, environ).get_secret_value()
    connection = connection_to(controller, environ)
    client = JenkinsClient(controller.name, connection, controller.user, token)
    async with contextlib.aclosing(client):
        results = await jenkins.login(client, controller, token, environ)
        if not exit_code(results) and not (await fetch_items(client, None, first=False)).items:
            results.append(warning(client.where, jenkins.NO_JOB, jenkins.NO_JOB_CURE))
    return results


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
            [f"{'.'.join(map(str, error['loc']))}: {words_of(error)}" for error in invalid.errors()]
        ) from None
