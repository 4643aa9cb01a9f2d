"""Trials on the workers of a Ray cluster; the coordinator alone has the study and the database."""

from autotune.cluster._cluster import Cluster, clusters_of
from autotune.cluster._directory import abandoned_directories
from autotune.cluster._setup import Facts, Opened, Setup
from autotune.cluster._worker import Job
from autotune.cluster._workers import RayWorkers

__all__ = ["Cluster", "Facts", "Job", "Opened", "RayWorkers", "Setup", "abandoned_directories", "clusters_of"]
