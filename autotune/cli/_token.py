"""``autotune token``: a token for the service."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from autotune.cli._serve import import_service
from autotune.errors import UsageError
from autotune.request import Panel, Request, option

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")


@dataclass(frozen=True, kw_only=True)
class _Token(Request):
    """Whom a token is for, and what it may do."""

    name: str = option("", "NAME", "Whom the token is for.", panel=Panel.ADDRESS, argument=True)
    tenant: str | None = option(None, "TENANT", "Team whose jobs it sees; NAME by default.", panel=Panel.ADDRESS)
    scopes: str = option(
        "read,submit", "SCOPE[,SCOPE]", "What it may do: read, submit, metrics, admin.", panel=Panel.ADDRESS
    )
    tokens: str = option("tokens.yaml", "FILE", "File that the token is added to.", panel=Panel.ADDRESS)


REQUEST = _Token


def execute(request: _Token) -> None:
    """Adds the token and prints its secret."""
    service = import_service()
    for what, text in (("NAME", request.name), ("--tenant", request.tenant or request.name)):
        if not _NAME.fullmatch(text):
            raise UsageError(f"{what}: {text!r:.60} is no name; use letters, digits, '.', '_', '@' and '-'")
    known = [scope.value for scope in service.Scope]
    wanted = [scope.strip() for scope in request.scopes.split(",")]
    unknown = [scope for scope in wanted if scope not in known]
    if unknown:
        raise UsageError(f"--scopes: {unknown[0]!r} is unknown; use {', '.join(known)}")
    scopes = frozenset(map(service.Scope, wanted))
    secret = service.new_token(Path(request.tokens), request.name, request.tenant or request.name, scopes)
    sys.stdout.write(f"{secret}\n")
    sys.stderr.write(
        f"Added to {request.tokens}, which holds only its hash: keep the line above, it is not shown again.\n"
    )
