"""What a secret looks like in a text, as regular expressions of RE2; each hides its one group.

The token formats are the facts of gitleaks' rule set (github.com/gitleaks/gitleaks,
config/gitleaks.toml, read at commit b58d3f1) and of the issuers' own pages, written anew and
looser: hiding too much costs a word, hiding too little a key. Jenkins' own formats are those of its
core (hudson.util.Secret, jenkins.security.ApiTokenProperty).

No rule has much text before its group: what it passes over there is not read again.
"""

from __future__ import annotations

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

_WORD = (
    r"(?i:passw(?:or)?d|passwort|passphrase|psw|secret|token|(?:api|access|private|secret|account"
    r"|signing|encryption)[ _-]?key)"
)
_IS = r"\\?[\"']?[ \t]{0,3}(?::=|=>|[:=])[ \t]{0,3}\\?"
_BARE = r"([^\s'\"&,;\\]+)"

IN_CONTEXT = (
    # https://user:password@host, and a long user alone, which is a token
    r"://([^\s/'\"]*:[^\s/'\"]*)@",
    r"://([^\s/:@'\"]{20,})@",
    # HTTP headers, to the end of the line or the quote
    r"(?i:authorization)[\"']?[ \t]{0,3}[:=][ \t]{0,3}[\"']?"
    r"(?i:(?:basic|bearer|token|digest|negotiate|apikey)[ \t]{1,3})?([^'\"\n]+)",
    r"(?i:\bbearer)[ \t]{1,3}([\w.~+/=-]{16,})",
    r"(?i:\b(?:set-)?cookie)[\"']?[ \t]{0,3}:[ \t]{0,3}[\"']?([^'\"\n]+)",
    # name=value, name: value, "name": "value", also escaped in JSON
    _WORD + _IS + r"\"([^\"\n]+)",
    _WORD + _IS + r"'([^'\n]+)",
    _WORD + _IS + _BARE,
    # PWD=/some/where is where a shell is
    r"(?i:pwd)" + _IS + r"[\"']?([^\s'\"&,;\\/][^\s'\"&,;\\]*)",
    # --token value, -DdbPassword value
    r"--?[\w.-]{0,40}" + _WORD + r"[ \t]{1,3}[\"']?" + _BARE,
    # <password>value</password>
    r"<[\w:.-]{0,40}" + _WORD + r">([^<\s]+)",
    # .npmrc, .docker/config.json, Azure's shared access signatures, Sonar, Slack's web hooks
    r"\b_auth[ \t]{0,3}=[ \t]{0,3}[\"']?" + _BARE,
    r"\"auth\"[ \t]{0,3}:[ \t]{0,3}\"([^\"\n]+)",
    r"[?&]sig=([\w%+/=-]{16,})",
    r"sonar\.login=([^\s'\"]+)",
    r"hooks\.slack\.com/[a-z]{4,12}/([\w/+]{20,})",
)
"""Secrets known by what stands before them. The first that begins counts."""

COMMAND_WORDS = (b"curl", b"login", b"sshpass", b"wget")
COMMANDS = (
    r"\bcurl\b[^\n]*?\s(?:-u|--user)[ =]?[\"']?([^\s:'\"]*:[^\s'\"]+)",
    r"\bwget\b[^\n]*?\s--(?:http-|ftp-)?password[ =][\"']?([^\s'\"]+)",
    r"\b(?:docker|podman|helm registry|oras|buildah|skopeo) login\b[^\n]*?\s-p[ =]?[\"']?"
    r"([^\s'\"]+)",
    r"\bsshpass[ \t]+-p[ \t]{0,3}[\"']?([^\s'\"]+)",
)
"""Options of known commands; looked for where one of the words is, after all else is hidden."""

KEY_BEGIN = rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
KEY_END = rb"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
"""RFC 7468, and OpenPGP's armour."""

KEY_LINE = rb"[A-Za-z0-9+/=]{40}"
PLAIN_LINES = 6
"""Lines in a row, other than the key's own and its headers, after which it was no key."""
