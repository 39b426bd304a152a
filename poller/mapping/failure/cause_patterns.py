"""What lines look like that explain a failure, by category: the usual tools, and Jenkins itself.

In order: what is sure of itself comes first, and what may pass comes after what does not. Of the
patterns of a row, the first line that any of them matches counts, or what its group has of it. They
are of RE2; each stands for whole lines, without what comes before them.
"""

from __future__ import annotations

from dataclasses import dataclass

STAMP = r"(?:\[\d{4}-\d\d-\d\dT[\d:.]+Z?\] ?|\d\d:\d\d:\d\d(?:[.,]\d+)? +)?"
"""What the Timestamper puts before a line."""

_NEXT = rf"\n{STAMP}"
_JVM_FILE = r"\S+\.(?:java|kts?|scala|groovy)"
_GIT_SAYS = (
    "could not read|unable to access|repository|Authentication failed|couldn't find remote"
    "|not a git repository|[Rr]emote branch|reference is not|Could not read from"
)


EXCEPTION = "exception"


@dataclass(frozen=True)
class CauseRow:
    """A row of the table. ``anywhere``: also where another step than the failed one wrote it."""

    category: str
    patterns: tuple[str, ...]
    anywhere: bool = False


TABLE = (
    CauseRow("memory", (
        r".*java\.lang\.OutOfMemoryError.*", r".*JavaScript heap out of memory.*",
        r".*\bOOMKilled\b.*", r".*\bCannot allocate memory\b.*", r".*\b[Oo]ut of memory: [Kk]ill.*",
        r"MemoryError\b.*", r".*: fatal error: Killed signal terminated.*",
        r".*\bstd::bad_alloc\b.*", r".*\bscript returned exit code 137\b.*",
    ), anywhere=True),
    CauseRow("disk", (
        r".*\bNo space left on device\b.*", r".*\bDisk quota exceeded\b.*",
    ), anywhere=True),
    CauseRow("agent", (
        r".*\bAgent \S+ was (?:deleted|removed)\b.*", r"Agent was removed\b.*",
        r".*\b[Aa]gent went offline during the build\b.*",
        r".*\bhudson\.remoting\.\w*(?:Channel|RequestAbort)\w*Exception\b.*",
        r".*\bNode is being removed\b.*", r".*\bUnable to create live FilePath for .+",
        r".*wrapper script does not seem to be touching the log file.*",
    ), anywhere=True),
    CauseRow("timeout", (
        r"Build timed out \(after .+", r"Cancelling nested steps due to timeout",
        r"Timeout has been exceeded", r".*\bBody did not finish within grace period\b.*",
    ), anywhere=True),
    CauseRow("aborted", (
        r"Aborted by .+", r"Rejected by .+", r"Superseded by .+", r"Build was aborted",
    ), anywhere=True),
    CauseRow("jenkinsfile", (
        r"WorkflowScript: \d+: .+", r".*\bNo such DSL method '.+",
        r"Scripts not permitted to use .+", r".*\bRejectedAccessException: .+",
        r".*\bgroovy\.lang\.Missing(?:Property|Method)Exception: .+",
        r"ERROR: (?:Library \S+ expected|No version \S+ found for library) .+",
    ), anywhere=True),
    CauseRow("compiler", (
        r"\S+[:(]\d+(?:[:,]\d+)?\)?(?: ?[:-])? (?:fatal )?error(?: ?[A-Z]+\d+)?:.*",
        rf"\[(?:ERROR|error)\] {_JVM_FILE}:(?:\[\d+,\d+\]|\d+).*", r"e: \S+\.kts?\b.*",
        r"error\[E\d{4}\]: .+", rf"(error: .+){_NEXT} +--> \S+:\d+:\d+",
        r"(?:vet: )?\S+\.go:\d+:\d+: .+", r"go: \S+@\S+: .+", r"\S+\.py:\d+:\d+: [A-Z]+\d+:? .+",
        r".*\bundefined reference to .+", r"Undefined symbols for architecture .+",
        r"(?:\S*/)?ld(?:\.\w+)?: (?:error|cannot find).*", r"ERROR in \S.*",
        r"(?:MSBUILD : error|\S+ : (?:fatal )?error [A-Z]+\d+:) .+", r" +\d+:\d+ +error  .+",
        r"make(?:\[\d+\])?: \*\*\* No rule to make target .+",
    )),
    CauseRow("tests", (
        r"FAILED \S+\.py(?:::.+| - .+)", r"ERROR \S+\.py(?:::.+| - .+)?",
        r"\[ERROR\] +\w[\w.$]*\.\w+:\d+.*", r".+ > .+ FAILED", r"--- FAIL: .+",
        r" *● (?:.+ › .+|Test suite failed to run)", r" *FAIL +\S+\.\w+ > .+",
        rf" *\d+ failing(?:{_NEXT} *)+(1\) .+)",
        r" *\d+\) (?:\[\S+\] › )?\S+\.(?:spec|test)\.\w+:\d.*",
        r"test \S+ \.\.\. FAILED", r"rspec \./\S+:\d+ .*", r" *\d+\) [A-Z]\S*Test::.+",
        r"(?:FAIL|ERROR): test\w* \(.+\)", r" *Failed \S.* \[[\d,.< ]+ m?s\]", r".+\| FAIL \|",
        r"[ \t]*\d+ - \S+ \((?:Failed|Timeout|SEGFAULT)\).*", r"- .+ \*\*\* FAILED \*\*\*.*",
    )),
    CauseRow("tests", (
        r".*Tests run: \d+, Failures: (?:[1-9]\d*, Errors: \d+|\d+, Errors: [1-9]).*",
        r"\S+\.py::.+ (?:FAILED|ERROR)\b.*",
    )),
    CauseRow("git", (
        r"ERROR: Error (?:cloning|fetching) remote repo.*", r"ERROR: Couldn't find any revision.*",
        r"Host key verification failed\.", r".*\bPermission denied \(publickey.*",
        rf".*\bfatal: (?:{_GIT_SAYS}).*", r"CONFLICT \(.+", r"error: pathspec .+",
        r"error: failed to push some refs to .+",
    ), anywhere=True),
    CauseRow("agent", (r"Cannot contact [^:\n]+: .+",), anywhere=True),
    CauseRow("terraform", (
        r"[│|] Error: .+", rf"(Error: .+)(?:{_NEXT} *)+on \S+\.tf line \d.*",
        r"Error: (?:Error acquiring the state lock|Failed to install provider"
        r"|Invalid provider|Backend initialization|Unsupported Terraform).*",
    )),
    CauseRow("docker", (
        r".*\bfailed to solve: .+", r"The command '.+' returned a non-zero code: \d+",
        r".*\bError response from daemon: .+", r".*\bCannot connect to the Docker daemon\b.*",
        r"(?:denied|unauthorized): .+",
    )),
    CauseRow("maven", (
        r"\[ERROR\] +Failed to execute goal .+", r"\[ERROR\] +Non-resolvable .+",
    )),
    CauseRow("maven", (r"\[ERROR\] +Could not .+",)),
    CauseRow("maven", (r"\[(?:ERROR|FATAL)\] +[^\s\[\]].+",)),
    CauseRow("gradle", (
        rf"\* What went wrong:(?:{_NEXT}(?:Execution failed for task|A problem occurred) .+)?"
        rf"(?:{_NEXT}[ >]*Could not resolve all .+)?{_NEXT}[ >]*(.+)",
    )),
    CauseRow("npm", (
        r"npm (?:ERR!|error) (?:Missing script.*|404 .+|notarget .+|Could not .+|.*\bnot found.*"
        r"|ERESOLVE .+|`npm ci` .+|(?:network )?request to .+)", r"error Couldn't find .+",
        r"error Your lockfile .+", r"\s*ERR_PNPM_\w+ .+",
    )),
    CauseRow("npm", (
        r"npm (?:ERR!|error) \S.*", r"\s*ELIFECYCLE +.+", r"error Command failed .+",
    )),
    CauseRow("shell", (
        r".+: (?:command )?not found", r".* is not recognized as an internal or external command.*",
    )),
    CauseRow(EXCEPTION, (
        r"Exception in thread .+", r"panic: .+",
        r"(?:Caused by: )?(?:[a-z_]\w*\.)*[A-Z]\w*(?:Error|Exception): .+",
    )),
    CauseRow("error", (
        # Ansible, where no `...ignoring` follows; curl, kubectl, Helm, apt, CMake, pip
        r"(fatal: \[.+\]: (?:FAILED|UNREACHABLE)!.*)\n(?:[^.\n].*)?", r"curl: \(\d+\) .+",
        r"Error from server .+", r"Error: (?:UPGRADE|INSTALLATION) FAILED: .+", r"E: .+",
        r"CMake Error at .+", r"ERROR: Could not find a version .+",
    )),
)  # fmt: skip

EXIT_CODE = CauseRow("exit_code", (
    r".*\bscript returned exit code -?\d+.*",
    r".*\bexit(?:ed)? (?:with )?(?:code|status):? [1-9].*",
    r"make(?:\[\d+\])?: \*\*\* .+ Error \d+.*", r"Build step '.+' marked build as failure",
))  # fmt: skip
"""It says that a step failed, and not why: what is looked at last."""

TESTS, ERROR, UNKNOWN = "tests", "error", "unknown"
CATEGORIES = tuple(
    dict.fromkeys([*(row.category for row in TABLE), ERROR, EXIT_CODE.category, UNKNOWN])
)
