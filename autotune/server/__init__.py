"""A running Triton: launch modes, health, load and unload, statistics."""
