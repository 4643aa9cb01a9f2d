"""Fields of a config that do nothing without an argument of the server, and the queue policy's cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from autotune.repository import ModelConfig, has_queue_policy, has_rate_limiter, has_response_cache

_CACHE = ("--cache-config", "--response-cache-byte-size")
_LIMIT = "--rate-limit"
_SHORTEST = len("--c")  # Triton accepts any unambiguous prefix of an option


def config_notes(config: ModelConfig, arguments: Sequence[str] | None) -> tuple[str, ...]:
    """What a user should know about a config before it is served, one line each.

    Args:
        config: The config.
        arguments: The server's extra arguments; None where they are not known.
    """
    written = config.to_json()
    notes = [*_without_effect(config.name, written, arguments)] if arguments is not None else []
    if has_queue_policy(written):
        notes.append(
            f"{config.name}: with a queue policy or priority levels, Triton 2.51 leaves requests waiting for up to "
            "500 ms now and then, though an instance is idle"
        )
    return tuple(notes)


def _without_effect(name: str, config: Mapping[str, object], arguments: Sequence[str]) -> Iterator[str]:
    if has_response_cache(config) and not any(_given(option, arguments) for option in _CACHE):
        yield (
            f"{name}: response_cache has no effect, as the server has no cache; "
            f"give --triton-arg={_CACHE[0]}=local,size=BYTES, or remove it"
        )
    if has_rate_limiter(config) and _given(_LIMIT, arguments) != "execution_count":
        yield (
            f"{name}: rate_limiter has no effect, as the server does not limit rates; "
            f"give --triton-arg={_LIMIT}=execution_count, or remove it"
        )


def _given(name: str, arguments: Sequence[str]) -> str:
    """The value that the arguments give an option; empty if they do not."""
    for place, argument in enumerate(arguments):
        option, assigned, value = argument.partition("=")
        if len(option) > _SHORTEST and name.startswith(option):
            return value if assigned else next(iter(arguments[place + 1 :]), "")
    return ""
