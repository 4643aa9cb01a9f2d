"""``autotune serve``: tuning jobs over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from autotune.cli._config_file import read_options
from autotune.errors import UsageError
from autotune.request import AT_LEAST_ONE, Allowed, Panel, RunRequest, StoreRequest, option, options_of

_TRUE = ("true", "t", "1", "yes", "y", "on")  # what a switch takes in a file of options


@dataclass(frozen=True, kw_only=True)
class _Serve(StoreRequest):
    """An address, the repositories to tune, who may, and how much."""

    repositories: Sequence[str] = option(
        (), "NAME=DIR", "A model repository that jobs may name; may be repeated.", panel=Panel.MODEL
    )
    run_config: str | None = option(
        None, "FILE", "YAML file of options for every run, such as launch.", panel=Panel.SERVER
    )
    parallel: int = option(
        1, "N", "Most runs at a time; on one machine they disturb each other.", panel=Panel.SERVER, allowed=AT_LEAST_ONE
    )
    host: str = option(
        "127.0.0.1", "ADDRESS", "Address to bind to; put TLS in front of any but loopback.", panel=Panel.ADDRESS
    )
    port: int = option(
        8090,
        "PORT",
        "The port to listen on; 0 for a free one.",
        panel=Panel.ADDRESS,
        allowed=Allowed(lambda port: 0 <= port < 65536, "a port from 0 to 65535"),
    )
    tokens: str = option(
        "tokens.yaml", "FILE", "File of tokens and their scopes; 'autotune token' writes it.", panel=Panel.ADDRESS
    )
    most_jobs: int = option(
        500, "N", "Unfinished jobs that one tenant may have.", panel=Panel.ADDRESS, allowed=AT_LEAST_ONE
    )
    most_requests: int = option(
        600, "N", "Requests a minute that one token may send.", panel=Panel.ADDRESS, allowed=AT_LEAST_ONE
    )

    def named_repositories(self) -> dict[str, Path]:
        """The repositories by name.

        Raises:
            UsageError: None is given, one is no directory, or two have one name.
        """
        found: dict[str, Path] = {}
        for each in self.repositories:
            name, _, directory = each.partition("=")
            if not name or not directory:
                raise UsageError(f"--repositories: {each!r} is not NAME=DIR; write one such as models=model_repository")
            if name in found:
                raise UsageError(f"--repositories: {name!r} is given twice; choose another name")
            if not Path(directory).is_dir():
                raise UsageError(f"--repositories: {directory} is not a directory; name a Triton model repository")
            found[name] = Path(directory).resolve()
        if not found:
            raise UsageError("--repositories: none is given; write one such as models=model_repository")
        return found

    def run_options(self) -> dict[str, Any]:
        """The operator's options of every run.

        Raises:
            UsageError: The file cannot be read, or has an option that the service sets itself.
        """
        if self.run_config is None:
            return {}
        options = read_options(Path(self.run_config), "--run-config")
        known = {each.flag.removeprefix("--") for each in options_of(RunRequest).values()}
        own = {"model-repository", "results", "study", "storage"}
        for flag in options:
            if str(flag) not in known - own:
                found = "is set by the service" if flag in own else "is not an option of 'autotune run'"
                raise UsageError(f"--run-config: {self.run_config}: {flag!r} {found}; remove it")
        return options

    def check_parallel(self, options: Mapping[str, Any]) -> None:
        """Raises `UsageError` for several runs at a time that each want this machine for themselves."""
        elsewhere = options.get("launch") == "remote" or options.get("executor") == "ray"
        if self.parallel > 1 and not elsewhere and str(options.get("share-machine")).lower() not in _TRUE:
            raise UsageError(
                f"--parallel: {self.parallel} runs would disturb each other, and all but one end at once; write"
                " 'share-machine: true' into --run-config, or drop --parallel"
            )


REQUEST = _Serve


def execute(request: _Serve) -> None:
    """Serves until interrupted."""
    repositories, run_options = request.named_repositories(), request.run_options()
    request.check_parallel(run_options)
    service = import_service()
    from autotune import api

    tokens = service.Tokens.load(Path(request.tokens))
    results = request.writable_directory()
    settings = service.ServiceSettings(
        store=api.create_store(results, request.storage),
        storage=request.storage,
        results=results.resolve(),
        repositories=repositories,
        tokens=tokens,
        run_options=run_options,
        parallel=request.parallel,
        most_unfinished=request.most_jobs,
        most_requests_per_minute=request.most_requests,
    )
    service.serve(settings, request.host, request.port)


def import_service() -> ModuleType:
    """The package of the service.

    Raises:
        UsageError: What it needs is not installed.
    """
    try:
        import autotune.service
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the service needs the package {error.name}, which is not installed; run "
            "'pip install triton-autotune[service]'"
        ) from None
    return autotune.service
