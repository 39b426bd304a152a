"""The change feed: which jobs have something new, for two requests that load no build.

``nextBuildNumber`` is the one counter that Jenkins answers without loading a build from disk;
which builds run now is the other half.
"""

from __future__ import annotations

from typing import Any

from poller.core.build_key import MOST_BUILDS, BuildKey
from poller.core.errors import BadAnswer, RemoteError, is_away
from poller.core.patterns import Globs
from poller.jenkins.answers import within, worth_splitting
from poller.jenkins.build import LAST_MS, LONG
from poller.jenkins.client import JenkinsClient
from poller.jenkins.folder_memory import FolderParts
from poller.jenkins.item import Item, ItemTree
from poller.jenkins.paths import MODULE, is_name

LEVELS = 4
"""Levels of the tree that are asked at once before the depth of a controller is known."""

MOST_LEVELS = 60
"""The URL must stay under 8 kB: a level costs some 60 characters, and is percent-encoded; with
modules, three times as much."""

DEEPEST = 200
"""Levels of folders that are gone down to: no Jenkins has so many, but an answer may say so."""

MOST_ASKED = 10_000
"""Folders that are asked for by themselves in one poll; the next poll asks deeper at once."""

MODULES = ("modules", "activeConfigurations")
"""Where a Maven project and a matrix have jobs that are no items."""

WITH_MODULES = ("hudson.maven.MavenModuleSet", "hudson.matrix.MatrixProject")
MOST_NAMELESS = 10
"""Items of which nothing can be had, after which no more of their folder is asked for."""

MULTIBRANCH = "MultiBranchProject"
FOLDERS = (MULTIBRANCH, ".Folder", ".OrganizationFolder")
PIPELINE_JOB = "org.jenkinsci.plugins.workflow.job.WorkflowJob"


