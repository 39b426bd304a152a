"""What is taken for a secret in a text, and what is deliberately left.

The values are made up. Prefixes are joined to them at run time, or scanners would take this file
for a leak.
"""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.secret_rates import hit, missed
from poller.mapping.params import known_values
from poller.mapping.redaction import RedactingStream, Redactor
from tests.support.secrets import CAUGHT, HARMLESS_NAMES, HEX, SECRET_NAMES, TOKENS

REDACTOR = Redactor()


LEFT = [
    "PWD=/home/jenkins/workspace/app",
    "[Pipeline] withCredentials",
    "using credential github-app",
    "credentialsId: git-creds",
    "git@github.com:acme/app.git",
    "https://github.com/acme/app.git",
    "https://git@github.com/acme/app.git",
    "http://localhost:8080/path/a@b",
    "Checking out Revision 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "sha256:" + HEX * 4,
    "5d41402abc4b2a76b9719d911017c592",
    "id=05f05d5c-f503-5742-4ef0-54f8946fbe50",
    "max_tokens=4096, tokens: 12",
    "token_count=7 passwords=3",
    "PASS: test_one",
    "the password is hunter2",  # prose: no form to know it by
    "export TOKEN",
    "secrets/db-creds created",
    "docker run -u 1000:1000 app",
    "keytool -storepass",
    "AKIA is how AWS key ids begin",
    "org.jenkinsci.plugins.credentialsbinding.masking",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7 bob@host",  # public
    "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----",  # public
    "$ make password-reset-page",
    "ghp_short npm_short",
    "cache-key: linux-x64-3f2a",
    "-Dsonar.projectKey=acme_app",
    "password=$DB_PASSWORD token: ${GH_TOKEN}",
    "password: null, secret=true",
    "pass: 12, fail: 0",
    "first_pass=12",
    "KEYBOARD=qwerty PINNED_VERSION=1.2 AUTHOR=bob MONKEY=banana KEY_COUNT=3",
    "TOKENIZER=bert SECRETS_NAMESPACE=payments GIT_CREDENTIALS_ID=github",
    "auth: required",
    "SSH_PUBLIC_KEY=ssh-ed25519-AAAA",
    "GIT_COMMIT=9fceb02d0ae598e95dc970b74767f19372d61af8",
    "uses: actions/checkout@v4",
    "github.com/pkg/errors@v0.9.1",
    "FROM registry.example.com/library/nginx@sha256:" + HEX * 4,
    "Basic authentication is off",
    "mysql -P 3306 -p",
    "npm WARN deprecated key: value",
    "ENV PASSWORD_FILE /run/x",
    "docker run mongo -P && mongo --port 27017 && mkdir -p /out",
    "gradle distZip -Pversion=1.2",
    "env:\n- name: TOKEN_TTL\n  value: 5m",
    '{"Key": "Owner", "Value": "shop"}',
    "FILE_PAT=*.log",
    "vault login -method=ldap",
]


@pytest.mark.parametrize(("kind", "token"), TOKENS.items())
def test_a_token_is_known_by_its_form(kind: str, token: str) -> None:
    """Wherever it stands; what is around it stays."""
    assert REDACTOR.text(f"+ use {token} now") == "+ use **** now"
    assert REDACTOR.text(f'x("{token}")') == 'x("****")'


@pytest.mark.parametrize(("text", "expected"), CAUGHT)
def test_a_secret_is_known_by_what_is_before_it(text: str, expected: str) -> None:
    """The name stays, so that one sees what was there."""
    assert expected == REDACTOR.text(text)
    assert expected == REDACTOR.text(expected)


@pytest.mark.parametrize("text", LEFT)
def test_what_is_no_secret_stays(text: str) -> None:
    """A log full of stars helps nobody."""
    assert text == REDACTOR.text(text)


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_names_of_secrets(name: str) -> None:
    """By their parts, in any style; of a parameter and in a text alike."""
    assert REDACTOR.is_secret_name(name)
    assert REDACTOR.text(f"{name}=x1y2z3") == f"{name}=****"


@pytest.mark.parametrize("name", HARMLESS_NAMES)
def test_names_of_what_is_none(name: str) -> None:
    """Words that only begin so, and what is said about a secret."""
    assert not REDACTOR.is_secret_name(name)
    assert REDACTOR.text(f"{name}=x1y2z3") == f"{name}=x1y2z3"


def test_names_of_ones_own_are_hidden_in_texts_too() -> None:
    """One list for both."""
    assert (
        Redactor(["*session*"]).text("MY_SESSION_ID=abc session: x")
        == "MY_SESSION_ID=**** session: ****"
    )


def test_a_value_is_hidden_as_a_whole_word_that_looks_like_a_secret() -> None:
    """A namespace or a version that a secret's parameter has is in half of all texts."""
    values = known_values(
        ["github", "payments-v2", "payments", "production", "12345678", "s3cr3tpw9"]
    )
    redactor = Redactor().with_values(values)
    text = "https://github.com/payments/app payments-v2 production 12345678 xs3cr3tpw9 s3cr3tpw9!"
    assert redactor.text(text) == text.replace(" s3cr3tpw9!", " ****!")
    assert redactor.without_values.text(text) == text


