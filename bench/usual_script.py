"""The usual script: python-jenkins, one build after the other, one describe a stage, then POST.

    python -m bench.usual_script JENKINS SEI [JOBS]

With JOBS it stops after so many.
"""

from __future__ import annotations

import sys

import jenkins
import requests

from poller.demo.sample_jobs import GUID


def main() -> None:
    """Send every build of every job."""
    base, sei, *limit = sys.argv[1:]
    left = int(limit[0]) if limit else -1
    server = jenkins.Jenkins(base, "reader", "reader-token", timeout=30)
    server.crumb = False
    session = requests.Session()
    session.auth = ("reader", "reader-token")
    for job in server.get_all_jobs():
        name = job["fullname"]
        if job["_class"].endswith("Folder"):
            continue
        if left == 0:
            break
        left -= 1
        for build in server.get_job_info(name)["builds"]:
            info = server.get_build_info(name, build["number"])
            run = session.get(f"{build['url']}wfapi/describe").json()
            stages = [
                session.get(base.rstrip("/") + s["_links"]["self"]["href"]).json()
                for s in run["stages"]
            ]
            requests.post(
                f"{sei}sei/api/v1/custom-cicd",
                headers={"Authorization": "ApiKey demo-key"},
                json={
                    "pipeline": name, "job_full_name": name, "qualified_name": name,
                    "instance_name": "bench", "instance_guid": GUID, "start_time": info["timestamp"],
                    "duration": info["duration"], "result": info["result"],
                    "build_number": info["number"], "job_run": {"stages": stages},
                },
                timeout=30,
            ).raise_for_status()  # fmt: skip


if __name__ == "__main__":
    main()
