"""Turns the exit code and log of an ended server into an error."""

from __future__ import annotations

from autotune.errors import UsageError
from autotune.server._arguments import own_option
from autotune.server._ports import PortsTaken
from autotune.server._reason import exit_text, last_words, load_reason, ports_clashed, refused_argument
from autotune.server._types import LoadFailed, ServerCrashed

_FIRST_SIGNAL_CODE = 128  # a shell or container reports a signal as 128 + number


def why_ended(code: int, log: str, *, ready: bool, lack: str = "") -> Exception:
    """Returns the exception: a refused argument, refused load or taken port while starting; else a crash.

    Args:
        code: Its exit code, negative or above 128 for a signal.
        log: The server's whole log.
        ready: Whether the server had become ready.
        lack: What the server lacked if the kernel is known to have killed one of its processes for that, and the
            remedy; empty otherwise.
    """
    how = lack or exit_text(code)
    if ready:
        return ServerCrashed(f"the server ended ({how}): {last_words(log)}")
    refused = refused_argument(log)
    if refused and (option := own_option(refused)):
        return UsageError(f"--launch: this Triton does not know {option}: {refused}; use a newer one")
    if refused:
        return UsageError(f"--triton-arg: Triton refuses its command line: {refused}; see `tritonserver --help`")
    if ports_clashed(log):
        return PortsTaken(last_words(log))
    reason = load_reason(log)
    # A server exits if it refuses a model, and also if a model's process was killed.
    if reason and 0 < code < _FIRST_SIGNAL_CODE and not lack:
        return LoadFailed(reason)
    return ServerCrashed(f"the server ended while starting ({how}): {reason or last_words(log)}")
