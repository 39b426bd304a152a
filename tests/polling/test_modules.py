"""Maven modules and configurations of a matrix: jobs that are no items."""

from __future__ import annotations

import pytest

from poller.jenkins.paths import build_of_url, job_path
from tests.support.site import Site


@pytest.fixture
def with_modules(site: Site) -> Site:
    """A Maven project with two modules and a matrix with one configuration, built once each."""
    shop, matrix = site.jenkins.job("team/shop", "maven"), site.jenkins.job("mx", "matrix")
    for job in (shop, shop.module("com.acme:api"), shop.module("com.acme:web")):
        job.build(user="ada")
    for job in (matrix, matrix.module("OS=linux,JDK=17")):
        job.build(result="FAILURE")
    return site


PROJECTS = ["mx", "team/shop"]


def sent(site: Site) -> dict[str, tuple[str, str | None]]:
    """By job: pipeline and module."""
    return {
        run["job_full_name"]: (run["pipeline"], run.get("module_name")) for run in site.sei.received
    }


def test_they_are_not_sent_by_themselves(with_modules: Site) -> None:
    """And that is said, by `check` and by `preview`."""
    assert with_modules.run("once").returncode == 0
    assert sorted(sent(with_modules)) == PROJECTS
    saw = "2 Maven or matrix jobs: their modules are sent where modules = true"
    assert saw in with_modules.run("check").stdout
    assert "modules = true sends them" in with_modules.run("preview", "mx", "1").stderr


def test_each_is_a_run_of_its_own(with_modules: Site) -> None:
    """Of the project's pipeline; collected once; one that comes later, too."""
    with_modules.configure(with_modules.controller(modules=True))
    for _ in range(2):
        assert with_modules.run("once").returncode == 0
    assert sent(with_modules) == {
        "mx": ("mx", None),
        "mx/OS=linux,JDK=17": ("mx", "OS=linux,JDK=17"),
        "team/shop": ("shop", None),
        "team/shop/com.acme:api": ("shop", "com.acme:api"),
        "team/shop/com.acme:web": ("shop", "com.acme:web"),
    }
    assert len(with_modules.sei.received) == 5
    with_modules.jenkins.jobs["team/shop"].module("com.acme:api").build()
    assert with_modules.run("once").returncode == 0
    assert len(with_modules.sei.received) == 6
    told = with_modules.run("preview", "team/shop//com.acme:api", "2", "--explain").stdout
    assert 'module_name: "com.acme:api"  <- the Maven module' in told
    assert with_modules.run("reconcile").returncode == 0


def test_a_rule_says_for_which_jobs(with_modules: Site) -> None:
    """Its match is over the name that Jenkins has."""
    with_modules.configure(more='[[rules]]\nmatch = "team/shop/*:api"\nmodules = true')
    assert with_modules.run("once").returncode == 0
    assert sorted(sent(with_modules)) == ["mx", "team/shop", "team/shop/com.acme:api"]


@pytest.mark.parametrize(
    ("full_name", "path"),
    [
        ("shop//com.acme:api", "job/shop/com.acme:api/"),
        ("t/mx//OS=l,J=1", "job/t/job/mx/OS=l,J=1/"),
    ],
)
def test_their_addresses(full_name: str, path: str) -> None:
    """Below the project, without another `job`."""
    assert path == job_path(full_name)
    assert build_of_url(f"https://ci.example.com/{path}7/") == (full_name, 7)
