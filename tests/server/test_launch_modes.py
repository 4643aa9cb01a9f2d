"""The embedded, local and remote modes pass the launch suite with a real Triton."""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import psutil
import pytest
import tritonclient.http
from ending import ends
from launch_suite import LaunchSuite, example, infer, interrupt
from tiny_models import onnx_config, write_double, write_model, write_onnx

from autotune.errors import UsageError
from autotune.repository import ModelRepository
from autotune.server import (
    EmbeddedLauncher,
    Launcher,
    LaunchOptions,
    LocalLauncher,
    RemoteLauncher,
    RunningServer,
    _triton_process,
    choose_launcher,
)
from autotune.server._belongings import SHARED_MEMORY
from autotune.server._bundle import check_libpython, find_bundle, stage_bundle
from autotune.server._control import ControlClient
from autotune.server._ports import pick_ports
from autotune.server._process import ServerProcess

MODELS = Path(__file__).parents[2] / "model_repository"


def server_processes() -> set[int]:
    """Servers that this test process started, and their stubs."""
    return {
        process.pid
        for process in psutil.Process().children(recursive=True)
        if "triton" in process.name() and process.status() != psutil.STATUS_ZOMBIE
    }


def own_files() -> set[str]:
    directories = (SHARED_MEMORY, Path(tempfile.gettempdir()))
    return {str(path) for each in directories for path in each.glob(f"autotune-*-{os.getpid()}-*")}


def kill_server(server: RunningServer) -> None:
    identity = f"--id={server.metadata()['name']}"
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # another one that has just ended
            if process.name() == "tritonserver" and identity in process.cmdline():
                process.kill()


class ProcessSuite(LaunchSuite):
    def kill(self, server: RunningServer) -> None:
        kill_server(server)

    def leftovers(self) -> set[str]:
        return {f"process {pid}" for pid in server_processes()} | own_files()

    @pytest.mark.parametrize("after_s", [0.015, 0.02, 0.4])
    def test_interrupted_start_leaves_nothing(
        self, launcher: Launcher, repository: Path, tmp_path: Path, after_s: float
    ) -> None:
        interrupt(launcher, repository, tmp_path / "log", after_s)


class TestEmbedded(ProcessSuite):
    @pytest.fixture
    def launcher(self, options: LaunchOptions) -> Launcher:
        return EmbeddedLauncher(options)

    @pytest.fixture
    def impatient(self) -> Launcher:
        return EmbeddedLauncher(LaunchOptions(start_timeout_s=1.5))


