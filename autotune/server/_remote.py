"""The ``remote`` launch mode: a server that already runs; it loads the model with another config, without a restart."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from autotune.errors import AutotuneError, UsageError
from autotune.repository import Completion, ModelConfig, ModelSpec, completed_config
from autotune.server._control import ControlClient, ControlError, Unreachable
from autotune.server._model_control import ModelControl, model_control
from autotune.server._options import LaunchOptions
from autotune.server._readiness import ReadyServer
from autotune.server._reason import compact
from autotune.server._types import Endpoint, LoadFailed, RunningServer, ServerCrashed, ServerFailure, StartTimedOut

_POLL_S = 0.02
_UNLOAD_S = 10.0  # guess; a model that ends its instances more slowly than that is loaded beside them
_DEFAULT_HTTP_PORT = 8000
_NOT_EXPLICIT = "explicit model load / unload is not allowed"


@dataclass(frozen=True)
class RemoteLauncher:
    """Loads each config into the server at ``--url``; see `Launcher`.

    The models that it calls are loaded too, each with its config. Leaving the context restores them all: loaded with
    their own configs if they were loaded before, else unloaded.
    """

    options: LaunchOptions = field(default_factory=LaunchOptions)
    name: str = field(default="remote", init=False)
    reads_only: bool = field(default=True, init=False)

    def check(self) -> None:
        """Raises `UsageError` with the remedy if this mode cannot work."""
        control = self._control()
        try:
            metadata = control.metadata()
        except ControlError as error:
            raise UsageError(f"--url: {error}; is a Triton server running there?") from None
        if "model_repository" not in (metadata.get("extensions") or []):  # type: ignore[operator]
            raise UsageError(
                f"--url: {self.options.url} does not offer model control; "
                "start that server with --model-control-mode=explicit"
            )

    def endpoint(self) -> Endpoint:
        """The server's address; raises `UsageError` without a valid ``--url``."""
        return parse_url(self.options.url)

    @contextmanager
    def launch(
        self, repository: Path, model: str, log_path: Path, called: Sequence[str] = ()
    ) -> Iterator[RunningServer]:
        """See `Launcher.launch`; a remote server has no log, so ``log_path`` is not used."""
        endpoint = self.endpoint()
        control = self._control()
        self.check()
        loader = model_control(endpoint, control)
        overrides = {name: read_override(repository / name / "config.pbtxt") for name in (model, *called)}
        # Triton 2.51 loads the steps of an ensemble with it, each with its own config, also where it had another one.
        is_ensemble = "ensemble_scheduling" in (overrides[model] or {})
        names = (model, *called) if is_ensemble else (*called, model)
        loaded = [name for name in names if self._was_loaded(control, name)]
        started = time.monotonic()
        try:
            # Unload first, so that statistics start at zero and no old instance is left.
            for name in loaded:
                self._unload(control, loader, name, self.options.start_timeout_s)
            for name in names:
                self._load(loader, name, overrides[name])
            self._await(control, model, started)
            yield ReadyServer(
                endpoint=endpoint,
                model=model,
                startup_s=time.monotonic() - started,
                log_path=None,
                alive=lambda: self._check_answers(control),
            )
        finally:
            self._restore(control, loader, names, loaded)

    def check_model(self, spec: ModelSpec) -> None:
        """See `Launcher.check_model`: the versions of that server's backends cannot be seen from here."""

    def completion_of(self, spec: ModelSpec) -> Completion:
        """How that server completes the model's config, by loading it once: the server does not say its arguments.

        Only a model whose batch size the server decides is loaded; what was loaded before is restored. If the server
        refuses the config, the answer is the spec's own.

        Raises:
            UsageError: See `launch`.
        """
        if spec.config.max_batch_size or completed_config(spec) == spec.config:
            return spec.completion
        with contextlib.suppress(ServerFailure), self.launch(spec.path.parent, spec.name, Path()) as server:
            size = int(str(server.model_config().get("max_batch_size", 0)))
            return replace(spec.completion, max_batch_size=size) if size else spec.completion
        return spec.completion

    def has_gpu(self) -> None:
        """See `Launcher.has_gpu`."""
        return

    def finds_gpu(self) -> None:
        """See `Launcher.finds_gpu`."""
        return

    def describe(self) -> dict[str, str]:
        """See `Launcher.describe`."""
        try:
            version = str(self._control().metadata().get("version", "unknown"))
        except ControlError:
            version = "unknown"
        return {"mode": self.name, "url": str(self.options.url), "triton": version}

    def _control(self) -> ControlClient:
        endpoint = self.endpoint()
        return ControlClient(endpoint.host, endpoint.http_port)

    def _was_loaded(self, control: ControlClient, model: str) -> bool:
        entries = [entry for entry in control.index() if entry.get("name") == model]
        if not entries:
            raise UsageError(
                f"--model: the server at {self.options.url} has no {model!r} in its repository; copy it there first"
            )
        return any(entry.get("state") == "READY" for entry in entries)

    def _load(self, loader: ModelControl, model: str, override: dict[str, object] | None) -> None:
        try:
            loader.load(model, override, timeout_s=self.options.start_timeout_s)
        except Unreachable as error:
            if "timed out" in str(error):
                raise StartTimedOut(
                    f"not loaded after {self.options.start_timeout_s:g} s; give it longer with --start-timeout"
                ) from None
            raise ServerCrashed(str(error)) from None
        except ControlError as error:
            if _NOT_EXPLICIT in str(error):
                raise self._not_explicit() from None
            raise LoadFailed(_own_reason(str(error))) from None

    def _unload(self, control: ControlClient, loader: ModelControl, model: str, timeout_s: float) -> None:
        try:
            loader.unload(model)
        except ControlError as error:
            if _NOT_EXPLICIT in str(error):
                raise self._not_explicit() from None
            raise
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            states = [entry for entry in control.index() if entry.get("name") == model]
            # Triton lists a version as "unloaded" when its instances are gone.
            if all(entry.get("state") in (None, "", "UNAVAILABLE") for entry in states):
                return
            time.sleep(_POLL_S)
        raise StartTimedOut(
            f"the server's own {model} was not unloaded after {timeout_s:g} s; give it longer with --start-timeout"
        )

    def _await(self, control: ControlClient, model: str, started: float) -> None:
        while not control.model_ready(model):
            self._check_answers(control)
            if time.monotonic() - started > self.options.start_timeout_s:
                raise StartTimedOut(f"not ready after {self.options.start_timeout_s:g} s")
            time.sleep(_POLL_S)

    def _restore(
        self, control: ControlClient, loader: ModelControl, names: Sequence[str], loaded: Sequence[str]
    ) -> None:
        """Restores the models as they were.

        Raises:
            UsageError: The server runs without a model that it had; its owner must know.
        """
        # Triton 2.51 never ends to unload a model whose process died in an execution; a load replaces it.
        within_s = min(self.options.start_timeout_s, _UNLOAD_S)
        for name in names:
            with contextlib.suppress(AutotuneError):
                self._unload(control, loader, name, within_s)
        for name in loaded:
            try:
                loader.load(name, timeout_s=self.options.start_timeout_s)
            except AutotuneError as error:
                if not control.model_ready(name) and control.alive():
                    raise UsageError(
                        f"--url: the server at {self.options.url} could not load {name} again with its own config "
                        f"({compact(str(error))}); load it there"
                    ) from None

    def _check_answers(self, control: ControlClient) -> None:
        try:
            control.metadata()
        except ControlError as error:
            raise ServerCrashed(f"the server at {self.options.url} is gone: {error}") from None

    def _not_explicit(self) -> UsageError:
        return UsageError(
            f"--url: the server at {self.options.url} does not allow loading models; "
            "start it with --model-control-mode=explicit"
        )


