"""Registry of the launch modes, and the choice of one."""

from __future__ import annotations

from collections.abc import Callable

from autotune.errors import UsageError
from autotune.server._checks import check_mode_uses, check_options
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
# Modes that `auto` tries, in this order.
_AUTOMATIC = ("docker", "local", "embedded")


def choose_launcher(mode: str, options: LaunchOptions | None = None) -> tuple[Launcher, str]:
    """Returns the checked launcher of ``mode`` and one line that says which it is and why.

    Raises:
        UsageError: ``mode`` is unknown, cannot work here or ignores an option; nothing has been started.
    """
    options = options or LaunchOptions()
    if mode != "auto" and mode not in LAUNCHERS:
        raise UsageError(f"--launch: {mode!r} is unknown; use auto, {', '.join(LAUNCHERS)}")
    check_options(options)
    if mode != "auto":
        check_mode_uses(mode, options, "")
        return _checked(mode, options), f"launch: {mode} (as asked)"
    launcher, why = _automatic(options)
    check_mode_uses(launcher.name, options, why)
    return launcher, f"launch: {why}"


def _checked(mode: str, options: LaunchOptions) -> Launcher:
    launcher = LAUNCHERS[mode](options)
    launcher.check()
    return launcher


def _automatic(options: LaunchOptions) -> tuple[Launcher, str]:
    if options.url is not None:
        return _checked("remote", options), "remote (--url is given)"
    if options.triton_path is not None:
        return _checked("local", options), "local (--triton-path is given)"
    if options.image is not None:
        return _checked("docker", options), "docker (--image is given)"
    passed: list[str] = []
    for mode in _AUTOMATIC:
        try:
            launcher = _checked(mode, options)
        except UsageError as error:
            if str(error).startswith(("--http-port", "--grpc-port", "--cpuset-cpus", "--container-user")):
                raise
            passed.append(f"not {mode}: {_reason(str(error))}")
            last = error
        else:
            return launcher, "; ".join([mode, *passed])
    raise last


def _reason(message: str) -> str:
    """The finding of an error message, without its flag and its remedy."""
    return message.split(": ", 1)[-1].split("; ", 1)[0]
