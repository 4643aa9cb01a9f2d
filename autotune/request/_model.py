"""Which model is meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.request._option import Panel, Request, listed, option

if TYPE_CHECKING:
    from autotune.repository import ModelSpec


@dataclass(frozen=True)
class ModelRequest(Request):
    """A model of a repository."""

    model_repository: str | Path = option(
        "model_repository", "DIR", "Triton model repository; it is only read.", panel=Panel.MODEL
    )
    model: str | None = option(None, "NAME", "The model; not needed if the repository holds one.", panel=Panel.MODEL)

    composing_models: Sequence[str] = option(
        (),
        "NAME[,NAME]",
        "Models that it calls by name (BLS), loaded beside it; may be repeated.",
        panel=Panel.MODEL,
    )

    def find_model(
        self, triton_args: Sequence[str] = (), *, allow_batching: bool = False
    ) -> tuple[ModelSpec, tuple[ModelSpec, ...]]:
        """The model, and the models that it needs: an ensemble's steps, and those of ``composing_models``.

        Args:
            triton_args: The server's arguments; some decide which config is read and how it is completed.
            allow_batching: Whether a leading -1 is the batch although the config says ``max_batch_size: 0``.

        Raises:
            UsageError: No such repository or model, or several models and none named.
        """
        from autotune.repository import ModelRepository
        from autotune.server import completion, config_name

        repository = ModelRepository(Path(self.model_repository), config_name(triton_args), completion(triton_args))
        name = self.model if self.model is not None else repository.only_model().name
        spec = repository.model(name, allow_batching=allow_batching)
        return spec, repository.composing_models(spec, listed(self.composing_models))
