"""Console logs of made-up builds, for the figures: the same text for the same seed, everywhere.

Each project has its own artifacts, classes, tests and sources, which come again and again, as in
real logs; between them stand the times, ids and digests that make logs hard to compress and index.
With zlib, 100 kB of it shrink to 0.16; `dpkg` and `pip -v` logs of that size to 0.10 to 0.14.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

SYLLABLES = [
    "al",
    "an",
    "ar",
    "ba",
    "bel",
    "ber",
    "bi",
    "bo",
    "ca",
    "cal",
    "car",
    "con",
    "da",
    "de",
    "den",
    "di",
    "do",
    "el",
    "en",
    "er",
    "fa",
    "fin",
    "for",
    "ga",
    "gen",
    "go",
    "ha",
    "hel",
    "in",
    "is",
    "ka",
    "kel",
    "la",
    "lan",
    "le",
    "li",
    "lo",
    "lu",
    "ma",
    "man",
    "me",
    "mi",
    "mo",
    "na",
    "ner",
    "ni",
    "no",
    "or",
    "pa",
    "per",
    "pi",
    "po",
    "ra",
    "re",
    "ri",
    "ro",
    "sa",
    "se",
    "si",
    "so",
    "sta",
    "ta",
    "te",
    "ten",
    "ti",
    "to",
    "tor",
    "tra",
    "un",
    "ur",
    "va",
    "ver",
    "vi",
    "za",
]
VERBS = [
    "create",
    "update",
    "delete",
    "find",
    "load",
    "save",
    "resolve",
    "parse",
    "publish",
    "consume",
    "merge",
    "apply",
]
KINDS = [
    "Service",
    "Repository",
    "Controller",
    "Mapper",
    "Factory",
    "Client",
    "Handler",
    "Listener",
    "Config",
]
WHY = (
    "Connection refused", "Read timed out", "expected: <200> but was: <500>", "Cannot resolve",
    "NullPointerException", "No space left on device", "OutOfMemoryError: Java heap space",
    "Permission denied", "command not found", "assertion failed",
)  # fmt: skip
WORDS, PROJECTS, MEAN_SIZE = 20_000, 60, 100_000
CENTRAL = "https://repo.maven.apache.org/maven2"


class Project:
    """What the logs of one project talk about."""

    def __init__(self, r: random.Random, vocabulary: list[str]) -> None:
        def word() -> str:
            return vocabulary[min(int(r.paretovariate(0.35)), len(vocabulary)) - 1]

        def camel() -> str:
            return word().title() + word().title() + r.choice(KINDS)

        def version() -> str:
            return f"{r.randint(0, 9)}.{r.randint(0, 20)}.{r.randint(0, 30)}"

        self.name, self.r, self.at = word(), r, 0.0
        self.words = [word() for _ in range(200)]
        self.classes = [f"com.{self.name}.{word()}.{camel()}" for _ in range(120)]
        self.frames = [
            f"\tat {name}.{r.choice(VERBS)}({name.rpartition('.')[2]}.java:{r.randint(10, 900)})"
            for name in r.choices(self.classes, k=200)
        ]
        self.artifacts = [(word(), f"{word()}-{word()}", version()) for _ in range(150)]
        self.tests = [
            f"tests/{self.name}/test_{word()}.py::test_{r.choice(VERBS)}_{word()}"
            for _ in range(200)
        ]
        self.sources = [f"src/{word()}/{word()}_{word()}" for _ in range(200)]
        self.packages = [(f"lib{word()}", version()) for _ in range(100)]

    def digits(self, count: int) -> str:
        """A random hexadecimal number."""
        return f"{self.r.getrandbits(4 * count):0{count}x}"

    def time(self) -> str:
        """Now; the clock goes on with each look."""
        self.at += self.r.random() / 5
        at = int(self.at)
        clock = f"{at // 3600 % 24:02}:{at // 60 % 60:02}:{at % 60:02}"
        return f"2026-11-{1 + at // 86400 % 28:02}T{clock}.{int(self.at % 1 * 1000):03}Z"


def vocabulary(words: int = WORDS, seed: int = 1) -> list[str]:
    """Words, the frequent ones first."""
    r = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < words:
        found["".join(r.choices(SYLLABLES, k=r.choice((2, 2, 3, 3, 4))))] = None
    return list(found)


def logs(count: int, seed: int = 7, mean: int = MEAN_SIZE) -> Iterator[str]:
    """``count`` logs of about ``mean`` characters on average; most are smaller, a few 1 MB."""
    r, words = random.Random(seed), vocabulary()
    projects = [Project(random.Random(seed * 1000 + n), words) for n in range(PROJECTS)]
    for _ in range(count):
        size = min(1_000_000, int(r.lognormvariate(0, 1) / 1.8 * mean) + 1_000)
        yield log(r, r.choice(projects), size)


def log(r: random.Random, project: Project, size: int) -> str:
    """One failed build's log of about ``size`` characters."""
    tools = r.sample(TOOLS, k=3)
    out, length = [f"Started by user {project.words[0]}", "[Pipeline] Start of Pipeline"], 60
    while length < size:
        tool = r.choice(tools)
        for _ in range(r.randint(5, 60)):
            lines = tool(r, project)
            out += lines
            length += sum(map(len, lines)) + len(lines)
    out.append(f"ERROR: {r.choice(WHY)} in {r.choice(project.classes)}")
    out.append("Finished: FAILURE")
    return "\n".join(out) + "\n"


