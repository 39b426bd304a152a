"""What it means that a server's certificate is not trusted, and the cure."""

from __future__ import annotations

import ssl

EXPIRED, NOT_YET, WRONG_NAME, WRONG_ADDRESS = 10, 9, 62, 64
"""OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED, _NOT_YET_VALID, _HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH;
what else goes wrong with a certificate is about who signed it."""


def untrusted(error: ssl.SSLCertVerificationError, ca_file: str | None = None) -> tuple[str, str]:
    """What was seen, and the cure. ``ca_file`` is the one of the config, where known."""
    saw = f"TLS: {error.verify_message.strip().rstrip('.')}"
    match error.verify_code:
        case code if code == EXPIRED:
            return saw, "have the certificate renewed, there; is this machine's clock right?"
        case code if code == NOT_YET:
            return saw, "is this machine's clock right?"
        case code if code in (WRONG_NAME, WRONG_ADDRESS):
            return saw, "put the name that the certificate is for into the url"
    if ca_file:
        return saw, f"is {ca_file} the CA that signed it?"
    return saw, "name the CA that signed it: ca_file = its certificate in PEM form"
