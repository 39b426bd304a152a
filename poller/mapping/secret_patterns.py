"""What a secret looks like in a text, as regular expressions of RE2; each hides its one group.

The token formats are the facts of gitleaks' rule set (github.com/gitleaks/gitleaks,
config/gitleaks.toml, read at commit b58d3f1) and of the issuers' own pages, written anew and
looser: hiding too much costs a word, hiding too little a key. Jenkins' own formats are those of its
core (hudson.util.Secret, jenkins.security.ApiTokenProperty).

No rule has much text before its group: what it passes over there is not read again.
"""

from __future__ import annotations

import itertools
import re
from functools import lru_cache

TOKENS = (
    r"\b(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}",  # AWS access key ids
    r"ABSK[\w+/]{100,}={0,2}",  # Amazon Bedrock
    r"gh[opsur]_[0-9A-Za-z]{36,}",  # GitHub
    r"github_pat_\w{22,}",
    r"\bgl(?:pat|cbt|dt|ft|imt|agent|oas|ptt|rt|soat|ffct)-[\w.-]{20,}",  # GitLab
    r"GR1348941[\w-]{20,}",
    r"xox[abceoprs](?:\.xox[bp])?-[\w-]{10,}",  # Slack
    r"xapp-\d-[\w-]{10,}",
    r"\bAIza[\w-]{35,}",  # Google
    r"\bya29\.[\w-]{20,}",
    r"\bGOCSPX-[\w-]{20,}",
    r"\bnpm_[0-9A-Za-z]{36,}",
    r"pypi-AgEI[\w-]{50,}",
    r"\brubygems_[0-9a-f]{48}",
    r"\bdckr_[a-z]{2,4}_[\w-]{20,}",  # Docker Hub
    r"\bhv[bs]\.[\w-]{24,}",  # HashiCorp Vault
    r"\.atlasv1\.[\w=-]{60,}",  # Terraform Cloud
    r"\bAKCp[0-9A-Za-z]{60,}",  # Artifactory
    r"\bcmVmd[0-9A-Za-z]{59}",
    r"\bATATT3[\w=-]{100,}",  # Atlassian
    r"\bsq[apu]_[0-9a-f]{40}",  # SonarQube
    r"\bdo[opr]_v1_[0-9a-f]{64}",  # DigitalOcean
    r"\bdapi[0-9a-f]{32}",  # Databricks
    r"\bgl(?:c|sa)_[\w+/]{32,}",  # Grafana
    r"\b[rs]k_(?:live|prod|test)_[0-9A-Za-z]{10,}",  # Stripe
    r"\bSG\.[\w-]{16,}\.[\w-]{32,}",  # SendGrid
    r"\bsk-(?:ant|proj|svcacct|admin)-[\w-]{20,}",  # Anthropic, OpenAI
    r"\bhf_[A-Za-z]{34}",  # Hugging Face
    r"AGE-SECRET-KEY-1[0-9A-Z]{58}",
    r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}(?:\.[\w-]*)?",  # JSON Web Tokens: RFC 7519
    r"\{AQAA[\w+/]{20,}={0,2}\}",  # Jenkins' encrypted secrets
    r"\b11[0-9a-f]{32}\b",  # Jenkins' API tokens
)
"""Whole tokens, known by their form."""

_IS = r"\\?[\"']?[ \t]*(?::=|=>|[:=])[ \t]*\\?"
_BARE = r"([^\s'\"&,;\\:=][^\s'\"&,;\\]*)"
_SCHEME = r"(?:(?i:basic|bearer|digest|negotiate)[ \t]{1,3})?"
_BLOCK = r"(?:[|>][+-]?\n[ \t]+)?"
"""The next line is the value, in YAML."""

VALUES = (rb"[^\"\n]+", rb"[^'\n]+", rb"[^\s'\"&,;\\]+")
"""What may follow a name and a sign: in quotes of either kind, or bare."""

_VALUE = rf"(?:\"([^\"\n])|'([^'\n])|{_BLOCK}{_SCHEME}([^\s'\"&,;\\:=]))"
"""How one begins. All of it is only read where it is a secret: a line may be nothing but names."""

NAME_WORDS = (
    "pass", "psw", "pwd", "pw", "secret", "token", "cred", "key", "auth", "jwt", "otp", "pin",
    "kennwort",
)  # fmt: skip
"""What the name of a secret has in it somewhere, and many another name, too."""

