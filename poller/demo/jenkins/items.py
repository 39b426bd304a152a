"""A simulated Jenkins: its items and builds, to be changed at will while it is asked over HTTP.

It answers as Jenkins 2.448 does; ``tests/recordings`` holds the answers it was compared with.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Unpack
from urllib.parse import unquote

from poller.demo.faults import Faulty
from poller.demo.jenkins.app import App
from poller.demo.jenkins.build_exports import newest_first
from poller.demo.jenkins.builds import Build, BuildInputs
from poller.demo.jenkins.error_pages import SESSION
from poller.demo.jenkins.item_exports import FOLDER_EXPORTS, HUDSON, MULTIBRANCH_EXPORTS
from poller.demo.jenkins.job_kinds import KINDS, MODULE_KINDS, JobKind
from poller.demo.jenkins.tree_query import Getter

MULTIBRANCH = "org.jenkinsci.plugins.workflow.multibranch.WorkflowMultiBranchProject"


class Item:
    """What has a name: a job or a folder."""

    class_name: str

    def __init__(self, name: str, parent: Item | None) -> None:
        self.name = name
        self.parent = parent

    @property
    def full_name(self) -> str:
        """``folder/job``; a branch's name stays encoded in it, as in Jenkins."""
        above = self.parent.full_name if self.parent is not None else ""
        return f"{above}/{self.name}" if above else self.name

    @property
    def display_name(self) -> str:
        """The name; of a branch, decoded."""
        branch = self.parent is not None and self.parent.class_name == MULTIBRANCH
        return unquote(self.name) if branch else self.name

    @property
    def full_display_name(self) -> str:
        """``folder » job``."""
        above = self.parent.full_display_name if self.parent is not None else ""
        return f"{above} » {self.display_name}" if above else self.display_name


class Folder(Item):
    """A folder, a multibranch project, or the top."""

    def __init__(
        self, name: str, parent: Folder | None, class_name: str, properties: Mapping[str, Getter]
    ) -> None:
        super().__init__(name, parent)
        self.class_name = class_name
        self.properties = properties
        self._children: dict[str, Item] = {}
        self._sorted: list[Item] | None = None

    def find(self, name: str) -> Item | None:
        """The child of that name; case is ignored, as Jenkins' look-up does."""
        return self._children.get(name.lower())

    def items(self) -> list[Item]:
        """The children, in Jenkins' order."""
        if self._sorted is None:
            self._sorted = [self._children[key] for key in sorted(self._children)]
        return self._sorted

    def put(self, item: Item) -> None:
        """Add a child, or take it over from another folder."""
        item.parent = self
        self._children[item.name.lower()] = item
        self._sorted = None

    def drop(self, item: Item) -> None:
        """Take a child out."""
        del self._children[item.name.lower()]
        self._sorted = None


class Job(Item):
    """A job with its builds, by number, oldest first."""

    def __init__(self, jenkins: Jenkins, name: str, parent: Item, kind: JobKind) -> None:
        super().__init__(name, parent)
        self.jenkins = jenkins
        self.set_kind(kind)
        self.builds: dict[int, Build] = {}
        self.modules: dict[str, Job] = {}
        self.next_build_number = 1

    def module(self, name: str) -> Job:
        """The job of a Maven module or a matrix configuration, made if need be."""
        if name not in self.modules:
            self.modules[name] = Job(self.jenkins, name, self, MODULE_KINDS[self.class_name])
        return self.modules[name]

    def set_kind(self, kind: JobKind) -> None:
        """What sort of job it is."""
        self.kind = kind
        self.class_name = kind.job_class
        self.properties = kind.job_properties

    def start(
        self,
        *,
        timestamp: int | None = None,
        **inputs: Unpack[BuildInputs],
    ) -> Build:
        """The next build, which runs; begun at ``timestamp`` or now."""
        with self.jenkins.lock:
            number, self.next_build_number = self.next_build_number, self.next_build_number + 1
            build = Build(
                self,
                number,
                timestamp=self.jenkins.clock() if timestamp is None else timestamp,
                queue_id=self.jenkins.next_queue_id(),
                **inputs,
            )
            self.builds[number] = build
            self.jenkins.running[build] = None
        return build

    def build(self, *, result: str = "SUCCESS", duration: int | None = None, **kw: Any) -> Build:
        """A build that is done: begun at ``timestamp`` or now; it took what its stages take."""
        with self.jenkins.lock:
            build = self.start(**kw)
            return build.finish(result, build.usual_duration() if duration is None else duration)

    def delete_build(self, number: int) -> None:
        """Delete one build; its number stays used."""
        with self.jenkins.lock:
            self.jenkins.running.pop(self.builds.pop(number), None)

    def recreate(self) -> None:
        """Delete the job and create it anew under its name: it begins at 1 again."""
        with self.jenkins.lock:
            for number in list(self.builds):
                self.delete_build(number)
            self.next_build_number = 1

    def estimated_duration(self) -> int:
        """The mean of the newest three completed builds, else -1."""
        done = [b.duration for b in newest_first(self) if b.completed][:3]
        return sum(done) // len(done) if done else -1


