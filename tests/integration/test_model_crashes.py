"""A model process that dies while its server lives on: found at once, with its batch, and not led to again.

Triton 2.51 neither restarts such a process nor calls the model not ready: its requests fail after 1 s with "Stub
process ... is not healthy", as this file's windows show (embedded server; the wait is in
`python_backend/src/stub_launcher.cc`, release r24.10).
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http
from killed_runs import wait_until
from launch_suite import example, infer
from tiny_models import write_model

from autotune.cli import main
from autotune.load import ClosedLoop, Traffic
from autotune.measurement import Deployment, Served, run_probe
from autotune.repository import ConfigSet, ModelRepository
from autotune.server import EmbeddedLauncher, LaunchOptions, ModelCrashed, RemoteLauncher, ServerCrashed

_CONFIG = """
backend: "python"
max_batch_size: {batch}
input {{ name: "input" data_type: TYPE_FP32 dims: [ 4 ] }}
output {{ name: "output" data_type: TYPE_FP32 dims: [ 4 ] }}
dynamic_batching {{ }}
instance_group {{ count: {count} kind: KIND_CPU }}
"""
_DIES = """
import os, signal, time
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        inputs = [pb_utils.get_input_tensor_by_name(request, "input").as_numpy() for request in requests]
        if sum(map(len, inputs)) >= {dies_at}:
            {how}
        time.sleep(0.004)
        return [pb_utils.InferenceResponse([pb_utils.Tensor("output", each)]) for each in inputs]