class TestLocal(ProcessSuite):
    """A ``tritonserver`` given by its path: the wheel's behind a script, laid out as an installation is."""

    @pytest.fixture(scope="class")
    @classmethod
    def binary(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        directory = tmp_path_factory.mktemp("opt")
        staged = stage_bundle(find_bundle(), check_libpython(), directory, os.environ)
        script = directory / "tritonserver"
        script.write_text(
            "#!/bin/sh\n"
            f"export PATH='{staged.environment['PATH']}' LD_LIBRARY_PATH='{staged.environment['LD_LIBRARY_PATH']}'\n"
            f'exec {" ".join(staged.command)} "$@"\n'
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        return script

    @pytest.fixture
    def options(self, binary: Path) -> LaunchOptions:
        return LaunchOptions(triton_path=binary, start_timeout_s=30)

    @pytest.fixture
    def launcher(self, options: LaunchOptions) -> Launcher:
        return LocalLauncher(options)

    @pytest.fixture
    def impatient(self, binary: Path) -> Launcher:
        return LocalLauncher(LaunchOptions(triton_path=binary, start_timeout_s=1.5))

    def test_auto_takes_a_given_binary(self, binary: Path) -> None:
        launcher, why = choose_launcher("auto", LaunchOptions(triton_path=binary))
        assert launcher.name == "local"
        assert "--triton-path" in why


class TestRemote(LaunchSuite):
    """Someone else's server, here an embedded one with another model loaded."""

    keeps_log: ClassVar[bool] = False

    @pytest.fixture
    def someone_elses(
        self, request: pytest.FixtureRequest, repository: Path, tmp_path: Path
    ) -> Iterator[RunningServer]:
        # Completing configs, as servers do unless told otherwise, takes a second for each load.
        completes = "without_config" in request.node.name
        options = LaunchOptions(triton_args=("--strict-model-config=false",) if completes else ())
        with EmbeddedLauncher(options).launch(repository, "negate", tmp_path / "theirs.log") as server:
            yield server

    @pytest.fixture
    def options(self, someone_elses: RunningServer) -> LaunchOptions:
        endpoint = someone_elses.endpoint
        return LaunchOptions(url=f"{endpoint.host}:{endpoint.http_port},{endpoint.grpc_port}", start_timeout_s=30)

    @pytest.fixture
    def launcher(self, options: LaunchOptions) -> Launcher:
        return RemoteLauncher(options)

    @pytest.fixture
    def impatient(self, options: LaunchOptions) -> Launcher:
        return RemoteLauncher(LaunchOptions(url=options.url, start_timeout_s=1.5))

    def kill(self, server: RunningServer) -> None:
        kill_server(server)

    def leftovers(self) -> set[str]:
        return set()  # nothing is started; the tests below say what is loaded afterwards

    def test_staged_config_overrides_the_servers_and_is_undone(
        self, launcher: Launcher, someone_elses: RunningServer, tmp_path: Path
    ) -> None:
        staged = tmp_path / "staged"
        write_onnx(staged, "negate", onnx_config("max_batch_size: 64 dynamic_batching { }"), operator="Neg")
        with launcher.launch(staged, "negate", tmp_path / "server.log") as server:
            assert server.model_config()["max_batch_size"] == 64
            assert "dynamic_batching" in server.model_config()
        assert someone_elses.model_config()["max_batch_size"] == 8
        assert "dynamic_batching" not in someone_elses.model_config()
        assert (infer(tritonclient.http, someone_elses.endpoint, "negate") == -example()).all()

    def test_model_that_was_not_loaded_is_unloaded_again(
        self, launcher: Launcher, someone_elses: RunningServer, repository: Path, tmp_path: Path
    ) -> None:
        with launcher.launch(repository, "double", tmp_path / "server.log"):
            pass
        with pytest.raises(tritonclient.http.InferenceServerException):
            infer(tritonclient.http, someone_elses.endpoint, "double")

    def test_refused_config_leaves_the_loaded_model_as_it_was(
        self, launcher: Launcher, someone_elses: RunningServer, tmp_path: Path
    ) -> None:
        staged = tmp_path / "staged"
        write_onnx(staged, "negate", onnx_config(datatype="TYPE_INT32"), operator="Neg")
        with pytest.raises(Exception, match="TYPE_INT32"), launcher.launch(staged, "negate", tmp_path / "log"):
            pass
        assert someone_elses.model_config()["max_batch_size"] == 8
        assert (infer(tritonclient.http, someone_elses.endpoint, "negate") == -example()).all()

    def test_model_that_the_server_does_not_have_is_a_usage_error(
        self, launcher: Launcher, someone_elses: RunningServer, tmp_path: Path
    ) -> None:
        write_double(tmp_path / "staged", "unheard_of")
        with (
            pytest.raises(UsageError, match=r"--model: .*no 'unheard_of'"),
            launcher.launch(tmp_path / "staged", "unheard_of", tmp_path / "log"),
        ):
            pass

    def test_server_without_explicit_control_is_refused(
        self, repository: Path, options: LaunchOptions, tmp_path: Path
    ) -> None:
        write_double(tmp_path / "served")
        with (
            everything_loaded(tmp_path / "served", tmp_path) as url,
            pytest.raises(UsageError, match=r"--url: .*--model-control-mode=explicit"),
            RemoteLauncher(LaunchOptions(url=url)).launch(tmp_path / "served", "double", tmp_path / "log"),
        ):
            pass


@contextmanager
def everything_loaded(repository: Path, directory: Path) -> Iterator[str]:
    """The address of a server that loads all models itself and allows no one else to."""
    binary = stage_bundle(find_bundle(), check_libpython(), directory, os.environ)
    ports = pick_ports(None, None)
    arguments = [f"--http-port={ports.http}", f"--grpc-port={ports.grpc}", "--allow-metrics=false"]
    process = ServerProcess(directory / "theirs.log")
    try:
        process.start([*binary.command, f"--model-repository={repository}", *arguments], binary.environment)
        control = ControlClient("127.0.0.1", ports.http)
        while not control.ready():
            assert process.returncode() is None
            time.sleep(0.02)
        yield f"127.0.0.1:{ports.http}"
    finally:
        process.stop(10)


@contextmanager
def study_of_another_process(directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that serves a model."""
    write_double(directory / "models")
    script = (
        "import sys, time; from pathlib import Path; from autotune.server import EmbeddedLauncher\n"
        "models, log = map(Path, sys.argv[1:])\n"
        "with EmbeddedLauncher().launch(models, 'double', log):\n"
        "    print('ready', flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, directory / "models", directory / "log"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as study:
        assert study.stdout is not None
        assert study.stdout.readline() == b"ready\n"
        yield study
        study.kill()


def left_by(study: subprocess.Popen[bytes]) -> list[Path]:
    directories = (SHARED_MEMORY, Path(tempfile.gettempdir()))
    return [path for each in directories for path in each.glob(f"autotune-*-{study.pid}-*")]


def test_killed_study_leaves_nothing(tmp_path: Path) -> None:
    environments = set(Path("/tmp").glob("python_env_*"))  # noqa: S108 - Triton's
    with study_of_another_process(tmp_path) as study:
        family = psutil.Process(study.pid).children(recursive=True)
        assert {"tritonserver", "triton_python_b"} <= {each.name()[:15] for each in family}
        assert left_by(study)
        made = set(Path("/tmp").glob("python_env_*")) - environments  # noqa: S108
        study.kill()
        _, alive = psutil.wait_procs(family, timeout=10)
        assert alive == []
        assert left_by(study) == []
        if len(made) == 1:  # no other server was started meanwhile
            assert not any(each.exists() for each in made)


def test_what_a_study_and_its_keeper_leave_when_both_are_killed_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of its own: runs of other tests remove what dead ones left in the usual place.
    temporary = Path(tempfile.mkdtemp(prefix="own-"))
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with study_of_another_process(tmp_path) as study:
        family = psutil.Process(study.pid).children(recursive=True)
        for process in (family[0], psutil.Process(study.pid)):
            process.kill()
        psutil.wait_procs(family, timeout=10)
        assert len(left_by(study)) >= 1
        memory = SHARED_MEMORY / left_by(study)[0].name
        memory.write_bytes(b"as a server killed with its stub leaves it")
        with EmbeddedLauncher().launch(tmp_path / "models", "double", tmp_path / "log"):
            assert left_by(study) == []
    temporary.rmdir()


def test_stubs_of_a_study_killed_under_load_are_ended_by_the_next(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from autotune.load import ClosedLoop\n"
        "from autotune.measurement import Deployment; from autotune.repository import ConfigSet, ModelRepository\n"
        "from autotune.server import EmbeddedLauncher\n"
        "spec = ModelRepository(Path(sys.argv[1])).model('accelerator')\n"
        "config = spec.config.with_value('instance_group[0].count', 4)\n"
        "directory = Path(sys.argv[2])\n"
        "configs = ConfigSet.of(config)\n"
        "with Deployment(spec, EmbeddedLauncher(), directory).serve(configs, directory / 'log') as served:\n"
        "    print('ready', flush=True); served.generator.run(ClosedLoop(32), 60, 1)\n"
    )
    study = subprocess.Popen([sys.executable, "-c", script, MODELS, tmp_path], stdout=subprocess.PIPE)
    assert study.stdout is not None
    assert study.stdout.readline() == b"ready\n"
    time.sleep(1)  # the load
    stubs = [each for each in psutil.Process(study.pid).children(recursive=True) if "stub" in each.cmdline()[0]]
    assert len(stubs) == 4
    study.send_signal(signal.SIGKILL)
    study.wait()
    study.stdout.close()
    write_double(tmp_path / "models")
    with EmbeddedLauncher().launch(tmp_path / "models", "double", tmp_path / "double.log"):
        _, alive = psutil.wait_procs(stubs, timeout=5)
        assert alive == []


def test_argument_that_triton_does_not_know_is_a_usage_error(tmp_path: Path) -> None:
    write_double(tmp_path / "models")
    with (
        pytest.raises(UsageError, match=r"--triton-arg: .*unrecognized option '--bogus'"),
        EmbeddedLauncher(LaunchOptions(triton_args=("--bogus",))).launch(
            tmp_path / "models", "double", tmp_path / "log"
        ),
    ):
        pass


def test_config_is_the_same_where_completion_is_left_out(tmp_path: Path) -> None:
    write_double(tmp_path / "models", extra="max_batch_size: 8 dynamic_batching { }")
    write_onnx(tmp_path / "models", "negate", onnx_config("max_batch_size: 8"), operator="Neg")
    completing = EmbeddedLauncher(LaunchOptions(triton_args=("--strict-model-config=false",)))
    for model in ("double", "negate"):
        with EmbeddedLauncher().launch(tmp_path / "models", model, tmp_path / "log") as server:
            quick = server.model_config()
            assert '"auto-complete-config":"false"' in (tmp_path / "log").read_text()
        with completing.launch(tmp_path / "models", model, tmp_path / "log") as server:
            assert '"auto-complete-config":"true"' in (tmp_path / "log").read_text()
            assert server.model_config() == quick


def test_python_model_that_leaves_its_process_group_is_stopped_too(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    write_double(tmp_path / "models")
    source = tmp_path / "models" / "double" / "1" / "model.py"
    source.write_text(
        source.read_text()
        + "    def initialize(self, args):\n"
        + "        import subprocess\n"
        + "        worker = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        + f"        open({str(marker)!r}, 'w').write(str(worker.pid))\n"
    )
    with EmbeddedLauncher().launch(tmp_path / "models", "double", tmp_path / "log"):
        worker = int(marker.read_text())
        assert psutil.Process(worker).name() == "sleep"
    assert ends(worker)


def test_daemon_that_a_python_model_starts_is_stopped_too(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    write_double(tmp_path / "models")
    source = tmp_path / "models" / "double" / "1" / "model.py"
    source.write_text(
        source.read_text()
        + "    def initialize(self, args):\n"
        + "        import subprocess\n"
        + f"        subprocess.run(['setsid', '-f', 'sh', '-c', 'echo $$ >{marker}; exec sleep 600'])\n"
    )
    with EmbeddedLauncher().launch(tmp_path / "models", "double", tmp_path / "log") as server:
        daemon = psutil.Process(int(marker.read_text()))
        assert server.pid not in {each.pid for each in daemon.parents()}
    assert ends(daemon.pid)


@pytest.mark.parametrize("name", ["with blank", "quote'd", "a&b;c"])
def test_paths_that_a_shell_would_interpret_are_kept_from_triton(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Triton 2.51's Python backend starts its processes by ``bash -c`` with unquoted paths."""
    write_double(tmp_path / name)
    (tmp_path / f"tmp {name}").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / f"tmp {name}"))
    launcher = EmbeddedLauncher(LaunchOptions(start_timeout_s=20))
    with launcher.launch(tmp_path / name, "double", tmp_path / "log") as server:
        assert (infer(tritonclient.http, server.endpoint, "double") == 2 * example()).all()
    assert list(Path("/tmp").glob(f"autotune-*-{os.getpid()}-*")) == []  # noqa: S108


@pytest.mark.parametrize(
    ("name", "extra", "said"),
    [
        ("with blank", "", "--model: 'with blank' has ' '"),
        ("double", 'instance_group { name: "a;b" kind: KIND_CPU }', "names an instance group 'a;b' with ';'"),
    ],
)
def test_names_that_a_shell_would_interpret_are_refused(tmp_path: Path, name: str, extra: str, said: str) -> None:
    config = f'backend: "python" max_batch_size: 8 {extra}'
    write_model(tmp_path, name, config, "")
    with pytest.raises(UsageError, match=said):
        EmbeddedLauncher().check_model(ModelRepository(tmp_path).model(name))


def test_graceful_stop_lets_models_finalize(tmp_path: Path) -> None:
    marker = tmp_path / "finalized"
    write_double(tmp_path / "models")
    source = tmp_path / "models" / "double" / "1" / "model.py"
    source.write_text(source.read_text() + f"    def finalize(self):\n        open({str(marker)!r}, 'w').close()\n")
    with EmbeddedLauncher(LaunchOptions(stop_grace_s=10)).launch(tmp_path / "models", "double", tmp_path / "log"):
        pass
    assert marker.exists()


@pytest.mark.parametrize("listener", ["http", "grpc"])
def test_port_lost_to_another_process_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: str
) -> None:
    write_double(tmp_path / "models")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        lost = replace(pick_ports(None, None), **{listener: taken.getsockname()[1]})
        picks = iter([lost, pick_ports(None, None)])
        monkeypatch.setattr(_triton_process, "pick_ports", lambda http, grpc: next(picks))
        with EmbeddedLauncher().launch(tmp_path / "models", "double", tmp_path / "log") as server:
            assert (infer(tritonclient.http, server.endpoint, "double") == 2 * example()).all()
    assert next(picks, None) is None
