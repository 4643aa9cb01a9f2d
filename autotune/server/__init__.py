"""A running Triton: launch modes, health, load and unload, statistics."""

from autotune.server._belongings import Leftover
from autotune.server._checks import parse_size
from autotune.server._choose import LAUNCHERS, choose_launcher
from autotune.server._config_arguments import completion, config_name, without_config_name
from autotune.server._control import ControlClient, ControlError, Unreachable
from autotune.server._diagnosis import Diagnosis
from autotune.server._docker import DockerLauncher
from autotune.server._doctor import diagnose
from autotune.server._embedded import EmbeddedLauncher
from autotune.server._gpu_instances import check_gpu_instances, check_gpu_search
from autotune.server._leftovers import leftovers
from autotune.server._local import LocalLauncher
from autotune.server._one_of import OneOf
from autotune.server._options import LaunchOptions
from autotune.server._remote import RemoteLauncher
from autotune.server._types import (
    Endpoint,
    Launcher,
    LoadFailed,
    ModelCrashed,
    ModelStatistics,
    RunningServer,
    ServerCrashed,
    ServerFailure,
    StartTimedOut,
)
from autotune.server._usage import ServerUsage
from autotune.server._with_arguments import with_arguments
from autotune.server._without_effect import config_notes

__all__ = [
    "LAUNCHERS",
    "ControlClient",
    "ControlError",
    "Diagnosis",
    "DockerLauncher",
    "EmbeddedLauncher",
    "Endpoint",
    "LaunchOptions",
    "Launcher",
    "Leftover",
    "LoadFailed",
    "LocalLauncher",
    "ModelCrashed",
    "ModelStatistics",
    "OneOf",
    "RemoteLauncher",
    "RunningServer",
    "ServerCrashed",
    "ServerFailure",
    "ServerUsage",
    "StartTimedOut",
    "Unreachable",
    "check_gpu_instances",
    "check_gpu_search",
    "choose_launcher",
    "completion",
    "config_name",
    "config_notes",
    "diagnose",
    "leftovers",
    "parse_size",
    "with_arguments",
    "without_config_name",
]
