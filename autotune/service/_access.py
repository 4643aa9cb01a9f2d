"""Which token a request has, and whether it may do what it asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import HTTPException
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.requests import Request

from autotune.service._login import COOKIE, secret_of
from autotune.service._tokens import Scope, Token, Tokens

BEARER = HTTPBearer(auto_error=False, description="A token that `autotune token` made.")
_COOKIE = APIKeyCookie(name=COOKIE, auto_error=False, description="The same token, set by the login page.")


class Access:
    """Finds the token of a request."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def find(self, secret: str) -> Token | None:
        """The token with that secret."""
        return self._tokens.find(secret) if secret else None

    def needs(self, scope: Scope) -> Callable[..., Any]:
        """A dependency: the request's token, which has ``scope``. 401 without a token, 403 without the scope."""

        def token(request: Request) -> Token:
            found = self.find(secret_of(request))
            if found is None:
                raise HTTPException(401, "no valid token", {"WWW-Authenticate": "Bearer"})
            if not found.may(scope):
                raise HTTPException(403, f"token {found.name!r} lacks the scope {scope.value!r}")
            return found

        return token

    @property
    def schemes(self) -> list[Any]:
        """What OpenAPI says of tokens."""
        return [BEARER, _COOKIE]
