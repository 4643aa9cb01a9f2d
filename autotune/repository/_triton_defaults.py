"""What Triton itself fills in where a config says nothing, whatever the model.

Source: https://github.com/triton-inference-server/core, ``src/model_config_utils.cc`` (``NormalizeModelConfig``,
``NormalizeInstanceGroup``, ``AutoCompleteBackendFields``), as of 2.51.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autotune.repository._schema import new_message

if TYPE_CHECKING:
    from google.protobuf.message import Message

_SEQUENCE_IDLE_US = 1_000_000
_CHOSEN_BY_TRITON = ("name", "platform", "runtime", "default_model_filename")
_AUTOMATIC_KIND = 0


def with_triton_defaults(asked: Message, served: Message) -> Message:
    """A copy of the asked config in which fields that Triton chooses by itself have the served values.

    Triton chooses: the names, kinds, counts and GPUs of instances, the served versions, a preferred batch size of
    ``max_batch_size``, pinned memory, how long a sequence may idle, and the fields that follow from backend and file.
    """
    message = new_message()
    message.CopyFrom(asked)
    filled: Any = message
    theirs: Any = served
    given_platform = bool(filled.platform)
    for name in _CHOSEN_BY_TRITON:
        if not getattr(filled, name):
            setattr(filled, name, getattr(theirs, name))
    if given_platform and not filled.backend:
        filled.backend = theirs.backend
    if not filled.HasField("version_policy"):
        filled.version_policy.latest.num_versions = 1
    if theirs.HasField("optimization"):  # not of an ensemble
        _fill_optimization(filled)
    if filled.HasField("dynamic_batching") and not filled.dynamic_batching.preferred_batch_size:
        filled.dynamic_batching.preferred_batch_size.append(theirs.max_batch_size)
    if filled.HasField("sequence_batching"):
        _fill_sequences(filled.sequence_batching, theirs.max_batch_size)
    _fill_instances(filled, theirs)
    return message


def _fill_optimization(filled: Any) -> None:
    optimization = filled.optimization
    for name in ("input_pinned_memory", "output_pinned_memory"):
        if not optimization.HasField(name):
            getattr(optimization, name).enable = True


def _fill_sequences(sequences: Any, max_batch_size: int) -> None:
    if not sequences.max_sequence_idle_microseconds:
        sequences.max_sequence_idle_microseconds = _SEQUENCE_IDLE_US
    if sequences.HasField("oldest") and not sequences.oldest.preferred_batch_size:
        sequences.oldest.preferred_batch_size.append(max_batch_size)


def _fill_instances(filled: Any, theirs: Any) -> None:
    if not filled.instance_group:
        filled.instance_group.extend(theirs.instance_group)
    for group, served in zip(filled.instance_group, theirs.instance_group, strict=False):
        group.name = group.name or served.name
        group.count = group.count or served.count
        if group.kind == _AUTOMATIC_KIND:
            group.kind = served.kind
        if not group.gpus:
            group.gpus.extend(served.gpus)
