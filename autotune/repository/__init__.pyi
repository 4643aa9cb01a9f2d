from ._batch_dimension import check_batch_dimension as check_batch_dimension
from ._changes import describe_changes as describe_changes
from ._complete import completed_config as completed_config
from ._config import ModelConfig as ModelConfig, instances_of as instances_of
from ._config_set import ConfigSet as ConfigSet
from ._features import (
    has_queue_policy as has_queue_policy,
    has_rate_limiter as has_rate_limiter,
    has_response_cache as has_response_cache,
    queue_limit as queue_limit,
)
from ._files import content_digest as content_digest, file_listing as file_listing, model_files as model_files
from ._keep_text import edited_text as edited_text
from ._kept_apart import (
    KeptApart as KeptApart,
    RequestShapes as RequestShapes,
    kept_apart as kept_apart,
    shapes_of_steps as shapes_of_steps,
    step_kept_apart as step_kept_apart,
)
from ._repository import ModelRepository as ModelRepository
from ._schema import suggestion as suggestion
from ._served import (
    Difference as Difference,
    ServedConfig as ServedConfig,
    ServedSet as ServedSet,
    asked_config as asked_config,
    compare_served as compare_served,
    is_known_alike as is_known_alike,
    with_raised_batch as with_raised_batch,
)
from ._server_arguments import ARGUMENT_FIELD as ARGUMENT_FIELD, server_arguments as server_arguments
from ._spec import (
    BatchDimension as BatchDimension,
    Completion as Completion,
    ModelSpec as ModelSpec,
    OnnxVersions as OnnxVersions,
    TensorSpec as TensorSpec,
)
from ._stage import copy_repository as copy_repository, stage as stage
from ._staging_area import (
    StagingArea as StagingArea,
    abandoned_areas as abandoned_areas,
    remove_abandoned as remove_abandoned,
)
from ._tree import repository_tree as repository_tree
