"""A study's models as a repository that can be deployed, with files for the systems that run it."""

from autotune.report.deploy._export import ExportedRepository, export_repository
from autotune.report.deploy._formats import FORMATS
from autotune.report.deploy._service import Service, docker_run

__all__ = ["FORMATS", "ExportedRepository", "Service", "docker_run", "export_repository"]
