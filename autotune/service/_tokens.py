"""Who may do what: a file of tokens, of each only its SHA-256."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from autotune.errors import UsageError
from autotune.reading import read_yaml

_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEYS = ("name", "tenant", "scopes", "sha256")


class Scope(str, Enum):
    """What a token may do with the jobs of its tenant; ADMIN: everything, with those of all tenants."""

    READ = "read"
    SUBMIT = "submit"
    METRICS = "metrics"
    ADMIN = "admin"


@dataclass(frozen=True)
class Token:
    """A token without its secret.

    Attributes:
        name: Its name, shown with the jobs it submits.
        tenant: The team whose jobs it sees.
        scopes: What it may do.
    """

    name: str
    tenant: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Whether it has a scope."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    @property
    def sees(self) -> str | None:
        """The tenant whose jobs it sees; None for all."""
        return None if Scope.ADMIN in self.scopes else self.tenant


class Tokens:
    """The tokens of a file."""

    def __init__(self, by_digest: Mapping[str, Token]) -> None:
        self._by_digest = dict(by_digest)

    @classmethod
    def load(cls, path: Path) -> Tokens:
        """Reads a file that `autotune token` wrote.

        Raises:
            UsageError: It cannot be read or is no list of tokens.
        """
        by_digest: dict[str, Token] = {}
        for number, entry in enumerate(_entries(path), 1):
            token, digest = _read(entry, f"--tokens: {path}: token {number}")
            if digest in by_digest:
                raise UsageError(f"--tokens: {path}: token {number}: same sha256 as {by_digest[digest].name!r}")
            by_digest[digest] = token
        if not by_digest:
            raise UsageError(f"--tokens: {path} holds no token; 'autotune token NAME --tokens {path}' adds one")
        return cls(by_digest)

    def find(self, secret: str) -> Token | None:
        """The token with that secret; None if there is none.

        Looked up by digest: how long it takes says nothing about a secret.
        """
        return self._by_digest.get(_digest(secret))


def new_token(path: Path, name: str, tenant: str, scopes: frozenset[Scope]) -> str:
    """Adds a token to a file, which is created for the owner's eyes only.

    Returns:
        Its secret, which is kept nowhere.

    Raises:
        UsageError: The file is at fault, or has a token of that name.
    """
    entries = _entries(path) if path.exists() else []
    if any(isinstance(entry, Mapping) and entry.get("name") == name for entry in entries):
        raise UsageError(f"--tokens: {path} has a token {name!r}; choose another name, or remove it from the file")
    secret = f"autotune_{secrets.token_urlsafe(32)}"
    added = {"name": name, "tenant": tenant, "scopes": sorted(scopes), "sha256": _digest(secret)}
    text = yaml.safe_dump([*entries, {**added, "scopes": [scope.value for scope in sorted(scopes)]}], sort_keys=False)
    try:
        path.touch(mode=0o600)
        path.write_text(text)
    except OSError as error:
        raise UsageError(f"--tokens: cannot write {path}: {error.strerror}") from error
    return secret


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _entries(path: Path) -> list[Any]:
    entries = read_yaml(path, "--tokens", "'autotune token NAME' makes one")
    if entries is None:
        return []
    if not isinstance(entries, list):
        raise UsageError(f"--tokens: {path}: expected a list of tokens, each with {', '.join(_KEYS)}")
    return entries


def _read(entry: object, where: str) -> tuple[Token, str]:
    if not isinstance(entry, Mapping) or set(entry) != set(_KEYS):
        raise UsageError(f"{where}: expected the keys {', '.join(_KEYS)}")
    name, tenant, digest, scopes = (entry[key] for key in ("name", "tenant", "sha256", "scopes"))
    if not all(isinstance(text, str) and text for text in (name, tenant)):
        raise UsageError(f"{where}: name and tenant are texts")
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise UsageError(f"{where}: sha256 is 64 hexadecimal digits, in small letters")
    known = [scope.value for scope in Scope]
    if not isinstance(scopes, list) or not scopes or any(scope not in known for scope in scopes):
        raise UsageError(f"{where}: scopes is a list of {', '.join(known)}")
    return Token(name, tenant, frozenset(map(Scope, scopes))), digest
