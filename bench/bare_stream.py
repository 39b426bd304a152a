"""The limit of `reconcile`: the same answers of Jenkins, read one after the other and thrown away.

python -m bench.bare_stream JENKINS FILE        (FILE: a list of requests)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import httpx


def main() -> None:
    """Read them all."""
    jenkins, file = sys.argv[1:]
    with httpx.Client(auth=("reader", "reader-token"), timeout=600) as http:
        for request in json.loads(Path(file).read_text("utf-8")):
            with http.stream("GET", jenkins.rstrip("/") + request) as response:
                for _chunk in response.iter_bytes():
                    pass


if __name__ == "__main__":
    main()
