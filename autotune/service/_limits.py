"""Limits of requests, as ASGI middleware: the length of a body, and requests a minute."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from autotune.service._login import secret_of

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from autotune.service._tokens import Tokens

_MOST_CALLERS = 10_000  # whose requests are counted at a time; the least recent is forgotten


class BodyLimit:
    """Refuses a request whose body is longer than ``most_bytes``, with 413."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app, self._most_bytes = app, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reads the body before the application does, so that it sees a whole one or none."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return  # the client is gone
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._most_bytes:
                await _refuse(send, 413, f"the body is longer than {self._most_bytes} bytes")
                return
        read = False

        async def replay() -> Message:
            nonlocal read
            if read:
                return await receive()
            read = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)


class RequestLimit:
    """Refuses requests of a caller beyond ``most_per_minute``, with 429; a caller is a token, or else an address.

    Who guesses secrets is counted by address: a secret that no token has is no caller of its own.
    """

    def __init__(self, app: ASGIApp, most_per_minute: int, tokens: Tokens) -> None:
        self._app, self._most, self._tokens = app, most_per_minute, tokens
        self._left: OrderedDict[tuple[str, str], tuple[float, float]] = (
            OrderedDict()
        )  # requests left, and when that was

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Takes one request from the caller's bucket, which fills evenly up to a minute's."""
        if scope["type"] == "http":
            from starlette.requests import HTTPConnection

            wait_s = self._wait_s(self._caller(HTTPConnection(scope)))
            if wait_s > 0:
                reason = f"more than {self._most} requests a minute"
                await _refuse(send, 429, reason, {"retry-after": str(int(wait_s) + 1)})
                return
        await self._app(scope, receive, send)

    def _caller(self, connection: HTTPConnection) -> tuple[str, str]:
        secret = secret_of(connection)
        token = self._tokens.find(secret) if secret else None
        if token is not None:
            return "token", token.name
        return "address", connection.client.host if connection.client else ""

    def _wait_s(self, caller: tuple[str, str]) -> float:
        now = time.monotonic()
        left, then = self._left.pop(caller, (float(self._most), now))
        left = min(float(self._most), left + (now - then) * self._most / 60)
        allowed = left >= 1
        self._left[caller] = (left - allowed, now)
        if len(self._left) > _MOST_CALLERS:
            self._left.popitem(last=False)
        return 0.0 if allowed else (1 - left) * 60 / self._most


async def _refuse(send: Send, status: int, reason: str, headers: dict[str, str] | None = None) -> None:
    body = json.dumps({"detail": reason}).encode()
    listed = {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
    encoded = [(name.encode(), value.encode()) for name, value in listed.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
