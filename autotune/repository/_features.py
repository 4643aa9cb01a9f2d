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


def queue_limit(config: Config) -> tuple[int, str]:
    """How many requests without a priority may wait, 0 for any number, and the field that says so.

    With priority levels the default level's policy counts if it has one, else the default policy.
    """
    batching = config.get("dynamic_batching") or {}
    level = str(batching.get("default_priority_level") or "")
    policies = {str(key): value for key, value in (batching.get("priority_queue_policy") or {}).items()}
    place, policy = "default_queue_policy", batching.get("default_queue_policy") or {}
    if level in policies and str(batching.get("priority_levels", 0)) != "0":
        place, policy = f"priority_queue_policy.{level}", policies[level]
    return int(policy.get("max_queue_size") or 0), f"dynamic_batching.{place}.max_queue_size"


def has_rate_limiter(config: Config) -> bool:
    """Whether instances need resources or have a priority; without effect unless the server limits the rate."""
    limiters = [group.get("rate_limiter") or {} for group in config.get("instance_group") or ()]
    return any(limiter.get("resources") or limiter.get("priority") for limiter in limiters)


def has_response_cache(config: Config) -> bool:
    """Whether responses may come from the cache; without effect unless the server has one."""
    return bool((config.get("response_cache") or {}).get("enable"))
