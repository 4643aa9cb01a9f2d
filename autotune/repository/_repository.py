"""A Triton model repository on disk."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.errors import UsageError
from autotune.reading import LONGEST_NAME, Unreadable, read_text
from autotune.repository._config import ModelConfig
from autotune.repository._ensemble import check_ensembles
from autotune.repository._files import CONFIG_FILE, is_model, version_numbers
from autotune.repository._onnx import OnnxSignature, read_onnx
from autotune.repository._schema import suggestion
from autotune.repository._spec import BatchDimension, Completion, ModelSpec, OnnxVersions, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Triton reads an absent max_batch_size as 0 too, but only a written one is a decision.
_UNBATCHED = re.compile(r"^[^#\n]*\bmax_batch_size\s*:\s*0\b", re.MULTILINE)


class ModelRepository:
    """The models of a directory, found as Triton finds them; nothing is started or written.

    Args:
        path: The directory.
        config_name: The server's ``--model-config-name``; empty for none.
        completion: How the server completes configs.

    Raises:
        UsageError: It does not exist, is not a directory, cannot be read, or is itself a model's directory.
    """

    def __init__(self, path: Path, config_name: str = "", completion: Completion | None = None) -> None:
        self.path = Path(path)
        self._config_name = config_name
        self._completion = completion or Completion()
        if not self.path.exists():
            raise UsageError(
                f"--model-repository: {self.path} does not exist; name the directory that holds the models"
            )
        if not self.path.is_dir():
            raise UsageError(f"--model-repository: {self.path} is not a directory; name the one that holds the models")
        if not os.access(self.path, os.R_OK | os.X_OK):
            raise UsageError(f"--model-repository: {self.path} cannot be read; check its permissions")
        if (self.path / CONFIG_FILE).is_file():
            model = self.path.absolute()
            raise UsageError(
                f"--model-repository: {self.path} is the directory of one model; "
                f"use --model-repository {self.path.parent if self.path.name else model.parent} --model {model.name}"
            )

    def names(self) -> tuple[str, ...]:
        """The models' names, sorted: directories with a config or a numbered version."""
        return tuple(sorted(entry.name for entry in self.path.iterdir() if is_model(entry)))

    def only_model(self) -> ModelSpec:
        """The only model of the repository.

        Raises:
            UsageError: There is no model, or more than one.
        """
        names = self.names()
        if not names:
            raise self._empty()
        if len(names) > 1:
            raise UsageError(f"--model: {self.path} holds several models; name one of {', '.join(names)}")
        return self.model(names[0])

    def model(self, name: str, flag: str = "--model", *, allow_batching: bool = False) -> ModelSpec:
        """Reads one model from disk; ``flag`` named it, for the error.

        Args:
            name: The model's name.
            flag: The option that named it.
            allow_batching: Whether a leading -1 is the batch, even if the config says ``max_batch_size: 0``.

        Raises:
            UsageError: There is no such model, or its config or files are invalid.
        """
        directory = self.path / name
        if not _is_name(name) or not directory.is_dir():
            names = self.names()
            if not names:
                raise self._empty()
            hint = suggestion(name, names)
            raise UsageError(f"{flag}: no model {name!r} in {self.path}{hint}; it holds {', '.join(names)}")
        config, has_config, unbatched = _read_config(directory, path := self._config_file(directory))
        versions = tuple(sorted(version_numbers(directory)))
        if not versions and not config.has("ensemble_scheduling"):
            raise UsageError(
                f"--model: {directory} has no version directory; put the model's files into {directory / '1'}"
            )
        signature = _onnx_signature(directory, config, versions)
        return ModelSpec(
            name=name,
            path=directory,
            config=config,
            has_config=has_config,
            inputs=signature.inputs if signature else _config_tensors(config, "input"),
            outputs=signature.outputs if signature else _config_tensors(config, "output"),
            batch_dimension=_batch_dimension(
                config, has_config, signature, unbatched=unbatched and not allow_batching, leading=allow_batching
            ),
            versions=versions,
            onnx=OnnxVersions(signature.ir_version, signature.opset) if signature else None,
            completion=self._completion,
            config_file=path.relative_to(directory).as_posix(),
        )

    def _config_file(self, directory: Path) -> Path:
        """The config that the server reads of a model: ``configs/NAME.pbtxt`` if there is one; it need not exist."""
        named = directory / "configs" / f"{self._config_name}.pbtxt"
        return named if self._config_name and named.exists() else directory / CONFIG_FILE

    def composing_models(self, spec: ModelSpec, called: Sequence[str] = ()) -> tuple[ModelSpec, ...]:
        """The models that one needs beside it: an ensemble's steps and those that it calls, with what these need.

        Args:
            spec: The model.
            called: Names of models that it calls; nothing in its config tells them.

        Raises:
            UsageError: One of them is missing or invalid, or an ensemble's steps do not fit together.
        """
        found = {name: self.model(name, "--composing-models") for name in called if name != spec.name}
        waiting = [*_steps(spec.config), *(step for each in found.values() for step in _steps(each.config))]
        while waiting:
            name = waiting.pop(0)
            if name not in found and name != spec.name:
                found[name] = self.model(name)
                waiting += _steps(found[name].config)
        check_ensembles((spec, *found.values()))
        return tuple(found.values())

    def _empty(self) -> UsageError:
        return UsageError(
            f"--model-repository: {self.path} holds no models; a model is a directory with a numbered version "
            f"directory in it, such as {self.path / 'mymodel' / '1'}"
        )


