"""The Triton server inside the ``nvidia-pytriton`` wheel: finds its parts and makes them runnable."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autotune.errors import UsageError
from autotune.server._triton_process import Binary

DISTRIBUTION = "nvidia-pytriton"
# The wheel does not say which server is in it.
_TRITON_VERSIONS = {"0.7.0": "2.51.0"}
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
LIBPYTHON = f"libpython{_PYTHON}.so.1.0"
_OWN_BACKENDS = Path(__file__).parent / "backends"

# Every stub runs this, so that a model's prints reach the log even if the stub is killed. PYTHONUNBUFFERED has no
# effect on the stub's isolated interpreter.
_STUB_PRELUDE = "\nimport sys\nsys.stdout.reconfigure(line_buffering=True)\n"


@dataclass(frozen=True)
class Bundle:
    """The parts of the wheel.

    Attributes:
        server: The ``tritonserver`` binary.
        libraries: The directory of the libraries that it links.
        python_backend: The directory of the Python backend.
        caches: The directory of the response caches' libraries.
        stub: The backend's stub for the running Python.
        version: Triton's version; ``unknown`` for an unknown wheel.
    """

    server: Path
    libraries: Path
    python_backend: Path
    caches: Path
    stub: Path
    version: str


def find_bundle() -> Bundle:
    """Returns the server in the installed wheel, without importing the wheel.

    Raises:
        UsageError: It is not installed, or does not support this machine or Python version.
    """
    spec = importlib.util.find_spec("pytriton")
    if spec is None or spec.origin is None:
        raise UsageError(
            f"--launch embedded: the package {DISTRIBUTION} is not installed; run `pip install {DISTRIBUTION}`"
        )
    root = Path(spec.origin).parent / "tritonserver"
    bundle = Bundle(
        server=root / "bin" / "tritonserver",
        libraries=root.parent.parent / "nvidia_pytriton.libs",
        python_backend=root / "backends" / "python",
        caches=root / "caches",
        stub=root / "python_backend_stubs" / _PYTHON / "triton_python_backend_stub",
        version=_TRITON_VERSIONS.get(importlib.metadata.version(DISTRIBUTION), "unknown"),
    )
    if not bundle.server.exists():
        raise UsageError(
            f"--launch embedded: {DISTRIBUTION} has no server for {platform.system()} {platform.machine()}; "
            "use --launch docker, local or remote"
        )
    if not bundle.stub.exists():
        raise UsageError(
            f"--launch embedded: {DISTRIBUTION} has no Python backend for Python {_PYTHON}; use Python 3.10 to 3.12"
        )
    return bundle


def find_libpython() -> Path | None:
    """The shared library of the running Python, which the Python backend's stub links; None if it is missing.

    Searches the interpreter's directories (pyenv, conda, a framework build) before the system's.
    """
    if sysconfig.get_config_var("Py_ENABLE_SHARED") or "libpython" in str(sysconfig.get_config_var("LDLIBRARY")):
        for directory in (sysconfig.get_config_var("LIBDIR"), os.path.join(sys.base_prefix, "lib")):
            if directory and (found := Path(directory) / LIBPYTHON).exists():
                return found
    return _system_library(LIBPYTHON)


def check_libpython() -> Path:
    """The library of `find_libpython`; raises `UsageError` with the remedy if it is missing."""
    found = find_libpython()
    if found is None:
        raise UsageError(
            f"--launch embedded: {LIBPYTHON} is missing, which Triton's Python backend needs; "
            f"run `apt-get install libpython{_PYTHON}`"
        )
    return found


def stage_bundle(bundle: Bundle, libpython: Path, directory: Path, environment: Mapping[str, str]) -> Binary:
    """Creates a backends folder in ``directory`` and returns the runnable server.

    The stub must be in the same folder as the backend's library, and Triton refuses a library that is linked from
    outside the backends folder. Both are therefore copied (2.5 MB). The stub's interpreter finds its packages through
    the first ``python3`` on PATH, which must be the running one.
    """
    backends = directory / "backends"
    shutil.copytree(_OWN_BACKENDS, backends, ignore=shutil.ignore_patterns("__pycache__", "__init__.py"))
    python = backends / "python"
    shutil.copytree(bundle.python_backend, python, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(bundle.stub, python)
    with (python / "triton_python_backend_utils.py").open("a") as utilities:
        utilities.write(_STUB_PRELUDE)
    # Only libpython, not its directory: conda's directory has other versions of Triton's libraries.
    libraries = directory / "lib"
    libraries.mkdir()
    (libraries / LIBPYTHON).symlink_to(libpython)
    inherited = environment.get("LD_LIBRARY_PATH")
    search = [str(libraries), str(bundle.libraries), *([inherited] if inherited else [])]
    return Binary(
        command=[str(bundle.server), f"--backend-directory={backends}", f"--cache-directory={bundle.caches}"],
        environment={
            **environment,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)]),
            "LD_LIBRARY_PATH": os.pathsep.join(search),
        },
        directory=directory,
    )


def _system_library(name: str) -> Path | None:
    ldconfig = shutil.which("ldconfig") or shutil.which("ldconfig", path="/sbin:/usr/sbin")
    if ldconfig is None:
        return None
    listing = subprocess.run([ldconfig, "-p"], capture_output=True, text=True, check=False).stdout
    for line in listing.splitlines():
        library, _, path = line.partition(" => ")
        if library.split(" ")[0].strip() == name and Path(path.strip()).exists():
            return Path(path.strip())
    return None
