"""No secret gets out: marked ones are planted wherever a secret can be, every command is run while all
is well and while every server repeats what it was told, and all that came of it is searched: what
was printed and logged, the ledger with its write-ahead log, the other files, the status page, and
what was sent."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import signal
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import typer.main

from poller.__main__ import of_a_bug
from poller.cli.app import app
from poller.config.load import load
from poller.core.errors import ConfigError
from poller.core.known_secrets import mask, remember
from poller.delivery.failed_logs.plugin_form import REPORTS
from poller.demo.faults import Answer, Receive, Scope, Send, send_answer
from poller.demo.jenkins.stages import Stage, Step
from poller.demo.sei import unzipped
from poller.demo.server import Server
from tests.support.forks import Command
from tests.support.git_build import build_data
from tests.support.secrets import CAUGHT, TOKENS
from tests.support.simulated_iacm_site import Place, placed
from tests.support.site import GUID, Site, free_port
from tests.support.tls_and_proxy import Wire, proxy

MARK = "canaryq7"
"""In every planted secret: half of one is found, too, and so is its beginning by a search of words."""

TOKEN, KEY, HARNESS_KEY, PROXY, PARAMETER, SATELLITE = (
    f"{MARK}{what}{'0a1b2c3d4e5f' * 2}"
    for what in ("token", "sei", "harness", "proxy", "param", "satellite")
)
GIVEN = (TOKEN, KEY, HARNESS_KEY, PROXY, PARAMETER, SATELLITE)
BASIC = base64.b64encode(f"reader:{TOKEN}".encode()).decode()
PROXY_BASIC = base64.b64encode(f"user:{PROXY}".encode()).decode()
GITHUB = "ghp" + "_" + "a1B2" * 9

LINES = [f"+ use {token} now" for token in TOKENS.values()]
LINES += [text for text, shown in CAUGHT if text != shown]
LINES += [f"log says {PARAMETER}", f"password={MARK}log", f"corp-{'0' * 8}{MARK}corp"]
HIDDEN = [*TOKENS.values(), *(text for text, shown in CAUGHT if text != shown)]
"""What a log, and nothing else here, has in it, and what must not be left of it."""

STAGES = (
    Stage(
        f"Deploy password={MARK}stage",
        (
            Step(parameter_description=f"cd live && terraform plan -var token={MARK}step"),
            Step(parameter_description=f"deploy.sh {PARAMETER}"),
            Step(
                status="FAILURE",
                parameter_description=f"curl -u bob:{MARK}curl https://h/{quote(PARAMETER)}",
                log="\n".join(LINES) + "\n",
            ),
        ),
        "FAILURE",
        error={"message": f"Authorization: Bearer {MARK}error", "type": "x"},
    ),
)
MANIFEST = {
    "artifacts": [
        {"input": False, "output": True, "type": "container", "name": f"app {PARAMETER}",
         "location": f"https://bob:{MARK}userinfo@registry/app", "qualifier": GITHUB,
         "metadata": {"password": f"{MARK}meta", "note": f"token={MARK}note"}},
        {"password": f"{MARK}wrong", "type": 7},
    ]
}  # fmt: skip


REPEATED = ("authorization", "x-api-key", "x-door", "cookie")


class Echo:
    """A server that repeats what it was told wherever an answer has room for it."""

    def __init__(self, status: int, content_type: str = "text/html") -> None:
        self.status, self.content_type = status, content_type
        self.asked = 0

    async def app(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        self.asked += 1
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        told = " ".join(headers.get(name, "") for name in REPEATED).strip()
        words = {**headers, "told": told, "esc": "\x1b[31m\x9b1m"}
        body = json.dumps({"error": f"refused: {told}", "id": told, "headers": words})
        repeated = {
            "Content-Type": self.content_type.format(told=told),
            "Location": f"https://sso.example.com/{told}?x={told}",
            "WWW-Authenticate": told,
            "X-Jenkins": f"2.448 {told}",
            "X-Jenkins-Session": told,
            "X-Instance-Identity": told,
            "X-Text-Size": told,
            "Set-Cookie": f"token={told}",
        }
        await send_answer(scope, send, Answer(self.status, body.encode(), repeated))


@dataclass
class Nest:
    """A place with planted secrets in it, and all that was said there."""

    place: Place
    said: list[str] = field(default_factory=list)

    @property
    def site(self) -> Site:
        """Jenkins, SEI and the config."""
        return self.place.site

    def run(self, *arguments: str, code: int | None = None, config: Path | None = None) -> str:
        """What a command says, as a process of its own; it is searched later."""
        command = [*(["--config", str(config)] if config else []), *arguments]
        with self.site.start(*command) as process:
            out, err = process.communicate(timeout=60)
        assert "Traceback" not in err, err
        assert code in (None, process.returncode), (arguments, out, err)
        self.said += [out, err]
        return out + err

    def configure(
        self, jenkins: str = "", sei: str = "", harness: str = "", **controller: Any
    ) -> None:
        """The config with the servers at these addresses, or the simulated ones."""
        site = self.site
        keys = {
            "logs": "all",
            "every": "1s",
            "tests": "cases",
            **({"url": jenkins} if jenkins else {}),
            **controller,
        }
        site.configure(
            site.controller(**keys) + 'headers.X-Door = { env = "DOOR" }\n',
            base_url=f"{sei or site.sei_server.url}sei/api/v1",
            logs="failed",
            more=f"""
