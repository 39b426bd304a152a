"""The line that explains a failure, in logs made up after those of the usual tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from poller.ledger.logs.failures import FirstCause
from poller.ledger.logs.steps import StepRef
from poller.mapping.failure.cause_patterns import CATEGORIES
from poller.mapping.failure.first_cause import LONGEST, CauseText, Failed, first_cause

MAKE = StepRef("6", "Build", "9", "Shell Script")
LINT = StepRef("6", "Build", "12", "Shell Script")

CORPUS = [
    ("compiler", "src/cart.c:41:9: error: 'totl' undeclared (first use in this function)", """
+ make -j8
gcc -O2 -Werror -c -o build/error_log.o src/error_log.c
gcc -O2 -c -o build/cart.o src/cart.c
src/cart.c: In function 'total':
src/cart.c:40:5: warning: unused variable 'n' [-Wunused-variable]
src/cart.c:41:9: error: 'totl' undeclared (first use in this function)
   41 |         totl += item->price;
src/cart.c:42:1: error: expected ';' before '}' token
make: *** [Makefile:12: build/cart.o] Error 1
script returned exit code 2
"""),
    ("compiler", "/usr/bin/ld: cannot find -lcurl: No such file or directory", """
/usr/bin/ld: cannot find -lcurl: No such file or directory
collect2: error: ld returned 1 exit status
"""),
    ("compiler", "src/main/java/shop/Cart.java:17: error: cannot find symbol", """
> Task :compileJava FAILED
src/main/java/shop/Cart.java:17: error: cannot find symbol
        return totl;
1 error

* What went wrong:
Execution failed for task ':compileJava'.
"""),
    ("compiler", "[ERROR] /w/src/main/java/shop/Cart.java:[17,16] cannot find symbol", """
[INFO] BUILD FAILURE
[ERROR] COMPILATION ERROR :
[ERROR] /w/src/main/java/shop/Cart.java:[17,16] cannot find symbol
[ERROR] Failed to execute goal org.apache.maven.plugins:maven-compiler-plugin:3.11.0:compile
"""),
    ("compiler", "src/cart.ts(12,5): error TS2304: Cannot find name 'totl'.", """
> shop@1.0.0 build
> tsc -p .
src/cart.ts(12,5): error TS2304: Cannot find name 'totl'.
npm ERR! code 2
"""),
    ("compiler", "error[E0425]: cannot find value `totl` in this scope", """
   Compiling shop v0.1.0 (/w)
error[E0425]: cannot find value `totl` in this scope
 --> src/cart.rs:4:5
error: could not compile `shop` (bin "shop") due to 1 previous error
"""),
    ("compiler", "./cart.go:12:2: undefined: totl", "# shop/cart\n./cart.go:12:2: undefined: totl\n"),
    ("compiler", "Cart.cs(12,9): error CS0103: The name 'totl' does not exist", """
  Determining projects to restore...
Cart.cs(12,9): error CS0103: The name 'totl' does not exist
    1 Error(s)
"""),
    ("compiler", "e: file:///w/src/Cart.kt:12:5 Unresolved reference: totl", """
e: file:///w/src/Cart.kt:12:5 Unresolved reference: totl
FAILURE: Build failed with an exception.
"""),
    ("tests", "FAILED tests/test_cart.py::test_total - assert 3 == 4", """
tests/test_cart.py:12: AssertionError
=========================== short test summary info ============================
FAILED tests/test_cart.py::test_total - assert 3 == 4
FAILED tests/test_cart.py::test_tax - ValueError: no tax
========================= 2 failed, 118 passed in 4.21s ========================
script returned exit code 1
"""),
    ("tests", "[ERROR] CartTest.total:12 expected: <3> but was: <4>", """
[ERROR] Tests run: 3, Failures: 1, Errors: 0, Skipped: 0 <<< FAILURE! - in shop.CartTest
[ERROR] Failures:
[ERROR]   CartTest.total:12 expected: <3> but was: <4>
[ERROR] Failed to execute goal org.apache.maven.plugins:maven-surefire-plugin:3.2.5:test
"""),
    ("tests", "CartTest > total() FAILED", """
> Task :test
CartTest > tax() PASSED
CartTest > total() FAILED
    org.opentest4j.AssertionFailedError: expected: <3> but was: <4>
"""),
    ("tests", "--- FAIL: TestTotal (0.00s)", """
=== RUN   TestTotal
    cart_test.go:12: got 4, want 3
--- FAIL: TestTotal (0.00s)
FAIL
FAIL\tshop/cart\t0.012s
"""),
    ("tests", "● Cart › adds up", """
FAIL src/cart.test.js
  ● Cart › adds up
    expect(received).toBe(expected)
npm ERR! Test failed.  See above for more details.
"""),
    ("maven", "[ERROR] Failed to execute goal on project shop: Could not resolve dependencies for"
     " project shop:shop:jar:1.0", """
[INFO] BUILD FAILURE
[ERROR] Failed to execute goal on project shop: Could not resolve dependencies for project \
shop:shop:jar:1.0
[ERROR] To see the full stack trace of the errors, re-run Maven with the -e switch.
"""),
    ("gradle", "Could not determine the dependencies of task ':shop:jar'.", """
