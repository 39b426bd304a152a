"""A fresh machine for each test, and what is to be installed on it.

The tree of a Debian is made once and kept in ``$BOOT_CACHE``, and so are the packages that the program
needs: in the machine there is no package index.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boot.machine import Machine
from tests.support.site import Site, simulated

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("BOOT_CACHE", "/var/cache/sei-poller-boot"))
TOOLS = ("mmdebstrap", "systemd-nspawn", "nsenter", "unshare")
PACKAGES = "systemd,systemd-sysv,dbus,python3-venv,make,ca-certificates"
RELEASE, ITS_PYTHON = "bookworm", "3.11"


@pytest.fixture(scope="session")
def tree() -> Path:
    """The tree of a Debian without procps. Nothing is changed in it."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if os.geteuid() or missing:
        pytest.skip(f"needs root and mmdebstrap, systemd-container, util-linux: {missing}")
    made = CACHE / RELEASE
    if not made.exists():
        part = made.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.parent.mkdir(parents=True, exist_ok=True)
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", RELEASE]
        done = subprocess.run([*command, str(part)], check=False, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no Debian to be had: {done.stderr[-300:]}")
        part.rename(made)
    return made


@pytest.fixture(scope="session")
def wheels() -> Path:
    """All that the locks name, and what a source package among it is built with."""
    locks = [ROOT / name for name in ("requirements.lock", "requirements-build.lock")]
    text = b"".join(lock.read_bytes() for lock in locks)
    folder = CACHE / f"wheels-{hashlib.sha256(text).hexdigest()[:12]}"
    if folder.exists():
        return folder
    part = folder.with_suffix(".part")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download"]
    wanted = [*pip, "--no-deps", f"--python-version={ITS_PYTHON}", f"--dest={part}"]
    hashed = [f"--requirement={lock}" for lock in locks]
    subprocess.run([*wanted, "--require-hashes", *hashed], check=True)
    subprocess.run([*wanted, "wheel"], check=True)
    part.rename(folder)
    return folder


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Path:
    """A folder with our sdist, unpacked as ``checkout``, and our wheel, made from it."""
    folder = tmp_path_factory.mktemp("source")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    lock = ROOT / "requirements-build.lock"
    offline = ["--no-index", f"--find-links={wheels}", "--no-deps", f"--target={folder / 'build'}"]
    subprocess.run([*pip, *offline, f"--requirement={lock}"], check=True)
    environ = {**os.environ, "PYTHONPATH": str(folder / "build")}

    def build(target: str, cwd: Path) -> None:
        command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
        subprocess.run(command, cwd=cwd, env=environ, check=True)

    build("sdist", ROOT)
    (sdist,) = folder.glob("*.tar.gz")
    shutil.unpack_archive(sdist, folder, filter="data")
    (folder / sdist.name.removesuffix(".tar.gz")).rename(folder / "checkout")
    build("wheel", folder / "checkout")
    return folder


@pytest.fixture
def machine(tree: Path, wheels: Path, source: Path, tmp_path: Path) -> Iterator[Machine]:
    """Running; pip there finds ``wheels`` alone. One at a time: they share the control groups, and
    one's systemd would find the other's processes under the name of its own."""
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield from running(tree, (wheels, source), tmp_path)


def running(tree: Path, binds: tuple[Path, Path], tmp_path: Path) -> Iterator[Machine]:
    """A copy of the tree, booted, until it is done with."""
    ours = tmp_path / "machine"
    subprocess.run(["cp", "--archive", str(tree), str(ours)], check=True)
    (ours / "etc/pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {binds[0]}\n")
    machine = Machine(ours, binds)
    try:
        try:
            machine.start()
        except AssertionError as error:  # nothing of ours is in it yet
            pytest.skip(f"no Debian boots here: {error}")
        yield machine
    finally:
        machine.stop()
        shutil.rmtree(ours)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Jenkins and SEI on the loopback that the machine shares."""
    with simulated(tmp_path) as site:
        yield site
