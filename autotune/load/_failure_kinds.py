"""Names of the ways in which a connection fails."""

from __future__ import annotations

import errno


def kind_of(error: OSError) -> tuple[str, str]:
    """The kind under which a socket's error is counted, and the error in words.

    ``refused``, ``reset``, ``timeout``, ``unsent`` (no file descriptor left on this side), ``unreachable``.
    """
    detail = f"{errno.errorcode.get(error.errno or 0, type(error).__name__)}: {error.strerror or error}"
    if isinstance(error, ConnectionRefusedError):
        return "refused", detail
    if isinstance(error, TimeoutError):
        return "timeout", detail
    if isinstance(error, ConnectionError):
        return "reset", detail
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "unsent", detail
    return "unreachable", detail
