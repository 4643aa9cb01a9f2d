"""A Triton model repository: configs, model files, and a staged copy for each trial."""

from autotune.repository._batch_dimension import check_batch_dimension
from autotune.repository._changes import describe_changes
from autotune.repository._complete import completed_config
from autotune.repository._config import ModelConfig, instances_of
from autotune.repository._config_set import ConfigSet
from autotune.repository._features import has_queue_policy, has_rate_limiter, has_response_cache, queue_limit
from autotune.repository._files import content_digest, file_listing, model_files
from autotune.repository._keep_text import edited_text
from autotune.repository._kept_apart import KeptApart, RequestShapes, kept_apart, step_kept_apart
from autotune.repository._repository import ModelRepository
from autotune.repository._schema import suggestion
from autotune.repository._served import (
    Difference,
    ServedConfig,
    ServedSet,
    asked_config,
    compare_served,
    is_known_alike,
    with_raised_batch,
)
from autotune.repository._server_arguments import ARGUMENT_FIELD, server_arguments
from autotune.repository._spec import BatchDimension, Completion, ModelSpec, OnnxVersions, TensorSpec
from autotune.repository._stage import copy_repository, stage
from autotune.repository._staging_area import StagingArea, abandoned_areas, remove_abandoned
from autotune.repository._tree import repository_tree

__all__ = [
    "ARGUMENT_FIELD",
    "BatchDimension",
    "Completion",
    "ConfigSet",
    "Difference",
    "KeptApart",
    "ModelConfig",
    "ModelRepository",
    "ModelSpec",
    "OnnxVersions",
    "RequestShapes",
    "ServedConfig",
    "ServedSet",
    "StagingArea",
    "TensorSpec",
    "abandoned_areas",
    "asked_config",
    "check_batch_dimension",
    "compare_served",
    "completed_config",
    "content_digest",
    "copy_repository",
    "describe_changes",
    "edited_text",
    "file_listing",
    "has_queue_policy",
    "has_rate_limiter",
    "has_response_cache",
    "instances_of",
    "is_known_alike",
    "kept_apart",
    "model_files",
    "queue_limit",
    "remove_abandoned",
    "repository_tree",
    "server_arguments",
    "stage",
    "step_kept_apart",
    "suggestion",
    "with_raised_batch",
]