def parse_url(url: str | None) -> Endpoint:
    """The endpoint in ``HOST[:PORT][,GRPC_PORT]``; the gRPC port is the HTTP port + 1 unless given.

    Raises:
        UsageError: It is missing or has another form.
    """
    if not url:
        raise UsageError("--url: --launch remote needs the server's address; give --url HOST:PORT[,GRPC_PORT]")
    if "@" in url:
        raise UsageError("--url: has a user or a password, but Triton has no logins; write HOST:PORT")
    address, _, grpc = url.removeprefix("http://").rstrip("/").partition(",")
    host, _, port = address.rpartition(":") if ":" in address else (address, "", str(_DEFAULT_HTTP_PORT))
    try:
        http_port = int(port)
        grpc_port = int(grpc) if grpc else http_port + 1
        host.encode("idna")
    except ValueError:
        raise UsageError(f"--url: {url!r} is not HOST:PORT[,GRPC_PORT], such as 10.0.0.5:8000,8001") from None
    if not host or not all(0 < each < 65536 for each in (http_port, grpc_port)):
        raise UsageError(f"--url: {url!r} is not HOST:PORT[,GRPC_PORT], such as 10.0.0.5:8000,8001")
    return Endpoint(host.strip("[]"), http_port, grpc_port)


def read_override(path: Path) -> dict[str, object] | None:
    """A staged ``config.pbtxt`` as the JSON object that Triton's load request takes; None if there is none.

    Raises:
        LoadFailed: It does not parse.
    """
    try:
        return ModelConfig.parse(path.read_text(encoding="utf-8"), path.name).to_json()
    except FileNotFoundError:
        return None
    except UsageError as error:
        raise LoadFailed(str(error)) from None


def _own_reason(message: str) -> str:
    """The reason of the failed version, without Triton's wrapping."""
    _, found, reason = message.partition("is at UNAVAILABLE state: ")
    return compact(reason if found else message)
