"""A launch mode with more arguments of ``tritonserver``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from autotune.errors import UsageError
from autotune.server._arguments import check_extra_arguments
from autotune.server._docker import DockerLauncher
from autotune.server._embedded import EmbeddedLauncher
from autotune.server._local import LocalLauncher
from autotune.server._types import Launcher


def with_arguments(launcher: Launcher, arguments: Sequence[str]) -> Launcher:
    """The launcher whose servers get ``arguments`` after the user's own; the same one without any.

    Raises:
        UsageError: It does not start the server, or autotune sets one of them itself.
    """
    if not arguments:
        return launcher
    if not isinstance(launcher, DockerLauncher | EmbeddedLauncher | LocalLauncher):
        raise UsageError(
            f"--launch {launcher.name}: {' '.join(arguments)} takes a server that autotune starts;"
            " use docker, local or embedded, or remove 'server:' from the search space"
        )
    check_extra_arguments(arguments, "--search-space: server")
    options = launcher.options
    return replace(launcher, options=replace(options, triton_args=(*options.triton_args, *arguments)))