async def fetch_items(
    client: JenkinsClient,
    depth: int | None,
    *,
    first: bool,
    globs: Globs | None = None,
    modules: bool = False,
) -> ItemTree:
    """Every job of the controller, with ``modules`` those of Maven modules and of matrices'
    configurations, too. ``depth`` is what an earlier poll found, None in the first.

    One request, and one more for each folder deeper than ``depth``. A folder that can't be had in
    one answer is had in parts; what ``globs`` exclude is not asked for then. Raises RemoteError
    when nothing of the top can be read; a folder that can't be is reported in the result.
    """
    levels = min(depth or LEVELS, MOST_LEVELS // 3 if modules else MOST_LEVELS)
    whole = tree(levels, first=first, modules=modules)
    reader = _TreeReader(client, whole, _fields(first=first, modules=modules), globs)
    return await reader.read()


class _TreeReader:
    """Reads folders until none is left to ask for: ``whole`` is their ``tree=``, ``fields`` those
    of one item."""

    def __init__(self, client: JenkinsClient, whole: str, fields: str, globs: Globs | None) -> None:
        self._client = client
        self._whole = whole
        self._fields = fields
        self._globs = globs
        self._found = ItemTree(client.where)
        self._left: list[tuple[str, int]] = [("", 0)]
        self._asked = 0
        self._nameless = 0

    async def read(self) -> ItemTree:
        """All of them. Raises RemoteError."""
        seen: set[str] = set()
        while self._left:
            folder, level = self._left.pop()
            if folder in seen:
                continue
            seen.add(folder)
            try:
                await self._folder(folder, level)
            except RemoteError as error:
                if not folder or is_away(error):
                    raise
                self._found.unread[folder] = str(error)
        return self._found

    async def _folder(self, folder: str, level: int) -> None:
        """One folder with what is below it, as far as one answer goes."""
        parts = self._client.folders.get(folder)
        if parts is None:
            try:
                self._take(await self._ask(folder, self._whole), folder, level)
                return
            except RemoteError as error:
                if not worth_splitting(error):
                    raise
                await self._try_one(folder, error)
            parts = self._client.folders.learn(folder)
        await self._in_parts(folder, level, parts)

    async def _try_one(self, folder: str, error: RemoteError) -> None:
        """Raise ``error`` where not even the first item can be had."""
        try:
            await self._ask(folder, f"jobs[{self._fields}]{{0,1}}")
        except RemoteError as other:
            raise (error if worth_splitting(other) else other) from None

    async def _in_parts(self, folder: str, level: int, parts: FolderParts) -> None:
        """So many items at once as can be had with what is below them; one that can't be, by
        itself."""
        at = 0
        while True:
            if at in parts.apart:
                if not await self._apart(folder, level, at):
                    return
                at += 1
                continue
            size = parts.next_size(at)
            try:
                answer = await self._ask(folder, f"{self._whole}{{{at},{at + size}}}")
            except RemoteError as error:
                if not worth_splitting(error):
                    raise
                parts.failed(at, size)
                continue
            self._take(answer, folder, level)
            if len(answer["jobs"]) != size:  # the end, or one who knows no ranges
                return
            parts.succeeded(size)
            at += size

    async def _apart(self, folder: str, level: int, at: int) -> bool:
        """The item at a place: a job as it is, a folder by its name. Whether there is one."""
        try:
            answer = await self._ask(folder, f"jobs[{self._fields}]{{{at},{at + 1}}}")
        except RemoteError as error:
            if not worth_splitting(error):
                raise
            # Nobody knows what it is, so nothing that the folder does not show is held for gone.
            self._found.unread[folder] = str(error)
            self._nameless += 1
            return self._nameless < MOST_NAMELESS
        for child in answer["jobs"]:
            name = child.get("fullName") if isinstance(child, dict) else None
            if not isinstance(name, str) or "nextBuildNumber" in child or not is_name(name):
                self._take({**answer, "jobs": [child]}, folder, level)
            elif not (self._globs and self._globs.excludes_all_below(name)):
                self._left.append((name, level + 1))
        return bool(answer["jobs"])

    async def _ask(self, folder: str, asked: str) -> dict[str, Any]:
        """A folder's answer, which has a list of jobs. Raises RemoteError."""
        self._asked += 1
        what = folder or "item tree"
        if self._asked > MOST_ASKED:
            raise RemoteError(self._client.where, what, "not asked for, there are too many")
        answer = await self._client.items(folder, asked)
        if not isinstance(answer, dict) or not isinstance(answer.get("jobs"), list):
            hint = "" if folder else "is the url Jenkins' own?"
            raise BadAnswer(self._client.where, what, NO_JOBS, hint)
        return answer

    def _take(self, answer: dict[str, Any], folder: str, level: int) -> None:
        self._left += walk(answer, self._found, at=level, folder=folder)


NO_JOBS = "there are no jobs in it"


def _fields(*, first: bool, modules: bool = False) -> str:
    newest = ",builds[number,timestamp,queueId]{0,2}" if first else ""
    own = f"_class,fullName,nextBuildNumber{newest}"
    return ",".join([own, *(f"{key}[{own}]" for key in MODULES if modules)])


def tree(levels: int, *, first: bool, modules: bool = False) -> str:
    """The ``tree=`` of ``levels`` levels; below the last, a bare ``jobs`` shows what is left."""
    fields = _fields(first=first, modules=modules)
    asked = "jobs"
    for _ in range(levels):
        asked = f"jobs[{fields},{asked}]"
    return asked


def walk(
    answer: dict[str, Any], found: ItemTree, *, at: int = 0, folder: str = ""
) -> list[tuple[str, int]]:
    """Put every job of the answer into ``found``; return the folders to ask again, and their level.

    ``at`` is the level of the folder that was asked. Nothing is believed of an item's types.
    """
    deeper: list[tuple[str, int]] = []
    stack = [(answer, at, is_multibranch(answer), folder)]
    while stack:
        parent, level, multibranch, name = stack.pop()
        children = parent.get("jobs")
        if not isinstance(children, list):
            if "jobs" in parent or str(parent.get("_class")).endswith(FOLDERS):
                found.unread[name] = f"{found.where}: {name}: {NO_JOBS}"
            continue
        nameless = any(type(child) is dict and "fullName" not in child for child in children)
        if nameless and parent is not answer and level < DEEPEST:
            # Below the deepest level asked, Jenkins names nothing but the class.
            deeper.append((name, level))
            continue
        if children:
            found.depth = max(found.depth, level + 1)
        for child in children:
            full_name = child.get("fullName") if type(child) is dict else None
            if type(full_name) is not str or not full_name or not is_name(full_name):
                found.malformed += 1
            elif type(child.get("_class", "")) is not str:
                # No text is not another class, which would make it another job.
                found.malformed += 1
            elif "nextBuildNumber" not in child:
                stack.append((child, level + 1, is_multibranch(child), full_name))
            elif (item := _item(child, full_name, multibranch=multibranch)) is None:
                found.malformed += 1
            else:
                found.items[full_name] = item
                found.items |= _modules(child, full_name)
    return deeper


def _item(child: dict[str, Any], full_name: str, *, multibranch: bool = False) -> Item | None:
    number = child.get("nextBuildNumber")
    if type(number) is not int or not 0 < number <= MOST_BUILDS:
        return None
    newest = _keys(child["builds"]) if "builds" in child else None
    return Item(full_name, child.get("_class", ""), number, multibranch, newest)


def _modules(project: dict[str, Any], full_name: str) -> dict[str, Item]:
    """The jobs of a project's modules or configurations; what is none is passed over."""
    found: dict[str, Item] = {}
    for key in MODULES:
        children = project.get(key)
        for child in children if isinstance(children, list) else ():
            own = child.get("fullName") if isinstance(child, dict) else None
            if not isinstance(own, str) or not own.startswith(f"{full_name}/"):
                continue
            name = own.removeprefix(f"{full_name}/")
            module = full_name + MODULE + name
            if (
                name
                and "/" not in name
                and is_name(module)
                and type(child.get("_class", "")) is str
            ):
                item = _item(child, module)
                if item is not None:
                    found[module] = item
    return found


def _keys(builds: Any) -> tuple[BuildKey, ...] | None:
    if not isinstance(builds, list) or not all(isinstance(build, dict) for build in builds):
        return None
    return tuple(
        BuildKey(
            within(build.get("number"), MOST_BUILDS),
            within(build.get("timestamp"), LAST_MS),
            within(build.get("queueId"), LONG),
        )
        for build in builds
    )


async def in_multibranch(client: JenkinsClient, full_name: str) -> bool:
    """Whether the job is a branch of a multibranch project. Raises RemoteError."""
    parent = full_name.rpartition("/")[0]
    if not parent:
        return False
    answer = await client.items(parent, "name")
    return isinstance(answer, dict) and is_multibranch(answer)


def is_multibranch(answer: dict[str, Any]) -> bool:
    """Whether the jobs of a folder are branches."""
    return str(answer.get("_class")).endswith(MULTIBRANCH)
