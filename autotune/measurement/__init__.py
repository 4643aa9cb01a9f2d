"""From latencies to a verdict: the highest load at which every ceiling is met."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
