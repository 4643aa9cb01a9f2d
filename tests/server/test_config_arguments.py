"""The tritonserver arguments that decide what a config means."""

import pytest

from autotune.errors import UsageError
from autotune.repository import Completion
from autotune.server import completion, config_name
from autotune.server._config_arguments import without_config_name


@pytest.mark.parametrize(
    ("arguments", "name", "rest"),
    [
        ((), "", []),
        (("--log-verbose=1",), "", ["--log-verbose=1"]),
        (("--model-config-name=big",), "big", []),
        (("--model-config-name", "big", "--log-verbose=1"), "big", ["--log-verbose=1"]),
        (("--model-conf=big", "--model-config-name=small"), "small", []),  # Triton takes prefixes, and the last one
        (("--backend-config", "python,a=1", "--model-config-name", "big"), "big", ["--backend-config", "python,a=1"]),
    ],
)
def test_the_config_name_is_read_as_triton_reads_it_and_not_passed_on(
    arguments: tuple[str, ...], name: str, rest: list[str]
) -> None:
    assert config_name(arguments) == name
    assert without_config_name(arguments) == rest


@pytest.mark.parametrize("argument", ["--model-config-name=", "--model-config-name=a/b", "--model-config-name=a b"])
def test_a_config_name_that_is_no_file_name_is_refused(argument: str) -> None:
    with pytest.raises(UsageError, match=r"--triton-arg: --model-config-name=.* is not a config's name"):
        config_name((argument,))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), Completion(on=True, max_batch_size=4)),
        (("--backend-config=default-max-batch-size=8",), Completion(max_batch_size=8)),
        (("--backend-config", "default-max-batch-size=8"), Completion(max_batch_size=8)),
        (
            ("--backend-config=onnxruntime,default-max-batch-size=2", "--backend-config=default-max-batch-size=8"),
            Completion(max_batch_size=2),
        ),
        (("--backend-config=tensorflow,default-max-batch-size=2",), Completion(max_batch_size=4)),
        (("--backend-config=python,shm-default-byte-size=1",), Completion()),
        (("--disable-auto-complete-config",), Completion(on=False)),
        (("--strict-model-config=true",), Completion(on=False)),
        (("--strict-model-config", "false"), Completion(on=True)),
    ],
)
def test_what_completes_a_config_is_read_from_the_arguments(arguments: tuple[str, ...], expected: Completion) -> None:
    assert completion(arguments) == expected


def test_a_default_batch_size_that_is_no_number_is_refused() -> None:
    with pytest.raises(UsageError, match="--triton-arg: default-max-batch-size='many' is not a number"):
        completion(("--backend-config=default-max-batch-size=many",))
