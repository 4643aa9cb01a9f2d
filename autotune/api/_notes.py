"""What a person should know before a server starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autotune.load import Traffic
    from autotune.repository import ModelConfig, ModelSpec
    from autotune.server import Launcher


def notes_on_named_configs(specs: Sequence[ModelSpec]) -> list[str]:
    """Which models have a config by ``--model-config-name``."""
    return [
        f"{each.name}: its config is {each.config_file} (--model-config-name); trials serve theirs as config.pbtxt"
        for each in specs
        if each.config_file != "config.pbtxt"
    ]


def completed_there(spec: ModelSpec, launcher: Launcher) -> ModelSpec:
    """The model as a server that already runs completes its config."""
    from autotune.server import RemoteLauncher

    return replace(spec, completion=launcher.completion_of(spec)) if isinstance(launcher, RemoteLauncher) else spec


def conditions_of(traffics: Mapping[str, Traffic]) -> str:
    """How requests are sent, in words; of several models each one's."""
    if len(traffics) == 1:
        return next(iter(traffics.values())).conditions()
    return "; ".join(f"{model}: {traffic.conditions()}" for model, traffic in traffics.items())


def notes_on_configs(launcher: Launcher, arguments: Sequence[str], configs: Sequence[ModelConfig]) -> list[str]:
    """What a user should know about the configs before they are served."""
    from autotune.server import config_notes

    known = None if launcher.name == "remote" else arguments
    return [note for config in configs for note in config_notes(config, known)]
