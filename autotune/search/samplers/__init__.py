"""Optuna samplers over whole candidates, each proposed once."""

from autotune.search.samplers._candidate_sampler import CandidateSampler, SpaceExhausted
from autotune.search.samplers._constraints import CONSTRAINTS_ATTR
from autotune.search.samplers._strategies import MODEL, SAMPLERS, check_sampler, create_sampler

__all__ = [
    "CONSTRAINTS_ATTR",
    "MODEL",
    "SAMPLERS",
    "CandidateSampler",
    "SpaceExhausted",
    "check_sampler",
    "create_sampler",
]
