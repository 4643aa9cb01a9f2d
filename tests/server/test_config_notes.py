"""What is said about a config before it is served."""

import pytest

from autotune.repository import ModelConfig
from autotune.server import config_notes

CACHE = "response_cache { enable: true }"
LIMITER = 'instance_group { count: 2 rate_limiter { resources { name: "R" count: 1 } } }'


def notes(text: str, *arguments: str) -> str:
    return "; ".join(config_notes(ModelConfig.parse(f'name: "net" {text}', "config.pbtxt"), arguments))


@pytest.mark.parametrize("arguments", [(), ("--cache-directory=/x",), ("--log-verbose=1",)])
def test_a_response_cache_without_a_cache_has_no_effect(arguments: tuple[str, ...]) -> None:
    assert notes(CACHE, *arguments).startswith("net: response_cache has no effect")


@pytest.mark.parametrize(
    "arguments",
    [("--cache-config=local,size=1024",), ("--cache-c", "local,size=1024"), ("--response-cache-byte-size=1024",)],
)
def test_a_response_cache_with_a_cache_is_nothing_to_talk_about(arguments: tuple[str, ...]) -> None:
    assert notes(CACHE, *arguments) == ""


@pytest.mark.parametrize("arguments", [(), ("--rate-limit=off",), ("--rate-limit-resource=R:1",)])
def test_a_rate_limiter_without_rate_limiting_has_no_effect(arguments: tuple[str, ...]) -> None:
    assert notes(LIMITER, *arguments).startswith("net: rate_limiter has no effect")


@pytest.mark.parametrize("arguments", [("--rate-limit=execution_count",), ("--rate-limit", "execution_count")])
def test_a_rate_limiter_with_rate_limiting_is_nothing_to_talk_about(arguments: tuple[str, ...]) -> None:
    assert notes(LIMITER, *arguments) == ""


def test_arguments_that_are_not_known_say_nothing() -> None:
    assert config_notes(ModelConfig.parse(f'name: "net" {CACHE} {LIMITER}', "config.pbtxt"), None) == ()


def test_a_queue_policy_is_said_to_leave_requests_waiting() -> None:
    assert "500 ms" in notes("dynamic_batching { default_queue_policy { max_queue_size: 1 } }")
    assert "500 ms" in notes("dynamic_batching { priority_levels: 2 }")
    assert notes("dynamic_batching { default_queue_policy { } max_queue_delay_microseconds: 100 }") == ""
    assert notes(CACHE, "--cache-config=local,size=1024") == ""
