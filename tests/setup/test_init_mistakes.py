"""`init`: no mistake traps anybody, writes half a set-up, or shows a secret."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from poller.actions.check.address import candidates
from poller.demo.faults import Receive, Scope, Send
from tests.support.site import GUID, KEY, TOKEN, Site, served
from tests.support.terminal import Terminal


@pytest.fixture
def empty(site: Site) -> Site:
    """Both servers, and no config yet."""
    site.config.unlink()
    site.jenkins.job("team/app").build()
    return site


@contextlib.contextmanager
def below(site: Site, context_path: str) -> Iterator[str]:
    """The same Jenkins with a context path; above it, a web server that knows nothing."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(context_path):
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b"nothing here"})
            return
        if scope["type"] == "http":
            raw = scope["raw_path"].removeprefix(context_path.encode())
            scope = {**scope, "path": scope["path"].removeprefix(context_path), "raw_path": raw}
        await site.jenkins.app(scope, receive, send)

    with served(app) as server:
        yield server.url


def init(site: Site, url: str) -> list[str]:
    """The command with all flags."""
    return ["init", "--url", url, "--user", "reader", "--token-env", "JENKINS_TOKEN", "--base-url",
            f"{site.sei_server.url}sei/api/v1", "--api-key-env", "SEI_API_KEY",
            "--instance-guid", GUID]  # fmt: skip


@pytest.mark.parametrize(
    "page",
    ["login", "login?from=%2Fjob%2Fx", "job/team/job/app/", "job/team/job/app/1/console#end",
     "api/json", "view/all/", "user/reader/security/", "manage"],
)  # fmt: skip
def test_the_address_of_a_page(empty: Site, page: str) -> None:
    """Becomes Jenkins' own; what is written works."""
    root = empty.jenkins_server.url
    done = empty.run(*init(empty, root + page))
    assert done.returncode == 0, done.stderr
    assert page == "api/json" or f"its own address is {root}" in done.stderr
    assert f'url = "{root}"' in empty.config.read_text()
    assert empty.run("check").returncode == 0


@pytest.mark.parametrize("page", ["", "login", "job/team/"])
def test_a_context_path_that_was_left_out(empty: Site, page: str) -> None:
    """The usual one is found."""
    with below(empty, "/jenkins") as top:
        done = empty.run(*init(empty, top + page))
        assert done.returncode == 0, done.stderr
        assert f'url = "{top}jenkins/"' in empty.config.read_text()


@pytest.mark.parametrize(
    ("address", "root"), [("", "jenkins/"), ("jenkins/job/team/", "jenkins/"), ("ci/", "jenkins/")]
)
def test_a_wrong_address_in_the_config(site: Site, address: str, root: str) -> None:
    """`check` says which one is right, not only that something is 404."""
    site.jenkins.job("team/app").build()
    with below(site, "/jenkins") as top:
        site.configure(site.controller(url=top + address))
        result = site.run("check")
    assert result.returncode == 69
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("wrong")]
    assert line.endswith(f'{top}{address} is not Jenkins\' own address — url = "{top}{root}"')


def test_an_address_of_something_else(site: Site) -> None:
    """No Jenkins is found: the cure asks for the context path."""
    with below(site, "/build/ci") as top:
        site.configure(site.controller(url=top))
        result = site.run("check")
    assert result.returncode == 69
    assert f"is its context path missing, as in {top}jenkins/?" in result.stdout


def test_candidates() -> None:
    """The longest that can be Jenkins' own first; a page's last."""
    assert candidates("https://h/a/b/job/x/")[:3] == [
        "https://h/a/b/",
        "https://h/a/",
        "https://h/",
    ]
    assert candidates("https://h/a/b/job/x/")[-1] == "https://h/a/b/job/x/"
    assert "https://h/jenkins/" in candidates("https://h/")