FAILURE: Build failed with an exception.

* What went wrong:
Could not determine the dependencies of task ':shop:jar'.
> Could not resolve all task dependencies.
"""),
    ("npm", 'npm ERR! Missing script: "biuld"', """
npm ERR! code E1
npm ERR! Missing script: "biuld"
npm ERR! A complete log of this run can be found in: /root/.npm/_logs/x.log
"""),
    ("npm", "npm error code ELIFECYCLE", "npm error code ELIFECYCLE\nnpm error errno 1\n"),
    ("docker", "ERROR: failed to solve: process \"/bin/sh -c make\" did not complete"
     " successfully: exit code: 2", """
#9 [5/6] RUN make
#9 ERROR: process "/bin/sh -c make" did not complete successfully: exit code: 2
ERROR: failed to solve: process "/bin/sh -c make" did not complete successfully: exit code: 2
"""),
    ("docker", "Error response from daemon: pull access denied for shop, repository does not exist",
     "Error response from daemon: pull access denied for shop, repository does not exist\n"),
    ("terraform", "│ Error: creating EC2 Instance: VcpuLimitExceeded", """
aws_instance.web: Creating...
╷
│ Error: creating EC2 Instance: VcpuLimitExceeded
│
│   with aws_instance.web,
│   on main.tf line 12, in resource "aws_instance" "web":
╵
"""),
    ("memory", 'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space', """
Exception in thread "main" java.lang.OutOfMemoryError: Java heap space
\tat shop.Cart.grow(Cart.java:12)
"""),
    ("memory", "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
     "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\nAborted\n"),
    ("disk", "write error: No space left on device", "tar: x\nwrite error: No space left on device\n"),
    ("agent", "Cannot contact agent-7: java.lang.InterruptedException", """
Cannot contact agent-7: java.lang.InterruptedException
Could not connect to agent-7 to send interrupt signal to process
"""),
    ("agent", "Agent agent-7 was deleted; cancelling node body", """
Agent agent-7 was deleted; cancelling node body
Could not connect to agent-7 to send interrupt signal to process
"""),
    ("timeout", "Cancelling nested steps due to timeout", """
[2026-01-05T08:00:00.123Z] + sleep 900
[2026-01-05T08:10:00.456Z] Cancelling nested steps due to timeout
[2026-01-05T08:10:00.789Z] Sending interrupt signal to process
[2026-01-05T08:10:01.000Z] script returned exit code 143
"""),
    ("aborted", "Aborted by alice", "Sending interrupt signal to process\nAborted by alice\n"),
    ("jenkinsfile", "WorkflowScript: 12: Expected a step @ line 12, column 9.", """
org.codehaus.groovy.control.MultipleCompilationErrorsException: startup failed:
WorkflowScript: 12: Expected a step @ line 12, column 9.
"""),
    ("git", "ERROR: Error fetching remote repo 'origin'", """
ERROR: Error fetching remote repo 'origin'
hudson.plugins.git.GitException: Failed to fetch from https://git.example/shop.git
"""),
    ("shell", "/w@tmp/script.sh.copy: 2: mkae: not found", """
+ mkae
/w@tmp/script.sh.copy: 2: mkae: not found
script returned exit code 127
"""),
    ("exception", "ValueError: no tax for XX", """
Traceback (most recent call last):
  File "/w/tax.py", line 3, in <module>
    raise ValueError("no tax for XX")
ValueError: no tax for XX
script returned exit code 1
"""),
    ("error", "deploy: upload failed after 3 tries", """
