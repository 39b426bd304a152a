"""``python -m tests.fuzz COUNT [--seed N] [--only TARGET] [--keep DIRECTORY]``: a campaign by hand."""

from __future__ import annotations

import argparse
import sys
import tempfile
import zlib
from pathlib import Path

from tests.fuzz.campaign import run, summary


def main() -> int:
    """Run it, tell what was found, keep the inputs that broke something."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", metavar="TARGET")
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        found = run(Path(directory), given.count, given.seed, given.only)
    print(f"seed {given.seed}", *summary(found), sep="\n")
    for one in found.findings.values():
        print("", one.trace, f"input: {one.body[:300]!r}", sep="\n", file=sys.stderr)
        if given.keep is not None:
            given.keep.mkdir(parents=True, exist_ok=True)
            name = f"{one.target}.{one.what.split(':')[0]}-{zlib.crc32(one.body):08x}"
            (given.keep / name).write_bytes(one.body)
    return 1 if found.findings else 0


if __name__ == "__main__":
    sys.exit(main())
