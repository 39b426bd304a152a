"""Which proxy is on the way to a server, and which CAs vouch for it."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

import httpx

from poller.core.errors import ConfigError
from poller.core.known_secrets import remember
from poller.core.urls import is_loopback, without_password

PROXY_FORM = "a proxy is http://host:port; `proxy` of the config goes before the environment"


def proxy_of(url: str, configured: str | None) -> str | None:
    """The proxy on the way to ``url``: the config's, else the environment's. Raises ConfigError."""
    proxy = configured or environment_proxy(url)
    if proxy is not None and (password := urlsplit(proxy).password):
        remember(unquote(password))
        remember(password)
    return proxy


def environment_proxy(url: str) -> str | None:
    """What ``https_proxy`` says, for http addresses ``http_proxy``, but for those in ``no_proxy``,
    as curl reads them, and for loopback, never: nobody else has to see what stays on this machine.

    Raises ConfigError for what is no HTTP proxy.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxy = urllib.request.getproxies_environment().get(parts.scheme)
    bypass: Callable[[str], int] = urllib.request.proxy_bypass_environment  # type: ignore[attr-defined]
    if not proxy or is_loopback(host) or bypass(host):
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    try:
        if urlsplit(proxy).scheme in ("http", "https") and httpx.Proxy(proxy).url.host:
            return proxy
        shown = without_password(proxy)
    except (ValueError, httpx.InvalidURL):
        shown = "what it says"
    raise ConfigError([f"{parts.scheme}_proxy of the environment: {shown} is no proxy"], PROXY_FORM)


Trust: TypeAlias = Callable[[str | None, tuple[str, str] | None], ssl.SSLContext]
"""Gives the context for ``ca_file`` and a client certificate; clients of one program share those
they can."""

CA_FILE_FORM = "ca_file is a readable file of certificates in PEM form"


CLIENT_CERT_FORM = (
    "client_cert is a certificate and client_key its key, files in PEM form without a password"
)


def trust(ca_file: str | None, client_cert: tuple[str, str] | None = None) -> ssl.SSLContext:
    """Whom to believe to be the server: some 25 ms of CPU and 0.8 MiB, for the system's bundle.
    And who we are, where the server asks: the files of ``client_cert`` and its key.

    Raises ConfigError for files that can't be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror or str(error)
        raise ConfigError([f"ca_file: can't use {ca_file}: {reason}"], CA_FILE_FORM) from None
    if client_cert is not None:
        try:
            for path in client_cert:
                Path(path).open("rb").close()  # OpenSSL does not say which of them it can't read
            context.load_cert_chain(*client_cert, password=_no_password)
        except OSError as error:
            files = " with ".join(client_cert)
            reason = error.strerror or str(error)
            raise ConfigError(
                [f"client_cert: can't use {error.filename or files}: {reason}"], CLIENT_CERT_FORM
            ) from None
    return context


def _no_password() -> str:
    """Instead of a prompt."""
    raise ConfigError(["client_key: it is encrypted"], CLIENT_CERT_FORM)