def _is_name(name: str) -> bool:
    """Whether it can be a directory's name."""
    within = len(os.fsencode(name)) <= LONGEST_NAME
    return within and name not in {"", ".", ".."} and not {"/", "\0"} & set(name)


def _read_config(directory: Path, path: Path) -> tuple[ModelConfig, bool, bool]:
    """The model's config, with its name filled in, whether there is a file, and whether it says not to batch."""
    if not path.exists() and not path.is_symlink():
        return ModelConfig.empty(directory.name), False, False
    try:
        text = read_text(path)
    except Unreadable as error:
        raise UsageError(f"--model-repository: cannot read {path}: {error}; check it") from None
    config = ModelConfig.parse(text, str(path))
    if config.name not in {"", directory.name}:
        raise UsageError(
            f"{path}: its name is {config.name!r} but its directory is {directory.name!r}; make them the same"
        )
    unbatched = _UNBATCHED.search(text) is not None and config.has("input") and config.has("output")
    return config.with_value("name", directory.name), True, unbatched


def _onnx_signature(directory: Path, config: ModelConfig, versions: tuple[int, ...]) -> OnnxSignature | None:
    """The signature of the newest served version's ONNX file; None if it has no ONNX file."""
    name = config.value("default_model_filename") or "model.onnx"
    declared = config.backend or config.platform
    if not name.endswith(".onnx") or (declared and not declared.startswith(("onnxruntime", "openvino", "python"))):
        return None
    if declared == "python":  # a Python model may load an ONNX file itself
        return None
    served = config.value("version_policy.specific.versions") or versions
    for version in sorted(set(served) & set(versions), reverse=True):
        path = directory / str(version) / name
        if path.is_dir():  # the form with external weight files
            path /= "model.onnx"
        if path.is_file():
            return read_onnx(path)
    return None


def _config_tensors(config: ModelConfig, field: str) -> tuple[TensorSpec, ...]:
    batch = (-1,) if config.max_batch_size > 0 else ()
    return tuple(
        TensorSpec(
            tensor.get("name", ""),
            str(tensor.get("data_type", "TYPE_INVALID")).removeprefix("TYPE_").replace("STRING", "BYTES"),
            (*batch, *(tensor.get("reshape", {}).get("shape", ()) if "reshape" in tensor else tensor.get("dims", ()))),
        )
        for tensor in config.value(field) or ()
    )


def _batch_dimension(
    config: ModelConfig, has_config: bool, signature: OnnxSignature | None, *, unbatched: bool, leading: bool
) -> BatchDimension:
    """Whether the first dimension can vary: by the config's explicit word, by the model file, else by the config.

    A written ``max_batch_size: 0`` beside complete tensors says that a leading -1 is not the batch: time steps, say,
    whose rows would be mixed between requests. A config without inputs or outputs may be completed by the model.
    With ``leading``, a leading -1 of all dims is the batch.
    """
    if unbatched:
        return "fixed"
    if signature is not None:
        return "dynamic" if signature.dynamic_batch else "fixed"
    if config.max_batch_size > 0:
        return "dynamic"
    if not (has_config and config.has("input") and config.has("output")):
        return "unknown"
    tensors = (*config.value("input"), *config.value("output"))
    return "dynamic" if leading and all(tensor.get("dims", ())[:1] == (-1,) for tensor in tensors) else "fixed"


def _steps(config: ModelConfig) -> Iterator[str]:
    return (step["model_name"] for step in config.value("ensemble_scheduling.step") or ())
