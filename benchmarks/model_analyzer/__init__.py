"""autotune against Triton Model Analyzer: the same models, server and space, both results judged by perf_analyzer."""
