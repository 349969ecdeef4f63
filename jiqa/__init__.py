"""jiqa: image quality assessment for JAX.

Metrics are pure functions of images `[..., H, W, C]`, reference first: `jiqa.ssim(reference,
distorted)`. Metrics and their maps are attributes of this package; submodules load on first use.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_SUBMODULES = (
    "core",
    "datasets",
    "deep",
    "distribution",
    "evaluation",
    "full_reference",
    "images",
    "networks",
    "no_reference",
    "opinions",
    "pairs",
    "pipeline",
    "reduced_reference",
    "results",
    "scoring",
    "subjective",
    "training",
    "weights",
)
_FUNCTIONS = {"salient_region": "jiqa.regions", "pool_frames": "jiqa.core.video"}
_REGISTRY = ("Metric", "as_loss", "describe", "find", "list_metrics", "load", "metric")


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"jiqa.{name}")
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(_FUNCTIONS[name]), name)
    if name.startswith("_"):
        raise AttributeError(f"module 'jiqa' has no attribute {name!r}")
    registry = importlib.import_module("jiqa.core.registry")
    if name in _REGISTRY:
        return getattr(registry, name)
    if (function := registry.find_function(name)) is not None:
        return function
    raise AttributeError(f"module 'jiqa' has no attribute {name!r}; see jiqa.list_metrics()")


def __dir__() -> list[str]:
    registry = importlib.import_module("jiqa.core.registry")
    return sorted({*globals(), *_SUBMODULES, *_FUNCTIONS, *_REGISTRY, *registry.list_metrics()})
