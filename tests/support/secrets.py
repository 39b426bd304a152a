"""Texts with secrets, made up."""

from __future__ import annotations

JWT = "ey" + "JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"


A36, HEX = "a1B2" * 9, "0123456789abcdef"


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
