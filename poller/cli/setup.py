"""The commands that set the program up: `init` and `register`."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poller.cli.app import AsJson, app, config_path, read_settings
from poller.cli.output import emit, say
from poller.core.errors import ConfigError
from poller.core.times import now_ms

if TYPE_CHECKING:
    from poller.actions.init import Question


ABOUT = (
    "Each answer is tried. `?` explains a question, `back` returns to the one before; Ctrl-D ends,"
    " and nothing is written."
)


def _flag(name: str, metavar: str, text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(name, metavar=metavar, help=text)
    return option


@app.command()
def init(
    ctx: typer.Context,
    url: Annotated[str | None, _flag("--url", "URL", "Jenkins' url.")] = None,
    user: Annotated[str | None, _flag("--user", "NAME", "Jenkins user to read with.")] = None,
    token_env: Annotated[
        str | None, _flag("--token-env", "NAME", "Variable that holds its token.")
    ] = None,
    token_file: Annotated[
        str | None, _flag("--token-file", "PATH", "File that holds its token.")
    ] = None,
    token_credential: Annotated[
        str | None, _flag("--token-credential", "NAME", "systemd credential that holds its token.")
    ] = None,
    environment: Annotated[
        str | None, _flag("--environment", "NAME", "SEI's: PROD0 to PROD4, PROD6 or EU.")
    ] = None,
    base_url: Annotated[str | None, _flag("--base-url", "URL", "SEI's, instead.")] = None,
    api_key_env: Annotated[
        str | None, _flag("--api-key-env", "NAME", "Variable that holds SEI's API key.")
    ] = None,
    api_key_file: Annotated[
        str | None, _flag("--api-key-file", "PATH", "File that holds SEI's API key.")
    ] = None,
    api_key_credential: Annotated[
        str | None,
        _flag("--api-key-credential", "NAME", "systemd credential that holds SEI's API key."),
    ] = None,
    name: Annotated[str | None, _flag("--name", "NAME", "The controller's; default: main.")] = None,
    instance_guid: Annotated[
        str | None, _flag("--instance-guid", "GUID", "Default: none yet; see register.")
    ] = None,
    ca_file: Annotated[
        str | None, _flag("--ca-file", "PATH", "The CA of Jenkins' certificate.")
    ] = None,
    proxy: Annotated[str | None, _flag("--proxy", "URL", "Default: the environment's.")] = None,
    allow_http: Annotated[
        bool, typer.Option("--allow-http", help="Send secrets to an http:// url, in clear.")
    ] = False,
) -> int:
    """Write a config: asks for what is not given, and tries each answer."""
    flags = {
        "url": url,
        "user": user,
        "token": _one_of(env=token_env, file=token_file, credential=token_credential),
        "place": _one_of(environment=environment, base_url=base_url, bare=True),
        "key": _one_of(env=api_key_env, file=api_key_file, credential=api_key_credential),
        "name": name,
        "guid": instance_guid,
        "ca_file": ca_file,
        "proxy": proxy,
        "allow_http": "true" if allow_http else None,
    }

    return _write_config(
        ctx.find_root().obj, {key: value for key, value in flags.items() if value is not None}
    )


def _write_config(given: Path | None, flags: dict[str, str]) -> int:
    from poller.actions.config_file import ledger_for, target, text_of, write
    from poller.actions.init import ask_all, questions

    root = os.geteuid() == 0
    path = target(given, os.environ, root=root)
    os.environ.setdefault("CREDENTIALS_DIRECTORY", str(path.parent))
    asking = sys.stdin.isatty() and sys.stderr.isatty()
    if asking:
        say(ABOUT, err=True)
    try:
        code, answers = ask_all(
            questions(path), flags, os.environ, now_ms, _ask if asking else None,
            lambda result: say(result.text(), err=True),
        )  # fmt: skip
        if code == 0:
            write(path, text_of(answers, ledger_for(path)))
    except typer.Abort as end:
        for secret in _made:
            secret.unlink(missing_ok=True)
        say("\nnothing was written", err=True)
        return 130 if isinstance(end.__context__, KeyboardInterrupt) else 1
    if code == 0:
        say(f"wrote {path}")
        say(_next_steps(path, root=root, registered=bool(answers["guid"])), err=True)
    return code


def _next_steps(path: Path, *, root: bool, registered: bool) -> str:
    """The two commands to type next."""
    from poller.config.load import ETC, default_paths

    default = path in default_paths(os.environ, root=root)
    command = "sei-poller" if default else f"sei-poller --config {shlex.quote(str(path))}"
    unit = "sei-poller" if path.stem == "poller" else f"sei-poller@{path.stem}"
    start = f"systemctl enable --now {unit}" if path.parent == ETC else f"{command} run"
    steps = (
        [f"{command} check", start]
        if registered
        else [f"{command} register --satellite satellite.yml", f"{command} check"]
    )
    return "\n  ".join(["next:", *steps])


def _one_of(*, bare: bool = False, **flags: str | None) -> str | None:
    """``kind value`` of the one flag that is given, or only the value; exit 64 for several."""
    given = [(kind, value) for kind, value in flags.items() if value is not None]
    if len(given) > 1:
        kinds = ", ".join(kind.replace("_", "-") for kind in flags)
        raise typer.BadParameter(f"one of {kinds}, not several")
    return next((value if bare else f"{kind} {value}" for kind, value in given), None)


_made: set[Path] = set()
"""The secrets' files made here: a wrong one may be pasted anew."""


