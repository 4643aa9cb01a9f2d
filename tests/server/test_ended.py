"""What the end of a server, or its silence, is taken for."""

import re
import socket
from typing import Any

import pytest

from autotune.errors import UsageError
from autotune.server import Endpoint, LoadFailed, ServerCrashed
from autotune.server._container_settings import container_settings
from autotune.server._ended import why_ended
from autotune.server._options import LaunchOptions
from autotune.server._ports import PortsTaken
from autotune.server._readiness import ReadyServer

REFUSED = "E1121 10:59:28.266139 13527 model_lifecycle.cc:642] \"failed to load 'm' version 1: Internal: no weights\"\n"


@pytest.mark.parametrize(
    ("code", "log", "how", "kind", "words"),
    [
        (1, REFUSED, {}, LoadFailed, "Internal: no weights"),
        (1, REFUSED, {"lack": "out of memory; raise --memory"}, ServerCrashed, "out of memory; raise --memory"),
        (-9, REFUSED, {}, ServerCrashed, "SIGKILL"),
        (139, REFUSED, {}, ServerCrashed, "SIGSEGV"),
        (1, REFUSED, {"ready": True}, ServerCrashed, "exit code 1"),
        (1, "error: failed to start HTTP service: already in use\n", {}, PortsTaken, "in use"),
        (0, "", {}, ServerCrashed, "its log is empty"),
    ],
)
def test_the_cause_of_an_end_is_recognised(
    code: int, log: str, how: dict[str, Any], kind: type[Exception], words: str
) -> None:
    ended = why_ended(code, log, **{"ready": False, **how})
    assert type(ended) is kind
    assert words in str(ended)
    assert "\n" not in str(ended)


USAGE = "Usage: tritonserver [options]\n  --help\n\tDefault is 0.\n\n"


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (
            f"/bin/tritonserver: unrecognized option '--bogus'\n{USAGE}",
            "--triton-arg: .*: unrecognized option '--bogus';",
        ),
        (f"{USAGE}Invalid option value. Got zz\n", "--triton-arg: .*: Invalid option value. Got zz;"),
        (
            f"tritonserver: unrecognized option '--disable-auto-complete-config'\n{USAGE}",
            "--launch: this Triton does not know --disable-auto-complete-config",
        ),
    ],
)
def test_a_refused_command_line_names_the_flag_at_fault(log: str, message: str) -> None:
    ended = why_ended(1, log, ready=False)
    assert type(ended) is UsageError
    assert re.match(message, str(ended))


def test_server_that_runs_but_does_not_answer_counts_as_crashed() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = ReadyServer(Endpoint("127.0.0.1", port, port), "m", 1.0, None, alive=lambda: None)
    for ask in (server.statistics, server.metadata, server.model_config, server.model_metadata):
        with pytest.raises(ServerCrashed, match="no longer serves"):
            ask()


@pytest.mark.parametrize(
    ("security", "expected"),
    [
        ([], {"user": "5:6", "group_add": ["7"]}),
        (["name=rootless"], {"user": "0:0"}),
        (["name=userns"], {"user": "5:6", "group_add": ["7"], "userns_mode": "host"}),
    ],
)
def test_the_container_runs_as_a_user_who_can_read_the_model(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, security: list[str], expected: dict[str, Any]
) -> None:
    for name, value in (("getuid", 5), ("getgid", 6), ("getgroups", [7])):
        monkeypatch.setattr(f"os.{name}", lambda value=value: value)
    settings = container_settings(LaunchOptions(), {"SecurityOptions": security}, tmp_path)
    assert {key: settings[key] for key in ("user", "group_add", "userns_mode") if key in settings} == expected
