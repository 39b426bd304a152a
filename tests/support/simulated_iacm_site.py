"""A site with the Harness API beside SEI, for tests of its second sink."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poller.demo.jenkins.stages import Stage, Step
from poller.demo.server import Server
from tests.support.simulated_iacm import Harness
from tests.support.site import Site, served, simulated

HARNESS_KEY = "harness-key-canary-7f3a"
RULE = '[[rules]]\nmatch = "tf/**"\niacm_workspace = "network"\n'
TERRAFORM = (
    Stage("Checkout", (Step(parameter_description="git fetch"),)),
    Stage("Plan", (Step(parameter_description="cd live && terraform plan -out plan"),)),
    Stage("Apply", (Step(parameter_description="terraform apply plan"),)),
)


def execution(number: int, workspace: str = "network", pipeline: str = "other") -> dict[str, str]:
    """One that somebody else records."""
    return {
        "pipeline": pipeline,
        "pipeline_execution_id": f"e{number}",
        "pipeline_stage_id": "s",
        "workspace": workspace,
    }


@dataclass
class Place:
    """A site, the Harness API, and a config for both."""

    site: Site
    harness: Harness
    server: Server

    def configure(self, rules: str = RULE, every: str = "60s", **keys: Any) -> None:
        """Write the config with a ``[harness]`` table."""
        values = {
            "url": self.server.url,
            "account": "acc",
            "org": "org",
            "project": "project",
            "api_key_env": "HARNESS_API_KEY",
            "timeout": "5s",
            **keys,
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        controller = self.site.controller(every=every)
        self.site.configure(controller, more="\n".join(["[harness]", *lines, rules]))

    def terraform(self, name: str = "tf/network", **more: Any) -> Any:
        """A build that is done, of a pipeline that runs terraform."""
        return self.site.jenkins.job(name).build(stages=TERRAFORM, **more)

    def sink(self) -> dict[str, Any]:
        """What `status` says of the sink."""
        told: dict[str, Any] = self.site.read("status")["controllers"][0]["sinks"]["iacm"]
        return told


@contextlib.contextmanager
def placed(directory: Path) -> Iterator[Place]:
    """All three servers, configured, with nothing built yet."""
    harness = Harness(HARNESS_KEY, workspaces={"network"})
    with simulated(directory) as site, served(harness.app) as server:
        site.environ["HARNESS_API_KEY"] = HARNESS_KEY
        made = Place(site, harness, server)
        made.configure()
        yield made