+ ./deploy --fail-on-error
checking: 0 errors
deploy: upload failed after 3 tries
bye
script returned exit code 1
"""),
    ("exit_code", "script returned exit code 3", "+ exit 3\nscript returned exit code 3\n"),
    ("unknown", "that is all", "+ ./run\nthat is all\n\n[Pipeline] }\nFinished: FAILURE\n"),
]  # fmt: skip
"""Category, cause and log."""


@pytest.mark.parametrize(
    ("category", "cause", "log"), CORPUS, ids=lambda value: value[:40] if "\n" not in value else ""
)
def test_what_tools_write(category: str, cause: str, log: str) -> None:
    """Category and line, and where that line is."""
    found = first_cause(Failed("FAILURE", [CauseText(log.encode(), MAKE, 0)]))
    assert found is not None
    assert (found.category, found.cause) == (category, " ".join(cause.split()))
    assert (found.of, found.place) == (MAKE, 0)
    line = log.encode().split(b"\n")[(found.line or 0) - 1]
    assert " ".join(line.decode().split()).endswith(found.cause)


def test_the_corpus_has_every_category() -> None:
    """And docs/logs.md names each."""
    assert {category for category, _, _ in CORPUS} == set(CATEGORIES)
    page = (Path(__file__).parents[3] / "docs/logs.md").read_text()
    assert [one for one in CATEGORIES if f"`{one}`" not in page] == []


@pytest.mark.parametrize("before", ["08:00:01 ", "[2026-01-05T08:00:01.123Z] ", "[linux] "])
def test_what_stands_before_a_line_does_not_hide_it(before: str) -> None:
    """Nor is it a part of the cause: times, names of parallel branches."""
    log = f"{before}npm ERR! code E1\n".encode()
    found = first_cause(Failed("FAILURE", [CauseText(log)]))
    assert found == FirstCause("npm ERR! code E1", "npm", line=1)


def test_of_several_steps_the_first_that_explains_it_counts() -> None:
    """What the step before it wrote is no less sure."""
    plain = CauseText(b"+ false\nscript returned exit code 1\n", MAKE, 0)
    failing = CauseText(b"a.c:1:2: error: x\n", LINT, 1)
    memory = CauseText(b"java.lang.OutOfMemoryError: x\n", StepRef("20", "Test", "21"), 2)
    found = first_cause(Failed("FAILURE", [plain, failing, memory]))
    assert found == FirstCause("a.c:1:2: error: x", "compiler", LINT, 1, 1)


def test_in_the_console_only_what_concerns_the_build_counts() -> None:
    """Other steps write there, too: what a compiler says is theirs, a lost agent is not."""
    log = CauseText(b"+ ./run\nscript returned exit code 1\n", MAKE, 0)
    said = first_cause(Failed("FAILURE", [log], console=b"a.c:1:2: error: x\n"))
    assert said is not None
    assert said.category == "exit_code"
    console = b"x\nCannot contact agent-7: java.lang.InterruptedException\n"
    said = first_cause(Failed("FAILURE", [log], console=console))
    assert said is not None
    assert (said.category, said.of, said.place, said.line) == ("agent", None, None, 2)


def test_without_step_logs_the_console_tells_all() -> None:
    """As of freestyle builds."""
    said = first_cause(Failed("FAILURE", console=b"Started\na.c:1:2: error: x\n"))
    assert said == FirstCause("a.c:1:2: error: x", "compiler", line=2)


def test_who_aborted_it_counts_more_than_what_it_wrote() -> None:
    """A step that is stopped complains."""
    log = CauseText(b"a.c:1:2: error: interrupted\nTerminated\n", MAKE, 0)
    said = first_cause(Failed("ABORTED", [log], console=b"Aborted by alice\n"))
    assert said == FirstCause("Aborted by alice", "aborted", line=1)


def test_messages_of_the_stage_tree() -> None:
    """A message of one's own explains it; an exit code only where nothing else is there."""
    own = CauseText(b"Quota of team shop is used up", MAKE, is_log=False)
    log = CauseText(b"some error: no room\n", MAKE, 0)
    said = first_cause(Failed("FAILURE", [log], [own]))
    assert said == FirstCause("Quota of team shop is used up", "error", MAKE)
    code = CauseText(b"script returned exit code 2", MAKE, is_log=False)
    assert first_cause(Failed("FAILURE", [], [code])) == FirstCause(
        "script returned exit code 2", "exit_code", MAKE
    )
    said = first_cause(Failed("FAILURE", [log], [code]))
    assert said == FirstCause("some error: no room", "error", MAKE, 0, 1)


def test_tests_explain_an_unstable_build() -> None:
    """By their number."""
    log = CauseText(b"Recording test results\n", MAKE, 0)
    said = first_cause(Failed("UNSTABLE", [log], tests=(3, 1200)))
    assert said == FirstCause("3 of 1,200 tests failed", "tests")


def test_of_step_logs_that_say_nothing_the_console_does() -> None:
    """It is all there is."""
    log = CauseText(b"\nFinished: FAILURE\n", MAKE, 0)
    said = first_cause(Failed("FAILURE", [log], console=b"Started\na.c:1:2: error: x\n"))
    assert said == FirstCause("a.c:1:2: error: x", "compiler", line=2)


def test_the_end_of_a_log_that_was_not_read_to_its_end_is_none() -> None:
    """A line that a pattern knows still counts."""
    rest = b"[... the rest could not be read: not done in 40 s ...]\n"
    assert first_cause(Failed("FAILURE", console=b"failed, they say\nline 7\n" + rest)) is None
    said = first_cause(Failed("FAILURE", console=b"a.c:1:2: error: x\nline 7\n" + rest))
    assert said == FirstCause("a.c:1:2: error: x", "compiler", line=1)


def test_where_there_is_no_text_there_is_no_cause() -> None:
    """Nothing is made up."""
    assert first_cause(Failed("FAILURE")) is None
    assert first_cause(Failed("FAILURE", [CauseText(b"\n\n", MAKE, 0)])) is None


def test_a_long_line_is_cut() -> None:
    """It is one short text."""
    said = first_cause(Failed("FAILURE", [CauseText(b"a.c:1: error: " + b"x" * 99_999)]))
    assert said is not None
    assert len(said.cause) == LONGEST


@pytest.mark.parametrize(
    "piece", [b"[" * 60, b"a" * 99, b" error" * 9, b"\n", b"[a] ", b"\xff\x00"]
)
def test_odd_texts_do_no_harm(piece: bytes) -> None:
    """Whatever they are made of, the search is linear."""
    first_cause(Failed("FAILURE", [CauseText(piece * 200_000)]))
