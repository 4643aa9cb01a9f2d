"""Finds the best Triton Inference Server configuration for a model under a latency promise."""
