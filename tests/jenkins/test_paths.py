"""Full names and URLs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.core.build_key import MOST_BUILDS
from poller.jenkins.paths import build_of_url, job_path


@pytest.mark.parametrize(
    ("full_name", "path"),
    [
        ("", ""),
        ("app", "job/app/"),
        ("team/sub group/app", "job/team/job/sub%20group/job/app/"),
        ("mb/feature%2Fone", "job/mb/job/feature%252Fone/"),
        ("team/日本語", "job/team/job/%E6%97%A5%E6%9C%AC%E8%AA%9E/"),
        ("a+b", "job/a%2Bb/"),
    ],
)
def test_job_path(full_name: str, path: str) -> None:
    """A branch is encoded in fullName already, and once more in the URL."""
    assert path == job_path(full_name)


@given(
    st.lists(st.text("ab/%+ é日", min_size=1).filter(lambda s: "/" not in s), min_size=1),
    st.integers(1, MOST_BUILDS),
)
def test_a_path_leads_back_to_its_name(segments: list[str], number: int) -> None:
    """Whatever the names are, below whatever context path."""
    name = "/".join(segments)
    url = f"https://ci.example.com/jenkins/{job_path(name)}{number}/"
    assert (name, number) == build_of_url(url, "/jenkins/")
    assert (name, number) == build_of_url(url)


@pytest.mark.parametrize(
    "url", ["", "https://x/", "https://x/job/a/", "https://x/computer/1/", "::"]
)
def test_other_urls_are_no_builds(url: str) -> None:
    """They are left out, not guessed at."""
    assert build_of_url(url) is None
