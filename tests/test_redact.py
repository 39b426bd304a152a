"""What is taken for a secret in a text, and what is deliberately left.

The values are made up. Prefixes are joined to them at run time, or scanners would take this file
for a leak.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.redact import Redactor, Stream, known_values

REDACTOR = Redactor()
A36, HEX = "a1B2" * 9, "0123456789abcdef"
JWT = "ey" + "JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"

TOKENS = {
    "AWS access key id": "AK" + "IAIOSFODNN7EXAMPLE",
    "AWS temporary key id": "AS" + "IAIOSFODNN7EXAMPLE",
    "GitHub classic": "ghp" + "_" + A36,
    "GitHub app": "ghs" + "_" + A36,
    "GitHub fine-grained": "github" + "_pat_" + "11ABCDEFG0123456789_" + A36,
    "GitLab personal": "glp" + "at-" + "abcdefghij_0123456789",
    "GitLab routable": "glp" + "at-" + "abcdefghij0123456789abcdefg.01.0a1b2c3d4",
    "GitLab job": "glc" + "bt-64_" + "abcdefghij0123456789",
    "GitLab deploy": "gld" + "t-" + "abcdefghij0123456789",
    "Slack bot": "xo" + "xb-1234567890-1234567890-" + "abcdefABCDEF",
    "Slack app": "xa" + "pp-1-A012-345-" + HEX,
    "Google API key": "AI" + "za" + "SyA-0123456789abcdefghijklmnopqrst_u",
    "Google OAuth token": "ya" + "29.a0AfH6SMBx-" + A36,
    "npm": "np" + "m_" + A36,
    "PyPI": "py" + "pi-AgEIcHlwaS5vcmc" + A36 * 2,
    "Docker Hub": "dc" + "kr_pat_" + "abcdefghij-0123456789ABCDE",
    "Vault": "hv" + "s." + A36 * 3,
    "Stripe": "sk" + "_live_" + "abcdef0123456789",
    "SendGrid": "S" + "G." + "abcdefghij0123456789ab." + A36 + "abcdefg",
    "SonarQube": "sq" + "u_" + "0123456789" * 4,
    "DigitalOcean": "do" + "p_v1_" + HEX * 4,
    "Anthropic": "sk" + "-ant-api03-" + A36,
    "JSON Web Token": JWT,
    "Jenkins API token": "11" + HEX * 2,
    "Jenkins encrypted secret": "{AQ" + "AAABAAAAAQ" + A36 + "=}",
}

CAUGHT = [
    ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic ****"),
    ("> authorization: Bearer abc.def", "> authorization: Bearer ****"),
    ("-H 'Authorization: token abcdef' -v", "-H 'Authorization: token ****' -v"),
    ("{'Authorization': 'Basic dXNlcg=='}", "{'Authorization': 'Basic ****'}"),
    ("Proxy-Authorization: Digest username=\"u\"", "Proxy-Authorization: Digest ****\"u\""),
    ("using Bearer abcdefghij0123456789", "using Bearer ****"),
    ("< Set-Cookie: JSESSIONID=abc; Path=/", "< Set-Cookie: ****"),
    ("https://bob:s3cret@git.example.com/x.git", "https://****@git.example.com/x.git"),
    ("https://bob:p@ss@git.example.com/x", "https://****@git.example.com/x"),
    ("https://abcdefghij0123456789@github.com/x", "https://****@github.com/x"),
    ("jdbc:postgresql://app:pw@db:5432/x", "jdbc:postgresql://****@db:5432/x"),
    ("password=hunter2", "password=****"),
    ("PASSWORD: hunter2", "PASSWORD: ****"),
    ("DB_PASSWORD=hunter2 make", "DB_PASSWORD=**** make"),
    ("CREDS_PSW=hunter2", "CREDS_PSW=****"),
    ("spring.datasource.password = hunter2", "spring.datasource.password = ****"),
    ('password="two words" x', 'password="****" x'),
    ("password='two words' x", "password='****' x"),
    ('{"client_secret": "abc", "x": 1}', '{"client_secret": "****", "x": 1}'),
    (r'{\"password\":\"abc\"}', r'{\"password\":\"****"}'),
    ("{:password=>'abc'}", "{:password=>'****'}"),
    ("AWS_SECRET_ACCESS_KEY=wJalrXUtn/K7MDENG", "AWS_SECRET_ACCESS_KEY=****"),
    ("aws_session_token = FwoGZX", "aws_session_token = ****"),
    ("AccountKey=abc==;EndpointSuffix=x", "AccountKey=****;EndpointSuffix=x"),
    ("x-api-key: abc", "x-api-key: ****"),
    ("PRIVATE-TOKEN: abc", "PRIVATE-TOKEN: ****"),
    ("//registry.npmjs.org/:_authToken=abc", "//registry.npmjs.org/:_authToken=****"),
    ("_auth=dXNlcjpw", "_auth=****"),
    ('"auth": "dXNlcjpw"', '"auth": "****"'),
    ("https://h/a?token=abc&x=1", "https://h/a?token=****&x=1"),
    ("https://h/a?sv=1&sig=abcdefghij%2B0123456789&x=1", "https://h/a?sv=1&sig=****&x=1"),
    ("--token abc -v", "--token **** -v"),
    ("--password 'hunter2' -v", "--password '****' -v"),
    ("-PmavenPassword=hunter2 build", "-PmavenPassword=**** build"),
    ("-Dsonar.login=abc", "-Dsonar.login=****"),
    ("<password>hunter2</password>", "<password>****</password>"),
    ("curl -sS -u bob:hunter2 https://h", "curl -sS -u **** https://h"),
    ("curl -H 'X-Token: abc' -u 'bob:hunter2'", "curl -H 'X-Token: ****' -u '****'"),
    ("docker login -u bob -p hunter2 reg", "docker login -u bob -p **** reg"),
    ("sshpass -p hunter2 ssh h", "sshpass -p **** ssh h"),
    ("https://hooks.slack.com/services/T01/B02/" + A36, "https://hooks.slack.com/services/****"),
    ("OLDPWD=/var/x pwd=hunter2", "OLDPWD=/var/x pwd=****"),
    ("Unexpected token: x", "Unexpected token: ****"),  # too much, and known to be
]  # fmt: skip

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


def test_every_rule_has_one_group() -> None:
    """Which is what is hidden; tokens are hidden whole."""
    import re2

    from poller.secret_patterns import COMMANDS, IN_CONTEXT, TOKENS

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
    assert redactor.hides("MY_SESSION_ID")
    assert not redactor.hides("ENV")
    assert redactor.text("x corp-beef y Badge 17") == "x **** y ****"


def test_known_values_are_hidden_as_they_are_and_in_urls() -> None:
    """But not what is too short or too plain to be told from words."""
    values = known_values(["p@ss w0rd!", "abc", "true", "first line\nsecond line"])
    text = "a p@ss w0rd! b p%40ss%20w0rd%21 abc true second line"
    assert REDACTOR.text(text, values) == "a **** b **** abc true ****"


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
    whole = Stream(REDACTOR).feed(b"".join(raw))
    stream, out = Stream(REDACTOR), b""
    while raw:
        count = data.draw(st.integers(1, len(raw)))
        out += stream.feed(b"".join(raw[:count]))
        raw = raw[count:]
    assert whole == out
    assert b"hunter2" not in out
    assert b"M" * 64 not in out
