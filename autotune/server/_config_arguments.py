"""The ``tritonserver`` arguments of the user that decide what a config means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autotune.errors import UsageError
from autotune.repository import Completion

_CONFIG_NAME = "--model-config-name"
_BACKEND_CONFIG = "--backend-config"
_NO_COMPLETION = "--disable-auto-complete-config"
_STRICT = "--strict-model-config"
_WITH_VALUE = (_CONFIG_NAME, _BACKEND_CONFIG, _STRICT)
_DEFAULT_BATCH = "default-max-batch-size"
_COMPLETING_BACKEND = "onnxruntime"


def config_name(arguments: Sequence[str]) -> str:
    """The ``--model-config-name``; empty without one.

    Raises:
        UsageError: The name cannot be a file's.
    """
    names = [value for option, value in _options(arguments) if option == _CONFIG_NAME]
    for name in names:
        if not name or "/" in name or any(character.isspace() for character in name):
            raise UsageError(
                f"--triton-arg: {_CONFIG_NAME}={name!r} is not a config's name; give NAME of configs/NAME.pbtxt"
            )
    return names[-1] if names else ""


def without_config_name(arguments: Sequence[str]) -> list[str]:
    """The arguments without ``--model-config-name``: a trial's config is its ``config.pbtxt``."""
    kept: list[str] = []
    skip = False
    for argument in arguments:
        name, given, _ = argument.partition("=")
        if not skip and _resolved(name) == _CONFIG_NAME:
            skip = not given
        elif skip:
            skip = False
        else:
            kept.append(argument)
    return kept


def completion(arguments: Sequence[str]) -> Completion:
    """How a server with these arguments completes configs.

    A ``default-max-batch-size`` of the backend wins over the one for all backends.

    Raises:
        UsageError: Its value is no number.
    """
    on = True
    sizes: dict[str, int] = {}
    for option, value in _options(arguments):
        if option == _NO_COMPLETION:
            on = False
        elif option == _STRICT:
            on = value.lower() in ("false", "0")
        elif option == _BACKEND_CONFIG:
            backend, _, setting = value.rpartition(",")
            name, _, size = setting.partition("=")
            if name == _DEFAULT_BATCH:
                sizes[backend] = _number(size)
    default = Completion()
    return Completion(on, sizes.get(_COMPLETING_BACKEND, sizes.get("", default.max_batch_size)))


def _number(text: str) -> int:
    if not text.isdecimal():
        raise UsageError(f"--triton-arg: {_DEFAULT_BATCH}={text!r} is not a number; write one such as 8")
    return int(text)


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(option, value) of those that matter here, the value beside it or in the next argument."""
    waiting = ""
    for argument in arguments:
        if waiting:
            yield waiting, argument
            waiting = ""
            continue
        name, given, value = argument.partition("=")
        option = _resolved(name)
        if option in _WITH_VALUE and not given:
            waiting = option
        elif option:
            yield option, value
    if waiting:
        yield waiting, ""


def _resolved(name: str) -> str:
    """The option of that name; Triton accepts any prefix that is unambiguous, and refuses others."""
    if not name.startswith("--") or name == "--":
        return ""
    return next((option for option in (*_WITH_VALUE, _NO_COMPLETION) if option.startswith(name)), "")