API_TOKEN = "11" + "5e1f0a9b" * 4
"""The reader's, in the form that Jenkins gives them; "reader-token" is taken as a password is."""


class Jenkins(Faulty):
    """One simulated controller. ``app`` is its ASGI app, for :class:`poller.demo.server.Server`.

    ``requests`` holds what it was asked; ``builds_loaded`` counts the builds that Jenkins would
    have had to load for it, ``flow_graphs_loaded`` the flow graphs.
    """

    def __init__(
        self,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        users: Mapping[str, str] | None = None,
        version: str = "2.448",
        can_see_computer: bool = True,
        executors: int = 6,
    ) -> None:
        super().__init__()
        self.lock = threading.RLock()
        self.clock = clock
        self.users = dict({"reader": "reader-token"} if users is None else users)
        self.api_tokens = {} if users is not None else {"reader": API_TOKEN}
        self.version = version
        self.can_see_computer = can_see_computer
        self.executors: int = executors
        self.session = SESSION
        self.identity: str | None = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA"
        self.builds_loaded = 0
        self.flow_graphs_loaded = 0
        self.plugins = {"wfapi": 238}
        """Those that tell of stages, with their versions: ``wfapi`` (221: 2.21), ``graph-view``
        and ``blue-ocean``. Whoever changes them starts Jenkins anew: another ``session``."""
        self.running: dict[Build, None] = {}
        self.top = Folder("", None, "hudson.model.Hudson", HUDSON)
        self.jobs: dict[str, Job] = {}
        self.app = App(self)
        self._queue_id = 0

    @property
    def core(self) -> tuple[int, ...]:
        """The version as numbers."""
        return tuple(int(part) for part in self.version.split(".") if part.isdecimal())

    def next_queue_id(self) -> int:
        """Rises with every build."""
        self._queue_id += 1
        return self._queue_id

    def folder(self, full_name: str) -> Folder:
        """The folder, made if need be with those above it; "" is the top."""
        return self._folder(full_name, "com.cloudbees.hudson.plugins.folder.Folder", FOLDER_EXPORTS)

    def multibranch(self, full_name: str) -> Folder:
        """A multibranch project; its branches are jobs in it, named ``feature%2Fone``."""
        return self._folder(full_name, MULTIBRANCH, MULTIBRANCH_EXPORTS)

    def job(self, full_name: str, kind: str = "pipeline") -> Job:
        """The job, made if need be with the folders above it."""
        above, _, name = full_name.rpartition("/")
        with self.lock:
            parent = self.folder(above)
            found = parent.find(name)
            if found is None:
                found = Job(self, name, parent, KINDS[kind])
                parent.put(found)
                self.jobs[full_name] = found
        if not isinstance(found, Job):
            raise ValueError(f"{full_name} is a folder")
        return found

    def find(self, full_name: str) -> Item | None:
        """The item of that name, in any case, or None."""
        found: Item | None = self.top
        for name in full_name.split("/") if full_name else ():
            found = self.child(found, name)
        return found

    @staticmethod
    def child(item: Item | None, name: str) -> Item | None:
        """The item of that name in ``item``, None where that is no folder."""
        return item.find(name) if isinstance(item, Folder) else None

    def remove(self, full_name: str) -> None:
        """Delete a job or a folder with all in it."""
        with self.lock:
            item = self._existing(full_name)
            item.parent.drop(item)  # type: ignore[union-attr]
            self._index()
            for build in list(self.running):
                if self.jobs.get(build.job.full_name) is not build.job:
                    del self.running[build]

    def rename(self, old: str, new: str) -> None:
        """Rename or move an item; its builds go with it."""
        above, _, name = new.rpartition("/")
        with self.lock:
            item = self._existing(old)
            parent = self.folder(above)
            item.parent.drop(item)  # type: ignore[union-attr]
            item.name = name
            parent.put(item)
            self._index()

    def _existing(self, full_name: str) -> Item:
        item = self.find(full_name)
        if item is None or item.parent is None:
            raise KeyError(full_name)
        return item

    def _index(self) -> None:
        self.jobs = {job.full_name: job for job in _jobs_below(self.top)}

    def _folder(self, full_name: str, class_name: str, properties: Mapping[str, Getter]) -> Folder:
        if not full_name:
            return self.top
        above, _, name = full_name.rpartition("/")
        with self.lock:
            parent = self.folder(above)
            found = parent.find(name)
            if found is None:
                found = Folder(name, parent, class_name, properties)
                parent.put(found)
        if not isinstance(found, Folder):
            raise ValueError(f"{full_name} is a job")
        return found


def _jobs_below(folder: Folder) -> list[Job]:
    found: list[Job] = []
    for item in folder.items():
        found += [item] if isinstance(item, Job) else []
        found += _jobs_below(item) if isinstance(item, Folder) else []
    return found
