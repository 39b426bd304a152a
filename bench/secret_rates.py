"""How many secrets are caught, and how many harmless lines are spared: two made-up corpora.

    python -m bench.secret_rates

A secret is caught where nothing of it is left in the line; a line is spared where it is the same.
Prefixes are joined to their values at run time, or scanners would take this file for a leak.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from bench.corpus import logs
from bench.figure import Figure
from bench.size import Say, Size
from poller.mapping.redaction import Redactor

LOGS = 60
TIMES = 500

NAMES = (
    "password", "DB_PASSWORD", "dbPassword", "db.password", "spring.datasource.password",
    "passwd", "PASSWORT", "passphrase", "GPG_PASSPHRASE", "DB_PW", "DB_PASS", "SMTP_PASS",
    "ansible_become_pass", "CREDS_PSW", "MYSQL_PWD", "secret", "client_secret", "clientSecret",
    "SECRET_KEY", "AWS_SECRET_ACCESS_KEY", "token", "GH_TOKEN", "authToken", "access-token",
    "aws_session_token", "api_key", "X-Api-Key", "apiKey", "APIKEY", "accountKey", "private_key",
    "GPG_KEY", "SSH_KEY", "SIGNING_KEY", "encryptionKey", "STRIPE_KEY", "client-key-data",
    "NPM_AUTH", "_authToken", "DOCKER_CREDS", "SLACK_TOKEN_PROD", "TOKEN_1", "keystorePassword",
    "APP_JWT", "LOGIN_OTP", "CARD_PIN", "VAULT_SECRET_ID",
)  # fmt: skip
FORMS = (
    "{name}={value}", "export {name}={value} && make", "{name}: {value}", "{name} = {value}",
    '{name}="{value}"', "{name}='{value}'", '{{"{name}": "{value}", "x": 1}}',
    '{{\\"{name}\\":\\"{value}\\"}}', "+ env {name}={value} ./deploy.sh", "{name} => '{value}'",
    "-D{name}={value}", "--{name}={value}", "docker run -e {name}={value} app:7",
    "https://h.example.com/a?{name}={value}&x=1", "[12:00:01] {name}:  {value}",
    "\x1b[33m{name}\x1b[0m={value}",
)  # fmt: skip
PLAIN = (
    "curl -sS -u bob:{value} https://h", "curl -H 'Authorization: Bearer {value}' https://h",
    "Authorization: Basic {basic}", "sent header Basic {basic} to proxy", "AUTH=Basic {basic}",
    "git clone https://bob:{value}@git.example.com/x.git", "mysql -u root -p{value} shop",
    "mysqldump --single-transaction -p'{value}' shop", "docker login -u bob -p {value} registry",
    "openssl pkcs12 -in a.p12 -passin pass:{value} -nodes", "keytool -list -storepass {value} -v",
    "kubectl create secret generic s --from-literal=k={value}", "sshpass -p {value} ssh h",
    "sqlplus scott/{value}@orcl @deploy.sql", "DSN=scott/{value}@db.example.com:1521/XE",
    "DB_CONNECTION=scott/{value}@orcl", "machine h login bob password {value}",
    "jdbc:oracle:thin:scott/{value}@db:1521:XE", "deploy --token {value} -v",
    "helm upgrade --set db.password={value} app", "<password>{value}</password>",
    "redis-cli -h r -a {value} ping", "psql postgres://app:{value}@db:5432/x",
    "https://s3.example.com/o?X-Amz-Signature={hex}", "https://h/o?sv=1&sig={hex}",
    "https://hooks.slack.com/services/T01/B02/{hex}", "Set-Cookie: session={value}; Path=/",
    "https://acme.webhook.office.com/webhookb2/{hex}", '{{"auths": {{"r": {{"auth": "{basic}"}}}}}}',
    "https://discord.com/api/webhooks/123456/{hex}", "//registry.npmjs.org/:_authToken={value}",
    "https://chat.googleapis.com/v1/spaces/A/messages?key={hex}",
    "https://api.telegram.org/bot123456:{hex}/send", '{{"user": "bob", "pass": "{value}"}}',
    "use {github} now", "use {gitlab} now", "use {aws} now", "use {slack} now", "use {jwt} now",
)  # fmt: skip
VALUES = (
    "hunter2",
    "S3cr3t-Pa55",
    "correct.horse9",
    "x7/Kq+9aZ==",
    "0123456789abcdef",
    "Tr0ub4dor!3",
)

HARMLESS = (
    "KEYBOARD=qwerty MONKEY=banana", "PINNED_VERSION={n}.{n}", "AUTHOR=bob <bob@example.com>",
    "KEY_COUNT={n}", "GIT_COMMIT={hex40}", "Checking out Revision {hex40} (origin/main)",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{hex40} bob@host", "SSH_PUBLIC_KEY=ssh-rsa-{hex40}",
    "TOKENIZER={word}", "max_tokens={n} prompt_tokens: {n}", "SECRETS_NAMESPACE={word}",
    "GIT_CREDENTIALS_ID={word}-bot", "using credential {word}-app", "credentialsId: {word}-creds",
    "Cache restored from key: linux-{hex40}", "cache-key: linux-{word}-{n}",
    "-Dsonar.projectKey={word}_app", "PASS: test_{word}", "pass: {n}, fail: {n}, skip: {n}",
    "{n} passed, {n} failed in {n}.12s", "--- PASS: Test{word} (0.0{n}s)", "first_pass={n}",
    "[Pipeline] withCredentials", "Masking supported pattern matches of $TOKEN or $PASSWORD",
    "password=$DB_PASSWORD make {word}", "token: ${{GH_TOKEN}}", "password: null", "secret=true",
    "PWD=/home/jenkins/workspace/{word}", "uses: actions/checkout@v{n}", "auth: required",
    "go: downloading github.com/pkg/errors v0.{n}.1", "require github.com/{word}/x@v1.{n}.0",
    "FROM registry.example.com/{word}/nginx@sha256:{hex40}{hex40}", "Author: {word}",
    "git@github.com:acme/{word}.git", "https://github.com/acme/{word}.git", "id={hex40}",
    "user {word} authenticated", "authentication: disabled", "Authorizing {word}",
    "Basic authentication is off", "Bearer of bad news", "primary key: id", "foreign_key={word}_id",
    "unknown key: {word}", "KeyError: '{word}'", "keystore: /etc/{word}.jks", "PasswordEncoder {word}",
    "org.springframework.security.crypto.password.PasswordEncoder", "passwords={n}",
    'resource "aws_secretsmanager_secret" "{word}" {{', "secret/{word} created",
    "kubernetes.io/service-account-token", "secretKeyRef:", "secretName: {word}-tls",
    "Pinging {word}", "pinned: {word}@{n}", "pipeline: {word}", "pin-project: {word}",
    "mapping key {word} to {n}", "hotkey: ctrl+{word}", "keyframes: {n}", "otp_release: {n}",
    "erlang/otp: {n}", "mysql -P 3306 -h db", "npm WARN deprecated {word}@{n}.0.0",
    "tests/test_password_reset.py::test_{word} PASSED", "compass: {word}", "bypass={word}",
    "encryption: AES256", "signing: enabled", "accept-key-type: rsa", "SESSION={word}",
    "http://localhost:8080/a/b@c", "mail to bob@example.com", "{word}/{word}@{word}",
    "Step {n}/{n} : RUN make {word}", "password-policy: strict", "token_type: bearer",
    "api-version: {n}", "x-amz-request-id: {hex40}", "expires_in: {n}", "ETag: {hex40}",
    "secrets: inherit", "credentials: {word}", "otp: {n}", "pin: {n}", "actions/{word}@main",
    "HTTP/host.example.com@REALM.COM", "gpg: using RSA key {hex40}",
)  # fmt: skip


def secrets() -> Iterator[tuple[str, str]]:
    """A line with a secret in it, and the secret."""
    for name in NAMES:
        for form in FORMS:
            for value in VALUES:
                yield form.format(name=name, value=value), value
    long = {
        "hex": "0123456789abcdef" * 2, "basic": "Ym9iOmh1bnRlcjI=", "github": "ghp" + "_" + "a1B2" * 9,
        "gitlab": "glp" + "at-abcdefghij0123456789", "aws": "AK" + "IAIOSFODNN7EXAMPLE",
        "slack": "xo" + "xb-1234567890-abcdefABCDEF", "jwt": "ey" + "JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
    }  # fmt: skip
    for form in PLAIN:
        kind = next((one for one in long if f"{{{one}}}" in form), "")
        for value in [long[kind]] if kind else VALUES[:3]:
            yield form.format(value=value, **long), value


def harmless() -> Iterator[str]:
    """Lines of logs, and lines that look a little like a secret's."""
    for log in logs(LOGS):
        yield from log.split("\n")
    r = random.Random(7)
    for _ in range(TIMES):
        for line in HARMLESS:
            word = r.choice(("shop", "billing", "search", "ledger", "mailer", "frontend"))
            hexed = f"{r.getrandbits(160):040x}"
            yield line.format(n=r.randint(1, 9), word=word, hex40=hexed)


def missed(redactor: Redactor) -> list[str]:
    """What is left of lines whose secret was not caught."""
    return [text for line, secret in secrets() if secret in (text := redactor.text(line))]


def hit(redactor: Redactor) -> tuple[list[str], int]:
    """The harmless lines that were not spared, as they were shown; and how many lines there are."""
    lines = list(harmless())
    return [text for line in lines if (text := redactor.text(line)) != line], len(lines)


def figures(_size: Size, say: Say) -> Iterator[Figure]:
    """Measure; two rows."""
    say("secrets")
    redactor, count = Redactor(), sum(1 for _ in secrets())
    caught = 100 * (1 - len(missed(redactor)) / count)
    yield Figure(f"secrets caught, of {count:,}", [caught], " %", 2, 100, at_most=False)
    wrong, lines = hit(redactor)
    spared = 100 * (1 - len(wrong) / lines)
    yield Figure(f"… harmless lines spared, of {lines:,}", [spared], " %", 3, 99.99, at_most=False)


if __name__ == "__main__":
    shown = Redactor()
    for text in dict.fromkeys([*missed(shown), *hit(shown)[0]]):
        print(text)
