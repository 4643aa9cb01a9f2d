"""What is read out of a server's log."""

import pytest

from autotune.server._reason import exit_text, last_words, load_reason, ports_clashed

_RAISED = (
    "E1121 10:59:28.266139 13527 model_lifecycle.cc:642] \"failed to load 'm' version 1: Internal: "
    "TritonModelException: the model expects 1 dimensions\\n\\nAt:\\n  /tmp/b/model.py(315): _check\\n"
    '  /tmp/b/model.py(89): initialize\\n"\n'
    "I1121 10:59:28.266153 13527 model_lifecycle.cc:777] \"failed to load 'm'\"\n"
    "error: creating server: Internal - failed to load all models\n"
)
_CLASH = (
    'E1121 11:00:00.000000 1 server.cc:241] "CudaDriverHelper has not been initialized."\n'
    "I1121 11:00:00.000000 1 model_lifecycle.cc:839] \"successfully loaded 'm'\"\n"
    "failed to start HTTP service: Unavailable - Socket '127.0.0.1:8000' already in use \n"
)


def test_the_reason_is_that_of_the_failed_version_with_its_place() -> None:
    assert load_reason(_RAISED) == (
        "Internal: TritonModelException: the model expects 1 dimensions (model.py line 315, _check)"
    )


def test_parse_error_names_line_and_column() -> None:
    log = (
        "[libprotobuf ERROR text_format.cc:337] Error parsing text-format inference.ModelConfig: "
        "1:17: Expected integer, got: eight\n"
        "E1121 11:18:22.557145 15946 model_repository_manager.cc:1460] \"Poll failed for model directory 'm': "
        'failed to read text proto from /models/m/config.pbtxt"\n'
    )
    assert load_reason(log) == "config.pbtxt does not parse: 1:17: Expected integer, got: eight"


def test_lines_that_every_cpu_server_logs_are_no_reason() -> None:
    log = 'E1121 10:59:28.266139 13527 server.cc:241] "CudaDriverHelper has not been initialized."\n'
    assert load_reason(log) == ""
    assert last_words(log) == "its log does not say why"


def test_last_words_are_never_what_a_healthy_server_logs_as_it_starts() -> None:
    started = (
        "+----------+\n| Model |\n"
        'I1129 10:34:34.189963 7571 grpc_server.cc:2558] "Started GRPCInferenceService at 127.0.0.1:48703"\n'
        'I1129 10:34:34.190225 7571 http_server.cc:4713] "Started HTTPService at 127.0.0.1:43837"\n'
    )
    assert last_words(started) == "its log does not say why"
    crashed = "Signal (11) received.\n 0# 0x000055D0 in tritonserver\n 1# 0x00007F in /lib/libc.so.6\n"
    assert last_words(started + crashed) == "Signal (11) received."


def test_a_port_in_use_is_not_reported_as_a_refused_load() -> None:
    assert ports_clashed(_CLASH)
    assert not ports_clashed(_RAISED)


def test_long_reason_is_cut() -> None:
    log = f"E1121 10:59:28.266139 13527 x.cc:1] \"failed to load 'm' version 1: {'long ' * 1000}\"\n"
    assert len(load_reason(log)) == 600


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (1, "exit code 1"),
        (-9, "SIGKILL"),
        (137, "SIGKILL"),
        (-11, "SIGSEGV"),
    ],
)
def test_a_killed_process_is_reported_by_its_signal(code: int, text: str) -> None:
    assert exit_text(code) == text
