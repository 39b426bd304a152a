"""What the table of every server has: how to reach it, and what it asks for."""

from __future__ import annotations

from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator

from poller.config.types import (
    Address,
    HeaderName,
    Interval,
    Name,
    Proxy,
    SecretSource,
    Table,
    exactly_one,
)
from poller.core.urls import goes_in_clear


class ServerConfig(Table):
    """How to reach a server, and where the secret is that it asks for.

    In the file ``secret_env`` is called ``token_env``, or ``api_key_env``.
    """

    url: Address
    secret_env: Name | None = Field(None, description="Environment variable that holds the secret.")
    secret_file: Name | None = Field(None, description="File that holds the secret.")
    secret_credential: Name | None = Field(None, description="systemd credential, the secret.")
    timeout: Interval = Field(30_000, description="The longest wait for one whole answer.")
    ca_file: Name | None = Field(None, description="CA bundle (PEM) to trust instead.")
    client_cert: Name | None = Field(None, description="Client certificate (PEM) for mutual TLS.")
    client_key: SecretSource | None = Field(None, description="Its key (PEM), without a password.")
    headers: dict[HeaderName, SecretSource] = Field(
        {}, description="Headers for what stands before the server; their values are secrets."
    )
    proxy: Proxy | None = Field(None, description="HTTP proxy; default: the environment's.")
    allow_http: bool = Field(
        False, validate_default=True, description="Send the secret over http://, in clear."
    )

    @property
    def base(self) -> str:
        """The URL that all paths begin with."""
        return self.url

    @field_validator("allow_http")
    @classmethod
    def _in_clear(cls, allowed: bool, others: ValidationInfo) -> bool:
        """To this machine a secret may go, but not through a proxy, which may be anywhere."""
        url = others.data.get("url") or "https:"
        if allowed or urlsplit(url).scheme != "http":
            return allowed
        if goes_in_clear(url):
            raise ValueError(
                "over http:// everybody on the way can read the token or key: use https://, or"
                " allow_http = true"
            )
        if others.data.get("proxy") is not None:
            raise ValueError(
                "the proxy can read the token or key for an http:// address: leave it out, or"
                " allow_http = true"
            )
        return allowed

    @field_validator("headers")
    @classmethod
    def _each_once(cls, headers: dict[str, SecretSource]) -> dict[str, SecretSource]:
        if len({name.lower() for name in headers}) < len(headers):
            raise ValueError("the same header twice; upper and lower case are the same")
        return headers

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        exactly_one(self, ("secret_env", "secret_file", "secret_credential"))
        return self

    @model_validator(mode="after")
    def _whole_certificate(self) -> Self:
        if (self.client_cert is None) != (self.client_key is None):
            raise ValueError("client_cert and client_key go together")
        if self.client_key is not None and self.client_key.env is not None:
            raise ValueError("client_key is a file or a credential: OpenSSL reads it from there")
        if self.client_cert is not None and urlsplit(self.url or "https:").scheme == "http":
            raise ValueError("client_cert is for https://")
        return self

    @property
    def secret(self) -> SecretSource:
        """Where the token or key is."""
        return SecretSource(
            env=self.secret_env, file=self.secret_file, credential=self.secret_credential
        )