AND_VALUE = rf"[\w.-]*){_IS}{_VALUE}"
"""name=value, name: value, "name": "value", also escaped in JSON; before it goes a group with a
word. Whether the name is a secret's is for :func:`is_secret_name` to say."""

BASIC = r"\b(?i:basic)[ \t]{1,3}([A-Za-z0-9+/]{6,}={0,2})"
"""HTTP's Basic, where that is what the value is."""

ORACLE = r"\b[\w$#]+/([^\s/@'\":,;]{6,})@[A-Za-z][\w-]*\b"
"""Oracle's user/password@service, where the password is no word."""

_OPTION = (
    r"(?i:passw(?:or)?d|passwort|passphrase|psw|secret|token"
    r"|(?:api|access|private|secret|account|signing|encryption)[ _-]?key)"
)
_GAP = r"(?:[\"']?,[ \t]{0,3}|[ \t]{1,3}(?:\\\n[ \t]*)?)"
"""Between an option and its value: on a command line, in the next line of one, or in a list."""

IN_CONTEXT = (
    # https://user:password@host, and a long user alone, which is a token
    r"://([^\s/'\"]*:[^\s/'\"]*)@",
    r"://([^\s/:@'\"]{20,})@",
    # HTTP headers, to the end of the line or the quote
    r"(?i:authorization)[\"']?[ \t]{0,3}[:=][ \t]{0,3}[\"']?"
    r"(?i:(?:basic|bearer|token|digest|negotiate|apikey)[ \t]{1,3})?([^'\"\n]+)",
    r"(?i:\bbearer)[ \t]{1,3}([\w.~+/=-]{16,})",
    r"(?i:\b(?:set-)?cookie)[\"']?[ \t]{0,3}:[ \t]{0,3}[\"']?([^'\"\n]+)",
    # a key whose name is two words
    r"(?i:\b(?:api|access|private|secret|account|encryption)[ ]key|x-jfrog-art-api)"
    + _IS
    + r"[\"']?"
    + _BARE,
    # --token value, -DdbPassword value, -storepass value, -passin pass:value
    r"--?[\w.-]{0,40}" + _OPTION + _GAP + r"[\"']?" + _BARE,
    r"-(?i:[\w-]*(?:storepass|keypass)|-[\w-]*(?:pass|pwd)|\bpw)" + _GAP + r"[\"']?"
    r"([^\s'\"&,;\\-][^\s'\"&,;\\]*)",
    # ENV DB_PASSWORD value, npm config set ...:_authToken value, u:value@tcp(db:3306)
    r"\b(?:ENV|setenv|set -g?x) +\w{0,40}" + _OPTION + r" +[\"']?" + _BARE,
    r"\bconfig(?:ure)? set [^\n]{0,80}?" + _OPTION + r" +[\"']?" + _BARE,
    r"\b[\w-]+:([^\s@'\":/]+)@(?:tcp|unix)\(",
    # name: DB_PASSWORD, value: value, in the same line or the next; JSON, YAML, XML
    r"(?i:\b(?:name|key))\\?[\"']?[ \t]{0,3}[:=][ \t]{0,3}\\?[\"']?[\w.-]{0,40}"
    + _OPTION
    + r"(?:[_-]?\d{1,2})?\\?[\"']?,?\s{1,40}\\?[\"']?(?i:value)"
    + _IS
    + r"[\"']?([^\s'\"<>\\]+)",
    r"_(?:PAT|pat)" + _IS + r"[\"']?([\w.~+/=-]{20,})",
    r"-pass(?:in|out)?[ =]{1,3}[\"']?pass:([^\s'\"]+)",
    r"--from-literal[ =][\"']?[\w.-]+=([^\s'\"]+)",
    # <password>value</password>
    r"<[\w:.-]{0,40}" + _OPTION + r"(?:[ \t][^<>\n]{0,80})?>([^<\s]+)",
    # .npmrc, .docker/config.json, signed URLs, Sonar
    r"\b_auth[ \t]{0,3}=[ \t]{0,3}[\"']?" + _BARE,
    r"\"auth\"[ \t]{0,3}:[ \t]{0,3}\"([^\"\n]+)",
    r"(?:[?&](?:sig|[Ss]ignature)|\bX-(?:Amz|Goog)-Signature)=([\w%+/=~-]{16,})",
    r"dockerconfigjson[\"']?:[ \t]{0,3}[\"']?([\w+/=]{8,})",
    r"\blogin[ \t]+[^\s]+[ \t]+password[ \t]+([^\s]+)",
    r"[?&]key=([\w%+/=~-]{20,})",
    r"sonar\.login=([^\s'\"]+)",
    # chat webhooks: Slack, Teams, Discord, Telegram, Mattermost, Feishu
    r"hooks\.slack\.com/[a-z]{4,12}/([\w/+]{20,})",
    r"\boffice\.com/webhook(?:b2)?/([\w@/-]{20,})",
    r"\bdiscord(?:app)?\.com/api/webhooks/(\d+/[\w-]{20,})",
    r"\bapi\.telegram\.org/bot(\d+:[\w-]{20,})",
    r"/hooks/([a-z0-9]{26})\b",
    r"/open-apis/bot/v2/hook/([\w-]{20,})",
    # Oracle's user/password@host
    r"\b[\w$#]+/([^\s/@'\":]+)@(?://)?[\w.-]+:\d{2,5}(?:[/:\s'\"]|$)",
    r"(?:^|[\s\"'=])[\w$#]+/([^\s/@'\".]{4,})@(?://)?[A-Za-z][\w-]*(?:\.[\w-]+)*\.[A-Za-z]{2,}\b",
    r"(?i:\b(?:\w*[_.-])?(?:ora|oracle|db|database|conn|connect|connection|dsn|tns|jdbc)\w*)[\"']?"
    r"[ \t]{0,3}[:=][ \t]{0,3}[\"']?[\w$#]+/([^\s/@'\":]+)@",
    r"\b(?:sqlplus|sqlldr|expdp|impdp|rman|oracle:thin:)[^\n@]{0,80}?[\w$#]/([^\s/@]+)@",
)
"""Secrets known by what stands before them. The first that begins counts."""

