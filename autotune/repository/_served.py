"""A config as asked and as served: what the model, its backend or the server changed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autotune.repository._config import ModelConfig
from autotune.repository._config_set import ConfigSet
from autotune.repository._schema import fields_of, is_list_of_messages, is_repeated
from autotune.repository._triton_defaults import with_triton_defaults

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from google.protobuf.message import Message

_PREFERRED = "dynamic_batching.preferred_batch_size"
_COMPLETED = ("backend", "input", "output")
# An empty message of these fields means something else than none.
_MEANS_SOMETHING = {
    "all",
    "direct",
    "dynamic_batching",
    "ensemble_scheduling",
    "latest",
    "oldest",
    "reshape",
    "sequence_batching",
    "specific",
}


@dataclass(frozen=True)
class Difference:
    """A field that is served otherwise than asked.

    Attributes:
        model: Whose config it is.
        path: The field, as `ModelConfig` names it.
        asked: Its value in the asked config; None if it is not set.
        served: Its value in the served config; None if it is not set.
    """

    model: str
    path: str
    asked: Any
    served: Any

    @property
    def completes(self) -> bool:
        """Whether it only adds what the config left out and every candidate needs: tensors and the backend."""
        return self.asked is None and self.path in _COMPLETED


@dataclass(frozen=True)
class ServedConfig:
    """A config as a server serves it.

    Attributes:
        config: The asked config with every difference as served.
        differences: What is served otherwise than asked; values that Triton fills in for everyone do not count.
        digest: SHA-256 (hex) of all that is served; equal for configs that are served alike.
    """

    config: ModelConfig
    differences: tuple[Difference, ...]
    digest: str

    @property
    def changes(self) -> tuple[Difference, ...]:
        """The differences that contradict the asked config or switch something on."""
        return tuple(each for each in self.differences if not each.completes)


@dataclass(frozen=True)
class ServedSet:
    """A `ConfigSet` as a server serves it.

    Attributes:
        models: Of each model, that of the model that is asked first.
    """

    models: tuple[ServedConfig, ...]

    @property
    def configs(self) -> ConfigSet:
        """The configs with every difference as served."""
        return ConfigSet(tuple(each.config for each in self.models))

    @property
    def differences(self) -> tuple[Difference, ...]:
        """The differences of all models."""
        return tuple(difference for each in self.models for difference in each.differences)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of all that is served; equal for sets that are served alike."""
        return hashlib.sha256("".join(each.digest for each in self.models).encode()).hexdigest()


def compare_served(asked: ModelConfig, answer: Mapping[str, Any]) -> ServedConfig:
    """Compares a config with the answer of ``GET /v2/models/M/config``.

    Fields that the installed client's schema does not know are not compared, and stay as asked.
    """
    served = ModelConfig.from_json(answer)
    differences = tuple(config_differences(asked, served))
    return ServedConfig(with_differences(asked, differences), differences, _digest(served))


def config_differences(asked: ModelConfig, served: ModelConfig) -> Iterator[Difference]:
    """The fields in which ``asked``, once Triton has filled in its defaults, differs from ``served``."""
    filled = with_triton_defaults(asked.message(), served.message())
    for path in _paths(filled, served.message(), ""):
        yield Difference(asked.name, path, _value(asked, path), _value(served, path))


def with_differences(asked: ModelConfig, differences: Sequence[Difference]) -> ModelConfig:
    """The asked config with the fields as served."""
    config = asked
    for each in sorted(differences, key=lambda each: each.served is not None):  # remove first: one may exclude another
        config = config.without(each.path) if each.served is None else config.with_value(each.path, each.served)
    return config


def asked_config(served: ModelConfig, differences: Sequence[Difference]) -> ModelConfig:
    """The config that was asked, from the one of a `ServedConfig`."""
    return with_differences(
        served, [Difference(each.model, each.path, each.served, each.asked) for each in differences]
    )


def is_known_alike(config: ModelConfig, served: ModelConfig, differences: Sequence[Difference]) -> bool:
    """Whether ``config`` is known to be served as another one was, without a start.

    It is if each field asks for what was served, or for what the other one asked for. Triton fills in a batcher's
    preferred size, which is the asked ``max_batch_size``, before the model is asked.

    Args:
        config: Not served yet.
        served: `ServedConfig.config` of the other.
        differences: Those of the other.
    """
    known = {each.path: each.asked for each in differences}
    full = ModelConfig(with_triton_defaults(served.message(), served.message()), {})
    unlike = list(config_differences(config, full))
    if any(each.path.endswith("preferred_batch_size") for each in unlike) and (
        config.max_batch_size != asked_config(served, differences).max_batch_size
    ):
        return False
    return all(each.path in known and each.asked == known[each.path] for each in unlike)


def with_raised_batch(config: ModelConfig, differences: Iterable[Difference], served: Iterable[int]) -> ModelConfig:
    """The config with the ``max_batch_size`` to which its model is known to raise smaller written ones.

    ``set_max_batch_size`` of Triton's Python backend does. It is known once two different sizes were raised to the same
    one, and no smaller one was served. Triton fills in a batcher's preferred size before.

    Args:
        config: Not served yet.
        differences: Of what was served so far.
        served: Each ``max_batch_size`` of the model that was served so far.
    """
    asked: dict[int, set[int]] = {}
    for each in differences:
        if (each.model, each.path) == (config.name, "max_batch_size") and each.served:
            asked.setdefault(each.served, set()).add(each.asked or 0)
    raised = max((size for size, sizes in asked.items() if len(sizes) > 1 and max(sizes) < size), default=0)
    written = config.max_batch_size
    if not 0 < written < raised or any(0 < size < raised for size in served):
        return config
    if config.dynamic_batching and not config.has(_PREFERRED):
        config = config.with_value(_PREFERRED, [written])
    return config.with_value("max_batch_size", raised)


def _value(config: ModelConfig, path: str) -> Any:
    return config.value(path) if config.has(path) else None


def _paths(asked: Message, served: Message, prefix: str) -> Iterator[str]:
    """The paths of the fields that differ, as deep as both sides have the same messages."""
    for field in fields_of(asked):
        path, mine, theirs = f"{prefix}{field.name}", getattr(asked, field.name), getattr(served, field.name)
        if is_list_of_messages(field):
            if _same_elements(mine, theirs):
                for index, (one, other) in enumerate(zip(mine, theirs, strict=True)):
                    yield from _paths(one, other, f"{path}[{index}].")
            else:
                yield path
        elif is_repeated(field) or field.message_type is None:  # maps too
            if mine != theirs:
                yield path
        else:
            present = asked.HasField(field.name), served.HasField(field.name)
            if all(present):
                yield from _paths(mine, theirs, f"{path}.")
            elif any(present) and (field.name in _MEANS_SOMETHING or mine.ByteSize() or theirs.ByteSize()):
                yield path


def _same_elements(mine: Sequence[Message], theirs: Sequence[Message]) -> bool:
    """Whether two lists have the same elements in the same order, by name if they have one."""
    return [getattr(each, "name", "") for each in mine] == [getattr(each, "name", "") for each in theirs]


def _digest(served: ModelConfig) -> str:
    message: Any = served.message()
    for group in message.instance_group:
        group.name = ""  # Triton's choice depends on whether the config lists the group
    return hashlib.sha256(message.SerializeToString(deterministic=True)).hexdigest()