def test_questions_are_explained_and_answered_again(empty: Site) -> None:
    """`?` explains, `back` returns with the answer before; it ends with the two next commands."""
    with Terminal(empty, "init") as terminal:
        terminal.expect("`?` explains a question, `back` returns")
        terminal.answer("Jenkins' url", "?")
        terminal.expect("What the browser shows")
        terminal.answer("Jenkins' url", empty.jenkins_server.url)
        terminal.answer("Jenkins user", "back")
        terminal.answer(f"Jenkins' url, with its context path [{empty.jenkins_server.url}]", "")
        terminal.answer("Jenkins user", "reader")
        terminal.answer("where its API token is", "?")
        terminal.expect("user menu, Security, API Token")
        terminal.answer("where its API token is", "env JENKINS_TOKEN")
        terminal.expect("user reader, token accepted")
        terminal.answer("SEI's environment", "nowhere")
        terminal.expect("base_url: a web address")
        terminal.answer("SEI's environment", "back")
        terminal.answer("where its API token is", "nonsense")
        terminal.answer("Jenkins user", "back")
        terminal.answer("Jenkins' url", "")
        terminal.answer("Jenkins user", "")
        terminal.answer("where its API token is", "env JENKINS_TOKEN")
        terminal.answer("SEI's environment", f"{empty.sei_server.url}sei/api/v1")
        terminal.answer("where SEI's API key is", "env SEI_API_KEY")
        terminal.answer("the controller's name", "")
        terminal.answer("its instance GUID", GUID)
        terminal.expect("next:")
        terminal.expect(f"sei-poller --config {empty.config} check")
        terminal.expect(f"sei-poller --config {empty.config} run")
    assert terminal.code == 0
    assert empty.run("check").returncode == 0


def test_a_secret_is_never_shown(empty: Site) -> None:
    """Pasted where its place is asked for, it is neither echoed nor offered, and Ctrl-D takes the
    files back that were made."""
    token = empty.directory / "token"
    with Terminal(empty, "init", "--url", empty.jenkins_server.url, "--user", "reader") as terminal:
        terminal.answer("where its API token is", TOKEN)
        terminal.expect("one of: env NAME, file PATH, credential NAME")
        terminal.answer("Jenkins user", "")
        terminal.answer("where its API token is", f"file {token}")
        terminal.answer("paste the secret", TOKEN)
        terminal.expect("token accepted")
        assert token.exists()
        terminal.answer("SEI's environment", f"{empty.sei_server.url}sei/api/v1")
        terminal.answer("where SEI's API key is", KEY)
        terminal.expect("one of: env NAME, file PATH, credential NAME")
        terminal.expect("where SEI's API key is")
        terminal.end_input()
    assert terminal.code == 1
    assert "nothing was written" in terminal.shown
    assert TOKEN not in terminal.shown
    assert KEY not in terminal.shown
    assert not token.exists()
    assert not empty.config.exists()


def test_what_was_refused_is_not_offered_again(empty: Site) -> None:
    """A wrong address would come back at each Enter, and nobody could say that there is no GUID."""
    with Terminal(empty, *init(empty, "nonsense")[:-2]) as terminal:
        terminal.answer("Jenkins' url", empty.jenkins_server.url)
        terminal.expect("token accepted")
        terminal.answer("the controller's name", "east")
        terminal.answer("its instance GUID", GUID.replace("6", "7"))
        terminal.expect("SEI does not know it")
        terminal.answer("the controller's name at SEI [east]", "")
        terminal.answer("its instance GUID (none yet: leave it empty)", "")
        terminal.expect("wrote")
    assert terminal.code == 0
    assert "[nonsense]" not in terminal.shown
    assert 'name = "east"' in empty.config.read_text()


def test_a_secret_whose_file_is_there(empty: Site) -> None:
    """Is not overwritten, and it is said what to do."""
    token = empty.directory / "jenkins-token"
    token.write_text("of yesterday")
    token.chmod(0o600)
    flags = ["--url", empty.jenkins_server.url, "--user", "reader"]
    with Terminal(empty, "init", *flags, "--token-credential", "jenkins-token") as terminal:
        terminal.expect("its token is refused")
        terminal.answer("Jenkins user", "")
        terminal.answer("where its API token is", TOKEN)
        terminal.expect(f"{token} is there already, and is not overwritten: put the secret into it")
        terminal.expect("where its API token is")
        terminal.end_input()
    assert token.read_text() == "of yesterday"


def test_a_user_that_sees_no_job(empty: Site) -> None:
    """Is said before anything is written, and no trap: there may be none yet."""
    empty.jenkins.remove("team")
    done = empty.run(*init(empty, empty.jenkins_server.url))
    assert done.returncode == 0
    assert "the user sees no job — give the user Job/Read" in done.stderr


def test_the_two_commands_that_come_next(empty: Site) -> None:
    """Without a GUID, `register` comes first."""
    command = init(empty, empty.jenkins_server.url)[:-2]
    after = empty.run(*command).stderr.split("next:")[1].split("\n  ")
    given = f"sei-poller --config {empty.config}"
    assert [line.strip() for line in after] == [
        "", f"{given} register --satellite satellite.yml", f"{given} check",
    ]  # fmt: skip