"""

_LIMIT_BYTES = 1 << 30


def write_dying(repository: Path, how: str, dies_at: int = 4, batch: int = 8, count: int = 1) -> None:
    """A model whose process does ``how`` in a batch of ``dies_at`` or more."""
    write_model(repository, "dies", _CONFIG.format(batch=batch, count=count), _DIES.format(how=how, dies_at=dies_at))


@pytest.mark.parametrize(
    ("how", "words", "size"),
    [
        ("os._exit(7)", "exit code 7", 1),
        ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL", 2),
    ],
)
def test_a_dead_model_process_is_found_at_once_with_its_batch(how: str, words: str, size: int, tmp_path: Path) -> None:
    write_dying(tmp_path, how)
    spec = ModelRepository(tmp_path).model("dies")
    launcher, configs = EmbeddedLauncher(LaunchOptions(start_timeout_s=60)), ConfigSet.of(spec.config)
    with Deployment(spec, launcher, tmp_path, Traffic(batch_size=size)).serve(configs, tmp_path / "log") as served:
        run_probe(served.server, served.generator, ClosedLoop(1), purpose="load", duration_s=0.1, timeout_s=5)
        began = time.monotonic()
        with pytest.raises(ModelCrashed, match=rf"the process of model dies died \({words}\) in a batch of \d") as died:
            run_probe(served.server, served.generator, ClosedLoop(5), purpose="load", duration_s=20, timeout_s=5)
        assert time.monotonic() - began < 8
        assert died.value.batch_size is not None
        assert 4 <= died.value.batch_size <= 8
        assert died.value.batch_size % size == 0
        assert not died.value.out_of_memory


def test_a_server_that_is_killed_while_answers_are_compared_has_crashed(tmp_path: Path) -> None:
    write_dying(tmp_path, "os.kill(os.getppid(), signal.SIGKILL)", dies_at=1)
    spec = ModelRepository(tmp_path).model("dies")
    launcher, configs = EmbeddedLauncher(LaunchOptions(start_timeout_s=60)), ConfigSet.of(spec.config)
    deployment = Deployment(spec, launcher, tmp_path, accepted={"dies"})
    with deployment.serve(configs, tmp_path / "log") as served:

        def compare() -> None:
            served.check_answers()
            wait_until(served.server.check_alive)  # its connections close a moment before it has ended

        with pytest.raises(ServerCrashed, match="SIGKILL"):
            compare()


@pytest.fixture
def memory_group() -> Iterator[tuple[Path, str]]:
    """A new control group and the name of its memory limit; skips where none can be made."""
    root = Path("/sys/fs/cgroup")
    parent, limit = (root / "memory", "memory.limit_in_bytes") if (root / "memory").is_dir() else (root, "memory.max")
    group = parent / f"autotune-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / limit).write_text(str(_LIMIT_BYTES))
    except OSError as error:
        pytest.skip(f"no control group for memory can be made: {error}")
    yield group, limit
    group.rmdir()


def test_out_of_memory_is_what_the_kernel_counted(memory_group: tuple[Path, str], tmp_path: Path) -> None:
    write_dying(tmp_path, "inputs.append(bytearray(b'x') * (2 << 30))")
    group, _ = memory_group
    where = ["--model-repository", str(tmp_path), "--launch", "embedded", "--results", str(tmp_path / "results")]
    command = ["measure", "--model", "dies", *where, "--concurrency", "1:5:4", "--duration", "300ms"]
    script = (
        f"import os; open({str(group / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))\n"
        f"from autotune.cli import main; raise SystemExit(main({command!r}))"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1, ended.stderr
    assert re.search(r"died \(out of memory at a limit of 1024 MiB\) in a batch of [4-8]", ended.stderr), ended.stderr


def test_a_run_is_not_led_again_where_the_model_dies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_dying(tmp_path, "os.kill(os.getpid(), signal.SIGABRT)", batch=2)
    space = tmp_path / "space.yaml"
    space.write_text("parameters:\n  max_batch_size: [2, 64]\n  instance_count: [1, 2]\n")
    where = ["--model-repository", str(tmp_path), "--launch", "embedded", "--results", str(tmp_path / "results")]
    # Trials that end quickly on a busy machine too.
    objective = ["--objective", "latency", "--min-throughput", "50", "--window", "100ms", "--final-rounds", "0"]
    flags = [*objective, "--sampler", "grid", "--trials", "9", "--search-space", str(space), "--json"]
    assert main(["run", "--model", "dies", *where, *flags]) == 0
    found = json.loads(capsys.readouterr().out)
    crashed = [trial for trial in found["trials"] if trial["outcome"] == "crashed"]
    assert [trial["parameters"]["max_batch_size"] for trial in crashed] == [64]
    size = crashed[0]["crash"]["batch_size"]
    assert 4 <= size <= 64
    assert crashed[0]["seconds"] < 30  # not a second for each of the requests that fail after it
    assert crashed[0]["message"] == f"the process of model dies died (SIGABRT) in a batch of {size}"
    assert [trial["outcome"] for trial in found["trials"]].count("feasible") == 2
    assert f"except those that may form batches of {size} or more" in found["stopped"]
    assert found["best"]["parameters"]["max_batch_size"] == 2
    assert main(["studies", "show", "--results", str(tmp_path / "results")]) == 0
    shown = capsys.readouterr().out
    assert "crashed: the process of model dies died" in " ".join(shown.split())
    assert "inf%" not in shown


def test_a_death_on_a_remote_server_is_known_by_tritons_words_and_the_model_restored(tmp_path: Path) -> None:
    models = tmp_path / "models"
    write_dying(models, "os._exit(7)")
    spec = ModelRepository(models).model("dies")
    with EmbeddedLauncher(LaunchOptions(start_timeout_s=60)).launch(models, "dies", tmp_path / "host") as host:
        url = f"127.0.0.1:{host.endpoint.http_port},{host.endpoint.grpc_port}"
        remote = RemoteLauncher(LaunchOptions(url=url, start_timeout_s=5))
        deployment = Deployment(spec, remote, tmp_path)
        with (
            pytest.raises(ModelCrashed, match=r"of model dies died .*is not healthy"),
            deployment.serve(ConfigSet.of(spec.config), tmp_path / "log") as served,
        ):
            two_short_windows(served)
        # Triton never ends to unload a model whose process died in an execution, but a load replaces it.
        np.testing.assert_array_equal(infer(tritonclient.http, host.endpoint, "dies"), example())


def two_short_windows(served: Served) -> None:
    """The first may end before Triton says so."""
    for _ in range(2):
        run_probe(served.server, served.generator, ClosedLoop(5), purpose="load", duration_s=0.2, timeout_s=0.2)
