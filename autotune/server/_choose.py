"""The launch modes by name, and choosing one."""

from __future__ import annotations

from collections.abc import Callable

from autotune.errors import UsageError
from autotune.server._docker import DockerLauncher
from autotune.server._embedded import EmbeddedLauncher
from autotune.server._local import LocalLauncher
from autotune.server._options import LaunchOptions
from autotune.server._remote import RemoteLauncher
from autotune.server._types import Launcher

LAUNCHERS: dict[str, Callable[[LaunchOptions], Launcher]] = {
    "docker": DockerLauncher,
    "local": LocalLauncher,
    "embedded": EmbeddedLauncher,
    "remote": RemoteLauncher,
}
# What `auto` tries, in this order.
_AUTOMATIC = ("docker", "local", "embedded")


def choose_launcher(mode: str, options: LaunchOptions | None = None) -> tuple[Launcher, str]:
    """The launcher of ``mode``, checked, and one line that says which it is and why.

    Raises:
        UsageError: ``mode`` is unknown or cannot work here; nothing has been started.
    """
    options = options or LaunchOptions()
    if mode == "auto":
        return _automatic(options)
    if mode not in LAUNCHERS:
        raise UsageError(f"--launch: {mode!r} is unknown; use auto, {', '.join(LAUNCHERS)}")
    launcher = LAUNCHERS[mode](options)
    launcher.check()
    return launcher, f"launch: {mode} (as asked)"


def _automatic(options: LaunchOptions) -> tuple[Launcher, str]:
    if options.url is not None:
        return choose_launcher("remote", options)[0], "launch: remote (--url is given)"
    if options.triton_path is not None:
        return choose_launcher("local", options)[0], "launch: local (--triton-path is given)"
    if options.image is not None:
        return choose_launcher("docker", options)[0], "launch: docker (--image is given)"
    passed: list[str] = []
    for mode in _AUTOMATIC:
        launcher = LAUNCHERS[mode](options)
        try:
            launcher.check()
        except UsageError as error:
            if str(error).startswith(("--http-port", "--grpc-port")):
                raise
            passed.append(f"not {mode}: {_reason(str(error))}")
            last = error
        else:
            return launcher, "launch: " + "; ".join([mode, *passed])
    raise last


def _reason(message: str) -> str:
    """What was found, without the flag before it and the remedy after it."""
    return message.split(": ", 1)[-1].split("; ", 1)[0]
