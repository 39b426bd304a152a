"""What SEI calls a job: as Jenkins does, or as SEI's Jenkins plugin does."""

from __future__ import annotations

import dataclasses

import pytest

from poller.mapping.map_build import MappedRun
from poller.mapping.names import JobInfo, SeiInstance, branch_folder
from tests.support.git_build import IDENTITY, build, map_one

PLUGIN = dataclasses.replace(IDENTITY, plugin_names=True)


@pytest.mark.parametrize(
    ("branch", "folder"),
    [("foo-bar", "foo-bar"), ("foo bar", "foo-bar.074vf0"), ("foo/bar", "foo-bar.nj9av9"),
     ("..", "0--.mpdh40"), ("con", "con.lkb1gc"), ("foo/bar/fu manchu/1", "foo-bar-fu-manchu-1.vgnr4j"),
     ("foo/bar/fu manchu/12345678", "foo-bar-fu-m.vrohpg.chu-12345678"),
     ("foo/bar/fu manchu/1234567890abc", "foo-bar-fu-m.aql4gn.234567890abc"),
     ("cafebabedeadbeefcafebabedeadbeefcafebabedeadbeef", "cafebabed.98h82o58mhfo.edeadbeef"),
     ("cafebabedeadbeefcafebabedeadbeef1", "cafebabedead.dfcoms.abedeadbeef1"),
     ("Ich liebe Fußball", "Ich-liebe-Fu_dfball.fp53tq"), ("我喜欢披萨", "0_62_11_55_9.f9c1g4._62_ab_84_28"),
     ("особенность/новый", "0_04_3e_0.n168ksdsksof._4b_04_39")],
)  # fmt: skip
def test_the_folder_of_a_branch(branch: str, folder: str) -> None:
    """The values are those that Jenkins' branch-api plugin documents in its tests."""
    assert folder == branch_folder(branch)


@pytest.mark.parametrize(
    ("job", "multibranch", "instance", "expected"),
    [
        ("app", False, IDENTITY, ("app", "app")),
        ("app", False, PLUGIN, ("app", "app")),
        ("team/app", False, PLUGIN, ("team/jobs/app", "team/app")),
        ("team/mb/main", True, PLUGIN, ("team/jobs/mb/branches/main", "team/mb/main")),
        ("mb/foo%2Fbar", True, PLUGIN, ("mb/branches/foo-bar.nj9av9", "mb/foo-bar.nj9av9")),
        ("mb/foo%2Fbar", True, IDENTITY, ("mb/foo%2Fbar", "mb/foo/bar")),
    ],
)
def test_names(
    job: str, multibranch: bool, instance: SeiInstance, expected: tuple[str, str]
) -> None:
    """The id of a run is the same under both."""
    info = JobInfo(job, 0, 0, multibranch)
    done, other = (map_one(build(), job=info, instance=one) for one in (instance, IDENTITY))
    assert isinstance(done, MappedRun)
    assert isinstance(other, MappedRun)
    assert (done.run.job_full_name, done.run.qualified_name) == expected
    assert done.run.execution_id == other.run.execution_id