def test_a_value_is_hidden_in_every_usual_form() -> None:
    """As in URLs, JSON and XML, and in base64: Kubernetes has its secrets so."""
    value = 'p&"w9-s3cr3t'
    redactor = Redactor().with_values(known_values([value]))
    for form in (value, quote(value), html.escape(value), json.dumps(value)[1:-1]):
        assert redactor.text(f"say {form} now") == "say **** now"
    for raw in (value, value + "\n"):
        assert (
            redactor.text(f"data: {base64.b64encode(raw.encode()).decode()}")[:10] == "data: ****"
        )


def test_a_line_of_nothing_but_names() -> None:
    """Each may be a secret's, with the rest of the line as its value: that is not read each time."""
    text = "key=" * 32_000
    assert REDACTOR.text(text) == text


def test_two_corpora() -> None:
    """All secrets of the first are caught, the lines of the second are spared."""
    assert missed(REDACTOR) == []
    wrong, lines = hit(REDACTOR)
    assert wrong[:5] == []
    assert lines > 100_000


def test_every_rule_has_one_group() -> None:
    """Which is what is hidden; tokens are hidden whole."""
    import re2

    from poller.mapping.secret_patterns import COMMANDS, IN_CONTEXT, TOKENS

    assert {0} == {re2.compile(pattern).groups for pattern in TOKENS}
    assert {1} == {re2.compile(pattern).groups for pattern in (*IN_CONTEXT, *COMMANDS)}


KEY = "-----BEGIN {0}PRIVATE KEY-----\nMIIE\n{1}\n-----END {0}PRIVATE KEY-----"


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
def test_a_private_key_goes_over_its_lines(kind: str) -> None:
    """From its first line to its last."""
    text = "a\n" + KEY.format(kind, "\n".join(["M" * 64] * 20)) + "\nb\n"
    assert REDACTOR.text(text) == "a\n****\nb\n"


def test_a_private_key_in_one_line_or_with_times() -> None:
    """As JSON has it, and as a timestamper writes it."""
    one = KEY.format("", "M" * 64).replace("\n", r"\n")
    assert REDACTOR.text(f'{{"private_key": "{one}"}}') == '{"private_key": "****"}'
    timed = "".join(
        f"[12:00:0{n}] {line}\n" for n, line in enumerate(KEY.format("", "M" * 64).split("\n"))
    )
    assert REDACTOR.text(timed + "[12:00:09] ok\n") == "[12:00:00] ****\n[12:00:09] ok\n"


def test_what_only_looks_like_a_key_hides_little() -> None:
    """A message about keys does not cost the rest of the log."""
    lines = [f"line {n}" for n in range(30)]
    text = "\n".join(["expected -----BEGIN PRIVATE KEY----- here", *lines])
    assert REDACTOR.text(text).split("\n") == ["expected ****", *lines[6:]]


def test_ones_own_patterns_and_names() -> None:
    """Added to the built-in ones, with RE2's syntax."""
    redactor = Redactor(["*session*"], ["corp-[0-9a-f]{4}", "(?i)badge (?P<number>[0-9]+)"])
    assert redactor.is_secret_name("MY_SESSION_ID")
    assert not redactor.is_secret_name("ENV")
    assert redactor.text("x corp-beef y Badge 17") == "x **** y ****"


def test_known_values_are_hidden_as_they_are_and_in_urls() -> None:
    """But not what is too short or too plain to be told from words."""
    values = known_values(["p@ss w0rd!", "abc", "true", "first line\nsecond line"])
    text = "a p@ss w0rd! b p%40ss%20w0rd%21 abc true second line"
    assert REDACTOR.with_values(values).text(text) == "a **** b **** abc true ****"


def test_a_pattern_that_backtracks_for_ever_does_not() -> None:
    """RE2 takes linear time: Python's own engine would not be done today."""
    assert Redactor(patterns=["(a+)+$"]).text("a" * 50_000 + "b") == "a" * 50_000 + "b"


@given(
    st.lists(
        st.sampled_from(
            [
                "password=hunter2",
                "ok",
                "",
                "é日本",
                KEY.format("RSA ", "M" * 64),
                "https://a:b@c/d",
                "MIIE",
            ]
        ),
        max_size=12,
    ),
    st.data(),
)
def test_parts_are_redacted_as_the_whole_is(lines: list[str], data: st.DataObject) -> None:
    """However a text of whole lines is split: private keys span parts."""
    raw = [line.encode() + b"\n" for text in lines for line in text.split("\n")]
    whole = RedactingStream(REDACTOR).feed(b"".join(raw))
    stream, out = RedactingStream(REDACTOR), b""
    while raw:
        count = data.draw(st.integers(1, len(raw)))
        out += stream.feed(b"".join(raw[:count]))
        raw = raw[count:]
    assert whole == out
    assert b"hunter2" not in out
    assert b"M" * 64 not in out


@pytest.mark.parametrize(
    "text",
    [text for text, shown in CAUGHT if "\n" in text and text != shown],
)
def test_the_value_may_come_in_the_next_part(text: str) -> None:
    """A log comes line by line."""
    stream, whole = RedactingStream(REDACTOR), f"one\n{text}\ntwo\n"
    lines = whole.encode().splitlines(keepends=True)
    masked = b"".join(map(stream.feed, lines)).decode()
    assert "hunter2" not in masked
    assert masked.startswith("one\n")
    assert masked.endswith("\ntwo\n")
    assert masked.count("\n") == len(lines)
