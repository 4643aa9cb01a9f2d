"""``--config FILE.yaml``: a file whose keys are the command's flags without the dashes."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import typer

from autotune.errors import UsageError


def load_config_file(context: typer.Context, path: Path | None) -> Path | None:
    """Makes the file's values the command's defaults; flags and environment variables still win.

    Raises:
        UsageError: Unreadable, not YAML, not a mapping, or a key that is no flag of this command.
    """
    if path is None:
        return None
    import yaml

    try:
        values = yaml.safe_load(path.read_text())
    except OSError as error:
        raise UsageError(f"--config: cannot read {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise UsageError(f"--config: {path}{line}: not YAML: {getattr(error, 'problem', error)}") from error
    if not isinstance(values, dict):
        raise UsageError(f"--config: {path}: expected 'flag: value' lines, such as 'p99: 5ms'")
    parameters = _parameters_by_flag(context)
    defaults: dict[str, Any] = {}
    for key, value in values.items():
        flag = str(key).replace("_", "-")
        if flag not in parameters:
            close = difflib.get_close_matches(flag, parameters, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"'autotune {context.info_name} --help' lists the flags"
            raise UsageError(f"--config: {path}: {key!r} is not an option of {context.info_name!r}; {hint}")
        defaults[parameters[flag]] = _as_typed(value)
    context.default_map = {**(context.default_map or {}), **defaults}
    return path


def _parameters_by_flag(context: typer.Context) -> dict[str, str]:
    return {
        option.removeprefix("--"): str(parameter.name)
        for parameter in context.command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--") and option not in ("--help", "--config")
    }


def _as_typed(value: Any) -> Any:
    """The value as the command line would have it: text for scalars, a list of texts for lists."""
    if isinstance(value, list):
        return [str(item) for item in value]
    return value if isinstance(value, bool) or value is None else str(value)