COMMANDS = (
    r"\bcurl\b[^\n]*?\s[\"']?(?:-[A-Za-z]{0,6}[uU]|--(?:proxy-)?user)(?:[\"'],)?[ =]?[\"']?"
    r"([^\s:'\"]*:[^\s'\"]+)",
    r"\bhttps? [^\n]*?(?:-a|--auth)[ =][\"']?([^\s:'\"]*:[^\s'\"]+)",
    r"\blftp\b[^\n]*?\s-u[ ]?[\"']?[^\s,'\"]+,([^\s'\"]+)",
    r"\bsmbclient\b[^\n]*?\s-U[ ]?[\"']?[^\s%'\"]+%([^\s'\"]+)",
    r"\bwget\b[^\n]*?\s--(?:http-|ftp-)?password[ =][\"']?([^\s'\"]+)",
    r"\b(?:docker|podman|helm registry|oras|buildah|skopeo|oc|cf) login\b[^\n]*?\s-p[ =]?[\"']?"
    r"([^\s'\"]+)",
    r"\b(?:twine upload|mongo[a-z]{0,9}|7z[a-z]?|(?:un)?rar) (?:[^\n|;&]*? )?-p[ =]?[\"']?"
    r"([^\s'\"]+)",
    r"\b(?:sqlcmd|bcp|osql|isql|(?:un)?zip) (?:[^\n|;&]*? )?-P +[\"']?([^\s'\"]+)",
    r"\b(?:cargo login|vault login|snyk auth) +([^\s'\"=-][^\s'\"=]{7,})",
    r"\bsshpass[ \t]+-p[ \t]{0,3}[\"']?([^\s'\"]+)",
    r"\b(?:mysql|mariadb)[a-z-]{0,20}\b[^\n|;]*?\s-p[\"']?([^\s'\"]+)",
    r"\bredis-cli\b[^\n|;]*?\s-a[ =]?[\"']?([^\s'\"]+)",
    r"\bldap[a-z]{3,10}\b[^\n|;]*?\s-w[ =]?[\"']?([^\s'\"]+)",
    r"\baz login\b[^\n]*?\s-p[ =]?[\"']?([^\s'\"]+)",
)
"""Options of known commands; looked for after all else is hidden."""

