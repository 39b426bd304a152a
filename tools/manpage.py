"""The man page, made from the commands themselves: ``python -m tools.manpage``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from poller import __version__
from poller.__main__ import app

FILES = (
    ("~/.config/sei-poller/poller.toml", "The config of a user other than root."),
    ("/etc/sei-poller/poller.toml", "The config of sei-poller.service; see poller.example.toml."),
    ("/etc/sei-poller/NAME.toml", "The config of sei-poller@NAME.service."),
    ("/var/lib/sei-poller/ledger.db", "The ledger: what was seen, sent and refused."),
)
ENVIRONMENT = (
    ("SEI_POLLER_CONFIG", "The config file, where --config is not given."),
    ("CREDENTIALS_DIRECTORY", "Where token_credential and api_key_credential are, as systemd sets"
     " it. Default: the folder of the config."),
    ("STATE_DIRECTORY, XDG_STATE_HOME", "Where the ledger is, where the config does not say."),
    ("https_proxy, http_proxy, no_proxy", "Proxies, where the config names none."),
)  # fmt: skip
EXIT_STATUS = (
    ("0", "All done."),
    ("1", "A finding."),
    ("64, 78", "The command line, the config, can't be used."),
    ("65", "The named job or build does not exist."),
    ("69", "A server could not be reached, or refused us."),
    ("70", "A bug in the program."),
    ("73", "The ledger can't be opened or written."),
    ("74", "The output can't be written, as on a full disk."),
    ("75", "Done in part: something is queued, or to be asked for again."),
)
SIGNALS = (
    ("SIGTERM, SIGINT", "End run when what is under way is done."),
    ("SIGHUP", "run reads its config anew, and keeps the one before if it is wrong."),
)


def page() -> str:
    """The whole page in roff (man(7))."""
    group: Any = typer.main.get_command(app)
    context = group.make_context("sei-poller", [], resilient_parsing=True)
    lines = [
        f'.TH SEI-POLLER 1 "" "sei-poller {__version__}" "User Commands"',
        ".SH NAME",
        f"sei-poller \\- {_text(str(group.help).rstrip('.'))}",
        ".SH SYNOPSIS",
        ".B sei-poller",
        "[OPTIONS] COMMAND [ARGUMENTS]",
        ".PP",
        "Each command has --help; those that read have --json. Results go to stdout, all else to"
        " stderr.",
        ".SH OPTIONS",
        *_options(group, context),
        ".SH COMMANDS",
        *_commands(group, context, ""),
    ]
    for title, entries in (
        ("EXIT STATUS", EXIT_STATUS),
        ("SIGNALS", SIGNALS),
        ("ENVIRONMENT", ENVIRONMENT),
        ("FILES", FILES),
    ):
        lines.append(f".SH {title}")
        for term, text in entries:
            lines += [".TP", f".B {_text(term)}", _text(text)]
    return "\n".join(lines) + "\n"


def _commands(group: Any, context: Any, above: str) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.commands[name]
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from _commands(command, context, f"{above}{name} ")
            continue
        inside = command.make_context(name, [], parent=context, resilient_parsing=True)
        arguments = [one for one in command.params if one.param_type_name == "argument"]
        usage = " ".join(str(one.metavar or one.name.upper()) for one in arguments)
        yield f".SS {_text(f'{above}{name} {usage}'.strip())}"
        yield _text(" ".join(str(command.help).split()))
        for argument in arguments:
            if argument.help:
                yield from (".TP", f".B {_text(str(argument.metavar))}", _text(argument.help))
        yield from _options(command, inside)


def _options(command: Any, context: Any) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is None or parameter.param_type_name != "option":
            continue
        if parameter.name != "help":
            yield from (".TP", f".B {_text(record[0])}", _text(" ".join(record[1].split())))


def _text(text: str) -> str:
    """Roff for plain text: no request, no escape, and hyphens that can be searched and copied."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    print(page(), end="")
