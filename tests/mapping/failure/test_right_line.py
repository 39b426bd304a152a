"""Of several lines that look like the cause the right one: not a sum, a warning, a try that was repeated,
nor what only follows from it. The logs are made up after those of the usual tools."""

from __future__ import annotations

import pytest

from poller.mapping.failure.first_cause import CauseText, Failed, first_cause

CORPUS = [
    # what a row of its tool has
    ("compiler", "/w/Foo.java:3: error: cannot find symbol", """
    [javac] /w/Foo.java:3: error: cannot find symbol
    [javac] 1 error
BUILD FAILED
/w/build.xml:12: Compile failed; see the compiler error output for details.
"""),
    ("compiler", "a.c:1:2: error: x", """
#9 1.234 a.c:1:2: error: x
#9 ERROR: process "/bin/sh -c make" did not complete successfully: exit code: 2
ERROR: failed to solve: process "/bin/sh -c make" did not complete successfully: exit code: 2
"""),
    ("compiler", "12:5 error 'x' is assigned a value but never used no-unused-vars", """
/w/src/a.js
   3:7  warning  Unexpected console statement  no-console
  12:5  error  'x' is assigned a value but never used  no-unused-vars
2 problems (1 error, 1 warning)
npm ERR! code ELIFECYCLE
"""),
    ("compiler", "error: expected one of `!` or `::`, found `x`", """
error: expected one of `!` or `::`, found `x`
 --> src/main.rs:2:5
error: could not compile `shop` (bin "shop") due to 1 previous error
"""),
    ("compiler", "main.obj : error LNK2019: unresolved external symbol foo", """
main.obj : error LNK2019: unresolved external symbol foo
a.exe : fatal error LNK1120: 1 unresolved externals
"""),
    ("compiler", "Undefined symbols for architecture arm64:", """
Undefined symbols for architecture arm64:
ld: symbol(s) not found for architecture arm64
clang: error: linker command failed with exit code 1 (use -v to see invocation)
"""),
    ("compiler", "a.py:1:8: F401 [*] `os` imported but unused", """
a.py:1:8: F401 [*] `os` imported but unused
Found 1 error.
"""),
    ("compiler", "vet: ./cart.go:12:2: undefined: x", "# shop\nvet: ./cart.go:12:2: undefined: x\n"),
    ("compiler", "go: example.com/x@v1.2.3: invalid version: unknown revision v1.2.3", """
go: downloading example.com/y v1.0.0
go: example.com/x@v1.2.3: invalid version: unknown revision v1.2.3
"""),
    ("tests", "● Test suite failed to run", """
FAIL src/cart.test.js
  ● Test suite failed to run
    Cannot find module './x' from 'src/cart.test.js'
Test Suites: 1 failed, 1 total
"""),
    ("tests", "FAIL src/cart.test.ts > Cart > adds up", """
 FAIL  src/cart.test.ts > Cart > adds up
AssertionError: expected 3 to be 4
 Test Files  1 failed (1)
"""),
    ("tests", "1) Cart", """
  1 passing (2s)
  1 failing

  1) Cart
       adds:
     AssertionError: Timed out retrying after 4000ms: expected 3
"""),
    ("tests", "1) [chromium] › cart.spec.ts:3:1 › adds", """
  1) [chromium] › cart.spec.ts:3:1 › adds
    Error: expect(received).toBe(expected)
  1 failed
"""),
    ("tests", "FAIL: test_total (test_cart.CartTest.test_total)", """
FAIL: test_total (test_cart.CartTest.test_total)
AssertionError: 3 != 4
FAILED (failures=1)
"""),
    ("tests", "tests/test_a.py::test_x FAILED [100%]", """
tests/test_a.py::test_y PASSED   [ 50%]
tests/test_a.py::test_x FAILED   [100%]
1 failed, 1 passed in 0.1s
"""),
    ("tests", "Failed Shop.CartTests.Adds [12 ms]", """
  Failed Shop.CartTests.Adds [12 ms]
Failed!  - Failed:     1, Passed:     3, Skipped:     0, Total:     4
"""),
    ("tests", "2 - cart (Failed)", """
The following tests FAILED:
\t  2 - cart (Failed)
Errors while running CTest
"""),
    ("tests", "Cart :: adds | FAIL |", "Cart :: adds     | FAIL |\n3 != 4\n"),
    ("tests", "- adds *** FAILED ***", """
[info] - adds *** FAILED ***
[error] Failed: Total 3, Failed 1, Errors 0, Passed 2
"""),
    ("terraform", "Error: Invalid reference", """
Error: Invalid reference

  on main.tf line 3, in resource "x" "y":
   3:   a = b
"""),
    ("gradle", "Could not find com.acme:lib:1.2.", """
* What went wrong:
Execution failed for task ':app:compileJava'.
> Could not resolve all files for configuration ':app:compileClasspath'.
   > Could not find com.acme:lib:1.2.
     Searched in the following locations:
"""),
    ("npm", "npm ERR! ERESOLVE unable to resolve dependency tree", """
npm ERR! code ERESOLVE
npm ERR! ERESOLVE unable to resolve dependency tree
"""),
    ("npm", 'error Couldn\'t find package "@acme/ui" on the "npm" registry.', """
yarn install v1.22
error Couldn't find package "@acme/ui" on the "npm" registry.
"""),
    ("npm", 'ERR_PNPM_OUTDATED_LOCKFILE Cannot install with "frozen-lockfile"',
     ' ERR_PNPM_OUTDATED_LOCKFILE  Cannot install with "frozen-lockfile"\n'),
    ("git", "Host key verification failed.", """
Host key verification failed.
fatal: Could not read from remote repository.
"""),
    ("exception", "Caused by: java.lang.IllegalStateException: port in use",
     "Caused by: java.lang.IllegalStateException: port in use\n\tat x\n"),
    ("error", "curl: (60) SSL certificate problem: unable to get local issuer certificate", """
curl: (60) SSL certificate problem: unable to get local issuer certificate
curl failed to verify the legitimacy of the server and therefore could not
script returned exit code 60
"""),
    ("error", 'fatal: [web2]: UNREACHABLE! => {"msg": "no route"}', """
fatal: [web1]: FAILED! => {"msg": "x"}
...ignoring
fatal: [web2]: UNREACHABLE! => {"msg": "no route"}
PLAY RECAP *
web2 : ok=0 unreachable=1 failed=0
"""),
    ("error", "E: Unable to locate package foo", "Reading lists...\nE: Unable to locate package foo\n"),
    # what is no cause
    ("exit_code", "ERROR: script returned exit code 1",
     "+ false\nERROR: script returned exit code 1\nFinished: FAILURE\n"),
    ("error", "upload: connection refused by host", """
upload: connection refused by host
Build step 'Execute shell' marked build as failure
"""),
    ("error", "deploy failed: quota", """
deploy failed: quota
fail_on_error=true
Using --error-format=short, stopping on error
Set failure threshold 10
writing error.log
Failed: 0
0 tests failed, 0 errors
Errors : 0
warning: error handling is off
WARN  tool: request failed
"""),
    ("error", "upload failed: 500", "[2026-01-05T08:00:01.123Z] upload failed: 500\n"),
    ("error", "2 problems (1 error, 1 warning)", "2 problems (1 error, 1 warning)\nbye\n"),
    ("exit_code", "hudson.AbortException: script returned exit code 1",
     "+ make\nhudson.AbortException: script returned exit code 1\n\tat x\n"),
    ("error", "manifest: upload denied", "manifest: upload denied\nBUILD FAILED\n"),
    ("jenkinsfile", "ERROR: No version 9.9 found for library shared",
     "ERROR: No version 9.9 found for library shared\nWorkflowScript: Loading libraries failed\n"),
    ("gradle", "Could not find method foo() for arguments [1] on root project", """
* What went wrong:
A problem occurred evaluating root project 'x'.
> Could not find method foo() for arguments [1] on root project
"""),
    # what was tried again
    ("compiler", "a.c:1:2: error: x", """
ERROR: Error fetching remote repo 'origin'
hudson.plugins.git.GitException: Failed to fetch from https://git.example/x.git
\tat hudson.plugins.git.GitSCM.fetchFrom(GitSCM.java:999)
Caused by: hudson.plugins.git.GitException: Command "git fetch" returned status code 128:
stderr: fatal: unable to access 'https://git.example/x.git/'
Retrying after 10 seconds
+ make
a.c:1:2: error: x
"""),
    ("unknown", "pushed nothing", """
ERROR: Error fetching remote repo 'origin'
Retrying after 10 seconds
pushed nothing
"""),
    ("compiler", "a.c:1:2: error: x", """
Cannot contact agent-7: java.lang.InterruptedException
a.c:1:2: error: x
"""),
    ("maven", "[ERROR] Failed to execute goal on project a: Could not resolve dependencies", """
[ERROR] Could not transfer metadata a:b:1 from/to nexus: Connection reset (retrying)
[ERROR] Failed to execute goal on project a: Could not resolve dependencies
"""),
    ("git", "ERROR: Error fetching remote repo 'origin'", """
ERROR: Error fetching remote repo 'origin'
Retrying after 10 seconds
ERROR: Error fetching remote repo 'origin'
ERROR: script returned exit code 1
"""),
]  # fmt: skip
"""Category, cause and log."""


@pytest.mark.parametrize(("category", "cause", "log"), CORPUS, ids=lambda value: value[:40].strip())
def test_the_right_line(category: str, cause: str, log: str) -> None:
    """Its category, too, and where it is."""
    found = first_cause(Failed("FAILURE", [CauseText(log.encode())]))
    assert found is not None
    assert (found.category, found.cause) == (category, cause)
    line = log.split("\n")[(found.line or 0) - 1]
    assert " ".join(line.split()).endswith(cause.split()[-1])