KEY_BEGIN = rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
KEY_END = rb"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
"""RFC 7468, and OpenPGP's armour."""

KEY_LINE = rb"[A-Za-z0-9+/=]{40}"
PLAIN_LINES = 6
"""Lines in a row, other than the key's own and its headers, after which it was no key."""

# Names: one list, for parameters and for names in a text, by their parts in whatever style they
# are written: DB_PASS, dbPass, db-pass. So KEYBOARD has no key in it, and AUTHOR no auth.

STRONG = (
    "password", "passwd", "passwort", "passphrase", "passcode", "secret", "secrets", "token",
    "credential", "credentials", "creds", "apikey", "accesskey", "privatekey", "secretkey",
    "signingkey", "encryptionkey", "authkey",
)  # fmt: skip
"""Ends of a part, or of two parts together, that say it whatever comes before them."""

WEAK = frozenset({
    "pass", "pwd", "pw", "psw", "storepass", "keypass", "passkey", "sshpass", "key", "auth", "jwt",
    "otp", "totp", "pin", "cred", "kennwort",
})  # fmt: skip
"""Parts that say it where they come last: words of other things, too."""

PLAIN_WORDS = WEAK - {"pwd", "psw"} | {"credential", "credentials", "creds", "secrets"}

STILL = frozenset({
    "value", "data", "text", "plain", "raw", "string", "base64", "b64", "new", "old", "prod",
    "production", "live", "dev", "test", "qa", "stage", "staging", "primary", "secondary", "backup",
})  # fmt: skip
"""Parts after a weak one that leave it last."""

ABOUT = frozenset({
    "age", "algorithm", "algo", "class", "count", "counter", "dir", "directory", "duration",
    "enabled", "disabled", "endpoint", "exists", "expires", "expiration", "expiry", "field", "file",
    "filename", "folder", "format", "host", "id", "ids", "index", "kind", "label", "len", "length",
    "level", "lifetime", "limit", "list", "location", "max", "min", "manager", "method", "mode",
    "name", "names", "namespace", "number", "path", "plugin", "policy", "port", "prefix",
    "provider", "rate", "ref", "reference", "region", "required", "reset", "rotation", "scope",
    "server", "service", "size", "status", "store", "strategy", "suffix", "threshold", "timeout",
    "ttl", "type", "uri", "url", "usage", "user", "username", "validity", "vault", "version",
})  # fmt: skip
"""Last parts of names that speak about a secret and hold none."""

NOT_ABOUT = frozenset({("secret", "id"), ("token", "id")})
"""Vault's secret_id is a secret."""

KEY_OF = frozenset({
    "public", "pub", "primary", "foreign", "partition", "sort", "cache", "composite", "unique",
    "project", "issue", "jira", "row", "group", "routing", "route", "idempotency", "registry",
    "object", "s3", "bucket", "lookup", "translation", "message", "i18n", "config", "property",
    "map", "json", "header", "tag", "label", "annotation", "index", "shard", "event", "metric",
    "feature", "flag", "hot", "short", "any", "first", "last", "next", "no", "missing", "duplicate",
    "unknown", "invalid", "artifact", "job", "build", "branch", "component", "locale", "sonar",
})  # fmt: skip
"""Parts before ``key`` that make it no secret."""

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether what is called so is hidden."""
    parts = [part.lower() for part in _PARTS.findall(name)]
    pairs = [a + b for a, b in itertools.pairwise(parts)]
    for place, part in enumerate(parts):
        if part.endswith(STRONG):
            if not _speaks_about(part, parts[place + 1 :]):
                return True
        elif place < len(pairs) and pairs[place].endswith(STRONG) and part not in KEY_OF:
            if not _speaks_about(pairs[place], parts[place + 2 :]):
                return True
        elif (
            part in WEAK
            and STILL.issuperset(parts[place + 1 :])
            and not (part == "key" and place and parts[place - 1] in KEY_OF)
        ):
            return True
    return False


def is_plain_word(name: str) -> bool:
    """Whether the name is a weak word alone: in a text it needs more to be a secret's."""
    return name.lower().strip("-_.") in PLAIN_WORDS


def _speaks_about(part: str, after: list[str]) -> bool:
    return bool(after) and after[-1] in ABOUT and (part, after[-1]) not in NOT_ABOUT
