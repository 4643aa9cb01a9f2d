"""The token of a request: in its Authorization header, or in a browser's cookie."""

from __future__ import annotations

from starlette.requests import HTTPConnection

COOKIE = "autotune_token"


def secret_of(connection: HTTPConnection) -> str:
    """The secret that a request shows; empty if it shows none."""
    scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return secret.strip()
    return connection.cookies.get(COOKIE, "")
