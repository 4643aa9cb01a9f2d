"""The configs that one trial serves: of the model that is asked, and of the models that it calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.repository._config import ModelConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class ConfigSet:
    """One config for each of several models of a repository; mostly of one.

    Attributes:
        configs: The config of the model that is asked first, then those of the models it calls. Each has its name.
    """

    configs: tuple[ModelConfig, ...]

    @classmethod
    def of(cls, *configs: ModelConfig) -> ConfigSet:
        """The set of these configs, that of the model that is asked first."""
        return cls(configs)

    @classmethod
    def parse(cls, texts: Mapping[str, str], source: str) -> ConfigSet:
        """The set whose ``texts`` are these; ``source`` names it in errors.

        Raises:
            UsageError: One of them is no config.
        """
        return cls(tuple(ModelConfig.parse(text, f"{source}, {name}") for name, text in texts.items()))

    @property
    def asked(self) -> ModelConfig:
        """The config of the model that gets the requests."""
        return self.configs[0]

    def get(self, model: str) -> ModelConfig | None:
        """The config of a model; None if the set has none for it."""
        return next((each for each in self.configs if each.name == model), None)

    def texts(self) -> dict[str, str]:
        """The text of each config by its model, in the set's order."""
        return {each.name: each.to_text() for each in self.configs}

    def __iter__(self) -> Iterator[ModelConfig]:
        return iter(self.configs)
