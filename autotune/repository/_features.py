"""Features of a config that change how Triton answers, in the JSON form that Triton and `ModelConfig.to_json` write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Config = Mapping[str, Any]

# An unset queue policy as Triton writes it out; 64-bit numbers as text.
_UNSET = ("0", "False", "REJECT")


def has_queue_policy(config: Config) -> bool:
    """Whether the dynamic batcher has a queue policy or priority levels.

    Triton 2.51 then picks waiting requests up only at a 500 ms poll now and then, though an instance is idle.
    """
    batching = config.get("dynamic_batching") or {}
    policy = batching.get("default_queue_policy") or {}
    chosen = any(str(value) not in _UNSET for value in policy.values())
    return chosen or str(batching.get("priority_levels", 0)) != "0" or bool(batching.get("priority_queue_policy"))


def has_rate_limiter(config: Config) -> bool:
    """Whether instances need resources or have a priority; without effect unless the server limits the rate."""
    limiters = [group.get("rate_limiter") or {} for group in config.get("instance_group") or ()]
    return any(limiter.get("resources") or limiter.get("priority") for limiter in limiters)


def has_response_cache(config: Config) -> bool:
    """Whether responses may come from the cache; without effect unless the server has one."""
    return bool((config.get("response_cache") or {}).get("enable"))
