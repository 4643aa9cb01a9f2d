"""The deployment files by name. A new one is a module with the members of `Format`, and a line in `FORMATS`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import yaml

from autotune.errors import UsageError
from autotune.report.deploy import _compose, _helm_values, _kserve, _kubernetes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autotune.report.deploy._service import Service


class Format(Protocol):
    """A deployment file."""

    FILE: str
    """The file's name in the exported directory."""

    def documents(self, service: Service, /) -> list[dict[str, Any]]:
        """Its YAML documents."""

    def comments(self, service: Service, /) -> list[str]:
        """The lines above them: what must be there, and how it is used."""


FORMATS: dict[str, Format] = {
    "compose": _compose,
    "kubernetes": _kubernetes,
    "kserve": _kserve,
    "helm-values": _helm_values,
}


class _Plain(yaml.SafeDumper):
    """Writes equal values out, without anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def find_formats(names: Sequence[str]) -> list[Format]:
    """The formats of these names.

    Raises:
        UsageError: A name is unknown.
    """
    for name in names:
        if name not in FORMATS:
            raise UsageError(f"--format: {name!r} is unknown; use {', '.join(FORMATS)}")
    return [FORMATS[name] for name in dict.fromkeys(names)]


def render(form: Format, service: Service) -> str:
    """The file's text."""
    comments = [*form.comments(service), service.measured_words]
    text: str = yaml.dump_all(form.documents(service), Dumper=_Plain, sort_keys=False, width=120)
    return "".join(f"# {line}\n" for line in comments) + text
