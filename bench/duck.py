"""duck-jenkins as its README has it: pull every build as a file, then load the files into DuckDB.

    python duck.py DOMAIN DIRECTORY JOBS        (in a venv of its own, where duck-jenkins is)

JOBS is a file of ``[[full name, builds], …]``: it has no way to find out by itself. Of newer
versions of duckdb it does not expect the error that tells that a table is missing, so the tables
are made first; of folders it looks two deep, so jobs are loaded one by one.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import duckdb
from duck_jenkins import DuckLoader, JenkinsData, _model

TABLES = ("Jenkins", "Job", "Result", "User", "Cause", "Build", "ParameterDictionary",
          "Parameter", "Artifact")  # fmt: skip


def main() -> None:
    """Collect the builds of the jobs; prints how many are in the database."""
    domain, directory, file = sys.argv[1:]
    warnings.simplefilter("ignore")  # verify_ssl=False, as in its README, warns at each request
    jobs = json.loads(Path(file).read_text("utf-8"))
    data = JenkinsData(
        domain_name=domain,
        verify_ssl=False,
        user_id="reader",
        secret="reader-token",
        data_directory=directory,
    )
    for name, builds in jobs:
        data.pull_previous(
            project_name=name,
            build_number=builds + 1,
            overwrite=False,
            artifact=False,
            size=builds,
        )
    database = duckdb.connect(f"{directory}/1.ddb")
    cursor = database.cursor()
    for table in TABLES:
        cursor.query(getattr(_model, table).get_schema())
    for name, _ in jobs:
        DuckLoader.insert_build(f"{directory}/{domain}/{name}", domain, directory, cursor)
    (loaded,) = cursor.execute("select count(*) from build").fetchone()
    cursor.commit()
    cursor.close()
    print(loaded)


if __name__ == "__main__":
    main()
