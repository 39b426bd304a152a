"""`init`: the shortest config that works, each answer tried before the next question.

A config never holds a secret, only where it is: an environment variable, a file, or a systemd
credential.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from poller import first_config
from poller.check import jenkins, sei
from poller.check.finding import CONFIG_CODE, UNAVAILABLE, Finding, exit_code
from poller.check.network import reach
from poller.errors import ConfigError, RemoteError, UsageError
from poller.first_config import ETC, Draft, source
from poller.jenkins.api import Api
from poller.secrets import read_secret
from poller.servers import BASES, ControllerConfig, Sei
from poller.wiring import connection

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Question:
    """One answer to be had: by its flag, or by asking. An ``optional`` one may be empty."""

    key: str
    flag: str
    text: str
    default: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Step:
    """Questions whose answers can only be tried together, and the trial."""

    questions: tuple[Question, ...]
    trial: Callable[[Draft, Mapping[str, str], int], Awaitable[list[Finding]]]


def steps(path: Path) -> list[Step]:
    """What is asked, in order. As a service, secrets are credentials by default."""
    as_service = path.parent == ETC
    prefix = "" if path.stem == "poller" else f"{path.stem}-"
    token = f"credential {prefix}jenkins-token" if as_service else "env JENKINS_TOKEN"
    key = "credential sei-api-key" if as_service else "env SEI_API_KEY"
    where = "(env NAME, file PATH or credential NAME)"
    return [
        Step((Question("url", "--url URL", "Jenkins' url, with its context path"),), _try_url),
        Step(
            (
                Question("user", "--user NAME", "Jenkins user that the poller reads with"),
                Question("token", "--token-env NAME", f"where its API token is {where}", token),
            ),
            _try_token,
        ),
        Step(
            (
                Question(
                    "place", "--environment NAME", f"SEI's environment ({', '.join(BASES)}) or url",
                    "PROD2",
                ),
            ),
            _try_place,
        ),
        Step(
            (Question("key", "--api-key-env NAME", f"where SEI's API key is {where}", key),),
            _try_key,
        ),
        Step(
            (
                Question("name", "--name NAME", "the controller's name at SEI", "main", True),
                Question(
                    "guid", "--instance-guid GUID",
                    "its instance GUID (none yet: leave it empty)", optional=True,
                ),
            ),
            _try_guid,
        ),
    ]  # fmt: skip


def missing(asked: list[Step], draft: Draft) -> list[str]:
    """The flags of what is neither given nor optional."""
    return [
        question.flag
        for step in asked
        for question in step.questions
        if not question.optional and question.key not in draft
    ]


def interview(
    asked: list[Step],
    draft: Draft,
    environ: Mapping[str, str],
    clock: Callable[[], int],
    ask: Callable[[Question, str], str] | None,
    tell: Callable[[Finding], None],
) -> int:
    """Fill the draft, and try each answer; 0 when all are good, else an exit code.

    ``ask`` is None where there is nobody to ask: then a wrong answer is the end. Raises UsageError
    when something is missing then.
    """
    if ask is None and (flags := missing(asked, draft)):
        raise UsageError(f"no terminal to ask on, so init needs {', '.join(flags)}")
    if urlsplit(draft.get("proxy", "")).password is not None:
        raise UsageError(
            "--proxy: everybody may read the config, so it holds no password",
            "set https_proxy in the service's environment instead, from a file that root can read",
        )
    for step in asked:
        before: Draft = {}
        while True:
            for question in step.questions:
                if question.key not in draft and ask is not None:
                    default = before.get(question.key, question.default)
                    draft[question.key] = ask(question, default)
                draft.setdefault(question.key, question.default)
            findings = _tried(step, draft, environ, clock())
            for finding in findings:
                tell(finding)
            code = exit_code(findings)
            if not code:
                break
            if ask is None:
                return code
            before = {q.key: draft.pop(q.key) for q in step.questions}
    return 0


def secret_file(text: str, environ: Mapping[str, str]) -> Path | None:
    """The file that a source means; None for an environment variable, or nonsense."""
    kind, _, value = text.partition(" ")
    if kind == "file":
        return Path(value).expanduser()
    directory = environ.get("CREDENTIALS_DIRECTORY")
    return Path(directory) / value if kind == "credential" and value and directory else None


def _tried(step: Step, draft: Draft, environ: Mapping[str, str], now: int) -> list[Finding]:
    async def trial() -> list[Finding]:
        return await step.trial(draft, environ, now)

    try:
        return asyncio.run(trial())
    except ConfigError as error:
        return [Finding("wrong", "answer", why, error.hint, CONFIG_CODE) for why in error.findings]
    except RemoteError as error:
        return [Finding("wrong", "answer", str(error), error.hint, UNAVAILABLE)]


async def _try_url(draft: Draft, _environ: Mapping[str, str], now: int) -> list[Finding]:
    reached = await reach("Jenkins", connection(_controller(draft)), now)
    return reached.findings + jenkins.answers("Jenkins", reached)


async def _try_token(draft: Draft, environ: Mapping[str, str], _now: int) -> list[Finding]:
    settings = _controller(draft)
    token = read_secret(settings, environ).get_secret_value()
    api = Api(settings.name, connection(settings), settings.user, token)
    try:
        return await jenkins.login(api, settings, token)
    finally:
        await api.aclose()


async def _try_place(draft: Draft, _environ: Mapping[str, str], now: int) -> list[Finding]:
    if draft["place"].upper() in BASES:
        draft["place"] = draft["place"].upper()
    return (await reach("SEI", connection(_sei(draft)), now)).findings


async def _try_key(draft: Draft, environ: Mapping[str, str], _now: int) -> list[Finding]:
    return [await sei.key_accepted(_sei(draft), environ)]


async def _try_guid(draft: Draft, environ: Mapping[str, str], _now: int) -> list[Finding]:
    controller = _controller(draft)
    return [await sei.instance(_sei(draft), controller, environ)] if draft["guid"] else []


def _controller(draft: Draft) -> ControllerConfig:
    """Of the answers so far; what is not answered yet is made up."""
    kind, name = source(draft.get("token", "env NOT_YET"))
    values: dict[str, Any] = {
        "name": draft.get("name") or "main",
        "url": draft["url"],
        "user": draft.get("user", "nobody"),
        f"token_{kind}": name,
        "instance_guid": draft.get("guid") or None,
        **{key: draft[key] for key in ("ca_file", "proxy") if key in draft},
        **first_config.in_clear(draft, "url"),
    }
    return _valid(ControllerConfig, values)


def _sei(draft: Draft) -> Sei:
    kind, name = source(draft.get("key", "env NOT_YET"))
    place = "environment" if draft["place"] in BASES else "base_url"
    values = {
        place: draft["place"],
        f"api_key_{kind}": name,
        **first_config.in_clear(draft, "place"),
    }
    return _valid(Sei, values | ({"proxy": draft["proxy"]} if "proxy" in draft else {}))


def _valid(model: type[M], values: dict[str, Any]) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as invalid:
        raise ConfigError(
            [
                f"{'.'.join(map(str, error['loc']))}: {error['msg'].removeprefix('Value error, ')}"
                for error in invalid.errors()
            ]
        ) from None
