"""``--config FILE.yaml``: a file whose keys are the command's flags without the dashes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from autotune.errors import UsageError
from autotune.request import Option

_UNSET = ("", "~", "null")


def load_config_file(context: typer.Context, path: Path | None, options: Mapping[str, Option]) -> Path | None:
    """Makes the file's values the command's defaults; flags and environment variables still win.

    Raises:
        UsageError: Unreadable, not YAML, not a mapping, a key that is no flag of this command, or a value that
            its flag does not take.
    """
    if path is None:
        return None
    from autotune.space import MODEL_ANALYZER_ADVICE, is_model_analyzer

    parameters = _parameters_by_flag(context)
    defaults: dict[str, Any] = {}
    values = read_options(path)
    if is_model_analyzer(values):
        raise UsageError(f"--config: {path}: {MODEL_ANALYZER_ADVICE}")
    for key, value in values.items():
        flag = str(key).replace("_", "-")
        if flag not in parameters:
            close = " or ".join(map(repr, difflib.get_close_matches(flag, parameters)))
            hint = f"did you mean {close}?" if close else f"'{context.command_path} --help' lists the flags"
            raise UsageError(f"--config: {path}: {key!r} is not an option of {context.info_name!r}; {hint}")
        if value in _UNSET:
            continue
        parameter = parameters[flag]
        try:
            defaults[str(parameter.name)] = _as_given(context, parameter, options[parameter.name], value)
        except ValueError as error:
            raise UsageError(f"--config: {path}: {key}: {error}") from error
    context.default_map = {**(context.default_map or {}), **defaults}
    return path


def read_options(path: Path, flag: str = "--config") -> dict[Any, Any]:
    """The file's keys and values, scalars as their text: YAML would take ``rate: 1:32:8`` for a number in base 60.

    Raises:
        UsageError: Unreadable, not YAML or not a mapping; names ``flag``.
    """
    from autotune.reading import read_yaml

    values = read_yaml(path, flag, scalars_as_text=True)
    if not isinstance(values, dict):
        raise UsageError(f"{flag}: {path}: expected 'flag: value' lines, such as 'p99: 5ms'")
    return values


def _parameters_by_flag(context: typer.Context) -> dict[str, Any]:
    return {
        option.removeprefix("--"): parameter
        for parameter in context.command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--") and option not in ("--help", "--config")
    }


def _as_given(context: typer.Context, parameter: Any, option: Option, value: Any) -> str | list[str]:
    """The value as the command line would have it: a text, or a list of texts for a flag that may be repeated.

    Raises:
        ValueError: It is something else, or no such text as the flag takes.
    """
    if parameter.multiple:
        given = value if isinstance(value, list) else [value]
        wrong = [item for item in given if not isinstance(item, str)]
    else:
        given = value
        wrong = [] if isinstance(value, str) else [value]
    if wrong:
        expected = "a value or a list of values" if parameter.multiple else "one value"
        kind = "a mapping" if isinstance(wrong[0], dict) else "a list"
        raise ValueError(f"expected {expected}, found {kind}: {_shortened(wrong[0])}")
    try:
        option.check(parameter.process_value(context, given))
    except UsageError as error:
        raise ValueError(str(error).removeprefix(f"{option.flag}: ")) from error
    except typer.TyperException as error:
        reason = " ".join(getattr(error, "message", str(error)).split())
        raise ValueError(f"found {value!r}; {reason[:1].lower()}{reason[1:]}") from error
    return given


def _shortened(value: object, length: int = 60) -> str:
    text = str(value)
    return text if len(text) <= length else f"{text[:length]}..."
