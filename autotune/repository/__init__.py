"""A Triton model repository: configs, model files, and a staged copy for each trial."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
