"""How the code is laid out: layers, sizes, names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools import sizes

ROOT = Path(__file__).parents[2]


def test_a_package_imports_only_what_is_below_it() -> None:
    """The contracts of .importlinter, all kept."""
    result = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout
    assert "0 broken" in result.stdout


def test_sizes_and_names() -> None:
    """No file, function or package over its limit."""
    assert sizes.problems() == []


def test_each_limit_is_found(tmp_path: Path) -> None:
    """One of each kind, and what is just within."""
    package = tmp_path / "poller" / "ledger"
    package.mkdir(parents=True)
    for number in range(17):
        (package / f"file{number}.py").write_text("# within\n" * 300)
    (tmp_path / "poller" / "flat.py").write_text("")
    (package / "file0.py").write_text("# over\n" * 301)
    (package / "file1.py").write_text(
        "from poller.ledger import file2\nfrom poller.ledger.file2 import _hidden\nfile2._other()\n"
    )
    (package / "file2.py").write_text("class Twice:\n    def many(self, a, b, c, d, e, f): ...\n")
    (package / "file3.py").write_text(
        "class Twice:\n    def many(self, a, b, c, d, e, f, *, g): ...\n"
        "@app.command()\ndef options(a, b, c, d, e, f, g): ...\n"
    )
    (package / "file4.py").write_text("def long():\n" + "    1\n" * 60)
    (package / "file5.py").write_text("def within():\n" + "    1\n" * 59)
    assert sizes.broken(tmp_path).keys() == {
        "poller/flat.py",
        "poller/ledger/",
        "poller/ledger/file0.py",
        "poller/ledger/file1.py _hidden",
        "poller/ledger/file1.py file2._other",
        "class Twice",
        "poller/ledger/file3.py Twice.many: parameters",
        "poller/ledger/file4.py long: lines",
    }
