"""The exit codes of ``run``, ``measure``, ``compare`` and ``check`` that errors do not have (see `autotune.errors`)."""

UNDECIDED_EXIT_CODE = 1
"""Nothing was measured, or nothing that decides."""

SLO_VIOLATED_EXIT_CODE = 3
"""No config, or not the one that was measured, meets the SLO."""

SLOWER_EXIT_CODE = 4
"""The config is significantly slower than the recorded one."""

INTERRUPTED_EXIT_CODE = 130
"""A person stopped it."""