def _maven(r: random.Random, p: Project) -> list[str]:
    match r.randint(0, 5):
        case 0 | 1:
            group, name, version = r.choice(p.artifacts)
            jar = f"{CENTRAL}/org/{group}/{name}/{version}/{name}-{version}.jar"
            return [
                f"[INFO] Downloading from central: {jar}",
                f"[INFO] Downloaded from central: {jar} ({r.randint(1, 900)} kB at {r.randint(1, 9)} MB/s)",
            ]
        case 2:
            test = f"{r.choice(p.classes)}Test"
            run = f"Tests run: {r.randint(1, 40)}, Failures: 0, Errors: 0, Skipped: 0"
            return [
                f"[INFO] Running {test}",
                f"[INFO] {run}, Time elapsed: {r.random() * 9:.3f} s - in {test}",
            ]
        case 3:
            start = r.randrange(len(p.frames) - 20)
            why = f"java.lang.IllegalStateException: {r.choice(p.words)} {r.choice(p.words)}"
            return [why, *p.frames[start : start + r.randint(5, 20)]]
        case 4:
            identity = "-".join(map(p.digits, (8, 4, 4, 4, 12)))
            what = f"{r.choice(VERBS)} {r.choice(p.words)} id={identity}"
            return [f"{p.time()}  INFO 217 --- [main] {r.choice(p.classes)} : {what}"]
    name = r.choice(p.classes)
    return [f"[WARNING] {name}.java:[{r.randint(1, 400)},{r.randint(1, 80)}] uses a deprecated API"]


def _npm(r: random.Random, p: Project) -> list[str]:
    group, name, version = r.choice(p.artifacts)
    match r.randint(0, 3):
        case 0:
            return [f"npm WARN deprecated @{group}/{name}@{version}: no longer supported"]
        case 1:
            where = f"https://registry.npmjs.org/@{group}/{name}"
            return [f"npm http fetch GET 200 {where} {r.randint(10, 900)}ms (cache miss)"]
        case 2:
            return [f"PASS {r.choice(p.sources)}.test.ts ({r.random() * 9:.2f} s)"]
    return [f"asset {name}.{p.digits(20)}.js {r.randint(1, 900)} KiB [emitted] [immutable]"]


def _pytest(r: random.Random, p: Project) -> list[str]:
    start = r.randrange(len(p.tests) - 10)
    return [
        f"{test} PASSED [{r.randint(1, 100):3}%]"
        for test in p.tests[start : start + r.randint(1, 10)]
    ]


def _docker(r: random.Random, p: Project) -> list[str]:
    match r.randint(0, 3):
        case 0:
            return [f"#{r.randint(5, 30)} sha256:{p.digits(64)} 91.32MB / 91.32MB 2.1s done"]
        case 1:
            name, version = r.choice(p.packages)
            where = "http://deb.debian.org/debian bookworm/main amd64"
            return [
                f"Get:{r.randint(1, 300)} {where} {name} amd64 {version}-1 [{r.randint(5, 900)} kB]"
            ]
        case 2:
            name, version = r.choice(p.packages)
            return [
                f"Preparing to unpack .../{name}_{version}-1_amd64.deb ...",
                f"Unpacking {name}:amd64 ({version}-1) ...",
                f"Setting up {name}:amd64 ({version}-1) ...",
            ]
    return [f" ---> Running in {p.digits(12)}", f" ---> {p.digits(12)}"]


def _cmake(r: random.Random, p: Project) -> list[str]:
    path = r.choice(p.sources)
    if r.random() < 0.8:
        target = f"{p.name}/CMakeFiles/{p.words[2]}.dir/{path}.cpp.o"
        return [f"[{r.randint(1, 100):3}%] Building CXX object {target}"]
    where = f"{path}.cpp:{r.randint(1, 900)}:{r.randint(1, 80)}"
    return [f"{where}: warning: unused variable '{r.choice(p.words)}' [-Wunused-variable]"]


def _pipeline(r: random.Random, p: Project) -> list[str]:
    match r.randint(0, 3):
        case 0:
            return ["[Pipeline] sh", f"+ ./gradlew :{r.choice(p.words)}:build --info"]
        case 1:
            return [f"[{p.time()}] > Task :{r.choice(p.words)}:compileJava UP-TO-DATE"]
        case 2:
            return [f" > git rev-parse {p.digits(40)}^{{commit}} # timeout=10"]
    return ["[Pipeline] }", "[Pipeline] // stage", f"[Pipeline] {{ ({r.choice(p.words).title()})"]


TOOLS: tuple[Callable[[random.Random, Project], list[str]], ...] = (
    _maven, _maven, _npm, _pytest, _docker, _cmake, _pipeline,
)  # fmt: skip
