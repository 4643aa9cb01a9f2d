"""Arguments of tritonserver among a config's parameters."""

import pytest

from autotune.errors import UsageError
from autotune.repository import ModelConfig, server_arguments
from autotune.space import SearchSpace


def config(name: str, **arguments: str) -> ModelConfig:
    found = ModelConfig.parse(f'name: "{name}" backend: "python"', "config.pbtxt")
    for key, value in arguments.items():
        found = found.with_value(f"parameters.{key}", value)
    return found


def test_parameters_that_are_arguments_go_to_the_server_and_others_do_not() -> None:
    found = config("a", **{"--http-thread-count": "16", "threads": "2", "--buffer-manager-thread-count": "4"})
    assert server_arguments([found, config("b")]) == ("--buffer-manager-thread-count=4", "--http-thread-count=16")


def test_two_configs_that_disagree_are_refused() -> None:
    with pytest.raises(UsageError, match="--http-thread-count is 2 in the config of a and 4 in that of b"):
        server_arguments([config("a", **{"--http-thread-count": "2"}), config("b", **{"--http-thread-count": "4"})])


def test_each_value_of_a_space_is_a_config_and_null_leaves_the_argument_out() -> None:
    space = SearchSpace.parse("server: {--http-thread-count: [null, 2, 16]}", "space.yaml")
    configs = [space.apply(each, config("a")) for each in space.candidates()]
    assert [server_arguments([each]) for each in configs] == [
        (),
        ("--http-thread-count=2",),
        ("--http-thread-count=16",),
    ]