[harness]
url = "{harness or self.place.server.url}"
account = "acc"
org = "org"
project = "project"
api_key_file = "{site.directory}/secrets/harness"
headers = {{ X-Door = {{ env = "DOOR" }} }}
[sei.headers]
Cookie = {{ env = "DOOR" }}
[jsonl]
path = "{site.directory}/runs.jsonl"
[redact]
patterns = ["corp-[0-9]{{8}}[a-z0-9]*"]
[status]
listen = "{self.port}"
[[rules]]
match = "tf/**"
iacm_workspace = "network"
""",
        )

    port: int = field(default_factory=free_port)

    def files(self) -> Iterator[tuple[str, str]]:
        """Every file that the program made, with its text."""
        for path in self.site.directory.rglob("*"):
            if path.is_file() and "secrets" not in path.parts:
                yield path.name, path.read_bytes().decode("latin-1")

    def search(self) -> None:
        """There is no planted secret in anything."""
        for text in self.said:
            assert clean(text)
            assert "\x1b" not in text
            assert "\x9b" not in text
        for name, text in self.files():
            assert clean(text), name
        sent = json.dumps([self.site.sei.received, self.place.harness.received])
        assert clean(sent)
        for files in self.site.sei.logs.values():
            texts = dict(files)
            reports = unzipped(texts.pop(REPORTS)) if REPORTS in texts else {}
            assert all(clean(text.decode()) for text in (*texts.values(), *reports.values()))


def clean(text: str) -> bool:
    """Whether there is no planted secret in a text, in no form."""
    found = re.search(
        rf".{{0,60}}(?:{MARK}|{BASIC[:-4]}|{PROXY_BASIC[:-4]}|{GITHUB}).{{0,60}}", text
    )
    assert found is None, found
    return True


@pytest.fixture
def nest(tmp_path: Path) -> Iterator[Nest]:
    """Planted secrets everywhere."""
    with placed(tmp_path) as place:
        site = place.site
        site.jenkins.users["reader"] = TOKEN
        site.sei.key, place.harness.key = KEY, HARNESS_KEY
        secrets = tmp_path / "secrets"
        secrets.mkdir()
        (secrets / "harness").write_text(HARNESS_KEY + "\n")
        (secrets / "satellite.yml").write_text(
            f"satellite:\n  api_key: {SATELLITE}\nintegrations:\n  - id: '4711'\n"
        )
        site.environ = {
            "JENKINS_TOKEN": TOKEN,
            "SEI_API_KEY": KEY,
            "DOOR": f"Bearer {MARK}door",
            "UNRELATED_SECRET": f"{MARK}environ",
        }
        build = site.jenkins.job("tf/network").start(
            stages=STAGES,
            parameters={
                "DB_PASSWORD": PARAMETER,
                "URL": f"https://bob:{MARK}url@h/?token={MARK}query",
                "NOTE": f"as said, {PARAMETER}, and {GITHUB}",
            },
            actions=None,
        )
        build.log += "\n".join(LINES) + "\n"
        told = {"errorDetails": "\n".join(LINES), "errorStackTrace": "\n".join(LINES[-3:])}
        case = {"className": f"token={MARK}class", "name": PARAMETER, "status": "FAILED"}
        build.report_tests([{"name": f"password={MARK}suite", "cases": [case | told]}])
        build.archive("sei-artifacts.json", json.dumps(MANIFEST).encode())
        build.finish("FAILURE")
        url = f"https://bob:{MARK}git@git.example.com/app.git?private_token={MARK}git"
        site.jenkins.job("git").build(actions=[build_data(url, "main", "a" * 40)])
        nest = Nest(place)
        nest.configure()
        yield nest


GOOD: Mapping[str, Sequence[str]] = {
    "once": [""],
    "check": ["--json"],
    "preview": ["tf/network 1", "git 1 --explain"],
    "status": [""],
    "logs": [
        "tf/network 1",
        "tf/network 1 --step 9",
        "tf/network 1 --follow",
        "tf/network 1 --cause",
        f"--search {MARK}",
    ],
    "config show": [""],
    "config schema": [""],
    "reconcile": ["--json"],
    "backfill": ["--since all --dry-run"],
    "rejected": ["--json"],
    "retry": ["--all"],
    "skip": ["team/app 1"],
    "resend": ["--dry-run", "--job git"],
    "now": [""],
    "executions list": ["--json"],
    "executions get": ["e s"],
}
ELSEWHERE = {"run", "init", "register", "demo", "install", "uninstall", "reload"}
"""Commands that the tests below run in their own way; `demo` has made-up servers and secrets. The
last three read no secret."""


def test_every_command_is_run() -> None:
    """A new one has to be here, too."""
    top = typer.main.get_command(app)
    names = set()
    for name, command in top.commands.items():  # type: ignore[attr-defined]
        below = getattr(command, "commands", {})
        names |= {f"{name} {one}" for one in below} or {name}
    assert set(GOOD) | ELSEWHERE == names


def test_while_all_is_well(nest: Nest) -> None:
    """Nothing of what was planted is printed, kept or sent; and what was hidden had been there."""
    fresh = nest.site.directory / "fresh.toml"
    for command, calls in GOOD.items():
        for arguments in calls:
            out = nest.run(*command.split(), *arguments.split())
            if (
                command == "logs"
                and arguments.startswith("tf/network 1")
                and "cause" not in arguments
            ):
                assert out.count("****") > len(LINES)
                assert not [secret for secret in HIDDEN if secret in out]
            if arguments.startswith("--search"):
                assert "nothing found" in out
    nest.run(
        "init", "--url", nest.site.jenkins_server.url, "--user", "reader",
        "--token-env", "JENKINS_TOKEN", "--base-url", f"{nest.site.sei_server.url}sei/api/v1",
        "--api-key-env", "SEI_API_KEY", config=fresh, code=0,
    )  # fmt: skip
    satellite = str(nest.site.directory / "secrets" / "satellite.yml")
    nest.run("register", "--satellite", satellite, config=fresh, code=0)
    assert {run["job_full_name"] for run in nest.site.sei.received} == {"tf/network", "git"}
    assert len(nest.place.harness.received) == 1
    assert any(b"****" in text for files in nest.site.sei.logs.values() for text in files.values())
    assert any(REPORTS in files for files in nest.site.sei.logs.values())
    assert (nest.site.directory / "runs.jsonl").read_text().count("\n") == 3  # `git` again
    nest.search()


def test_while_every_server_repeats_what_it_was_told(nest: Nest) -> None:
    """In its pages, its headers, its redirects: the answers are told without them."""
    echoes = Echo(302), Echo(200, "text/{told}"), Echo(401)
    with Server(echoes[0].app) as one, Server(echoes[1].app) as two, Server(echoes[2].app) as three:
        fresh = nest.site.directory / "fresh.toml"
        nest.configure(one.url, two.url, three.url)
        fresh.write_text(nest.site.config.read_text().replace("instance_guid", "#instance_guid"))
        nest.run("register", "--integration-id", "1", config=fresh, code=69)
        for command in ("once", "check", "preview tf/network 1", "executions list"):
            nest.run(*command.split())
        nest.configure(two.url, three.url, one.url)
        for command in ("once", "check", "logs tf/network 1 --follow", "executions list"):
            nest.run(*command.split())
    nest.run("status")
    assert all(echo.asked > 2 for echo in echoes)
    nest.search()


def test_while_runs_are_rejected(nest: Nest) -> None:
    """The service, its log, its page and all that it links to; SEI's words are kept, without the
    key in them; killed, it leaves a write-ahead log behind, and no planted secret in that."""
    echo = Echo(400, "application/json")
    with Server(echo.app) as server:
        nest.configure(sei=server.url, harness=server.url)
        with nest.site.start("run") as service:
            pages = _pages(nest, service)
            service.send_signal(signal.SIGKILL)
            out, err = service.communicate(timeout=60)
    nest.said += [out, err, *pages]
    assert len(pages) > 8
    assert any("refused: ****" in page for page in pages)
    assert (nest.site.ledger.with_name("ledger.db-wal")).stat().st_size > 0
    assert "refused: ApiKey ****" in nest.run("rejected", code=0)
    with contextlib.closing(sqlite3.connect(nest.site.ledger)) as conn:
        answers = [row[0] for row in conn.execute("select answer from delivery") if row[0]]
    assert len(answers) == 3
    assert clean("".join(answers))
    nest.search()


def _pages(nest: Nest, service: Command) -> list[str]:
    """Every page that is linked to, once all is rejected."""
    base = f"http://127.0.0.1:{nest.port}"
    seen: dict[str, str] = {}
    deadline = time.monotonic() + 30
    with httpx.Client(base_url=base) as http:
        while True:
            with contextlib.suppress(httpx.TransportError):
                seen["/metrics"] = http.get("/metrics").text
                rejected = ('rejected",sink="iacm"} 1.0', 'rejected",sink="sei"} 2.0')
                if all(count in seen["/metrics"] for count in rejected):
                    break
            assert time.monotonic() < deadline
            assert service.poll() is None
            time.sleep(0.05)
        todo = ["/", "/healthz", "/nothing", f"/search?q={MARK}", "/search?q=tf"]
        while todo:
            path = todo.pop()
            if path not in seen:
                answer = http.get(path)
                seen[path] = answer.text + str(answer.headers)
                todo += re.findall(r'href="(/(?!static)[^"#]*)"', answer.text)
    # What one searches for stands in the box that one typed it into.
    seen[f"/search?q={MARK}"] = seen[f"/search?q={MARK}"].replace(MARK, "")
    return list(seen.values())


def test_the_password_of_a_proxy(nest: Nest) -> None:
    """In the config or the environment: not shown by any command, nor where the proxy refuses."""
    with Wire(proxy(refuse=True)) as between:
        address = f"http://user:{PROXY}@127.0.0.1:{between.port}"
        nest.configure(
            "https://jenkins.test/", "https://sei.test/", "https://h.test/", proxy=address
        )
        config = nest.site.config.read_text()
        nest.site.environ["https_proxy"] = address
        for command in ("config show", "check", "once"):
            nest.run(*command.split())
        nest.run("init", "--proxy", address, "--url", "https://h/", "--user", "u", "--token-env",
                 "T", "--environment", "EU", "--api-key-env", "K",
                 config=nest.site.directory / "new.toml", code=64)  # fmt: skip
    assert any("the proxy refuses: 407" in text for text in nest.said)
    nest.site.config.write_text(config.replace(PROXY, ""))
    nest.search()


@pytest.mark.parametrize(
    "line",
    [f'url = "https://bob:{TOKEN}@h/"', f'token = "{TOKEN}"', f'proxy = "{TOKEN}"',
     f'token_file = ["{TOKEN}"]', f"x = {TOKEN}", f'instance_guid = "{TOKEN}"'],
)  # fmt: skip
def test_a_secret_where_it_does_not_belong(nest: Nest, line: str) -> None:
    """In the config itself: it is refused without being repeated."""
    text, key = nest.site.config.read_text(), line.partition(" ")[0]
    text = re.sub(rf"(?m)^{key} = .*\n|\A\[\[controllers\]\]\n", "", text)
    nest.site.config.write_text(f"[[controllers]]\n{line}\n{text}")
    with pytest.raises(ConfigError) as caught:
        load(nest.site.config, {})
    assert clean(str(caught.value))


def test_a_crash_tells_no_secret() -> None:
    """What was raised and where, on one line; the secrets that are known are taken out, in every
    form in which they leave the process."""
    secret = f'{MARK}"crash/ed é'
    remember(secret, "reader")
    header = base64.b64encode(f"reader:{secret}".encode()).decode()
    forms = [secret, quote(secret, safe=""), json.dumps(secret), f"Basic {header}"]
    told = of_a_bug(ValueError("\n".join(forms) + "\x1b[2J" + "x" * 999))
    assert told.startswith("ValueError: ****\\u000a****\\u000a")
    assert clean(told)
    assert header not in told
    assert told.isprintable()
    assert len(told) < 400
    assert mask("nothing to hide") == "nothing to hide"


def test_what_is_too_short_to_be_masked_stays() -> None:
    """A proxy whose password is ``proxy`` does not tell it by what is missing."""
    remember("proxy")
    assert mask("through the proxy") == "through the proxy"
    assert mask(GUID) == GUID
