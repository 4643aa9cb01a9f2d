"""Requests that the dashboard refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_READS = ("GET", "HEAD", "OPTIONS")
_RENAME = re.compile(r"/api/studies/\d+/rename/?")


def guarded(application: WSGIApplication, *, read_only: bool) -> WSGIApplication:
    """The application without what would lose a study, and if ``read_only`` without all that changes something."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        reason = _refused(environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), read_only)
        if not reason:
            return application(environ, start_response)
        body = json.dumps({"reason": reason}).encode()
        start_response("403 Forbidden", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return answer


def _refused(method: str, path: str, read_only: bool) -> str:
    """Why a request is refused; empty if it is not."""
    if read_only and method not in _READS:
        return "The dashboard runs with --read-only: nothing can be changed."
    if method not in _READS and _RENAME.fullmatch(path):
        return "A study cannot be renamed: 'autotune run' resumes it by its name."
    return ""