def _ask(question: Question, default: str) -> str:
    """Ask on the terminal. What may be a secret is not shown; its file can be made here."""
    from poller.actions.config_file import is_source, secret_file, write_secret
    from poller.actions.init import BACK, HELP

    while True:
        answer: str = typer.prompt(
            question.text,
            default=default if default or question.optional else None,
            show_default=bool(default),
            hide_input=question.is_secret,
            err=True,
        ).strip()
        if answer == "?":
            say(f"  {HELP[question.key]}", err=True)
            continue
        if not question.is_secret or answer == BACK:
            return answer
        secret, source = None, answer
        if not is_source(answer) and default.startswith("credential "):
            secret, source = answer, default  # it was pasted here
        elif is_source(answer):
            say(f"  {answer}", err=True)
        path = secret_file(source, os.environ)
        if path is None or not (secret or path in _made or not path.exists()):
            return source
        if secret is None:
            text = f"{path} is not there yet; paste the secret"
            secret = typer.prompt(text, hide_input=True, err=True)
        try:
            write_secret(path, secret, anew=path in _made)
        except ConfigError as error:
            say(f"  {error}", err=True)
            continue
        _made.add(path)
        return source


@app.command()
def register(
    ctx: typer.Context,
    controller: Annotated[
        str | None,
        typer.Option("--controller", metavar="NAME", help="Needed where there are several."),
    ] = None,
    integration_id: Annotated[
        str | None,
        typer.Option("--integration-id", metavar="ID", help="Of SEI's Custom integration."),
    ] = None,
    satellite: Annotated[
        Path | None,
        typer.Option("--satellite", metavar="FILE", help="The satellite.yml that holds its id."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Get a controller's instance GUID from SEI, and the line to put into the config."""
    settings = read_settings(ctx, secrets=False)
    import asyncio

    from poller.actions.register import choose, integration, line_for
    from poller.actions.register import register as get_guid

    one, sei = choose(settings, controller)
    guid = asyncio.run(get_guid(one, sei, integration(integration_id, satellite), os.environ))
    emit({"controller": one.name, "instance_guid": guid} if as_json else [line_for(guid)])
    table = f'the [[controllers]] table "{one.name}" of {config_path(ctx)}'
    say(f"put it into {table}; then: sei-poller check", err=True)
