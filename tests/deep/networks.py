"""Random parameters of networks, as `data/make_feature_metric_goldens.py` draws them."""

import numpy as np


def draw(shapes, seed):
    """Parameters in PyTorch's order of layers and axes, brought to ours."""
    return _draw(shapes, np.random.default_rng(seed))


def _draw(shapes, rng):
    if isinstance(shapes, dict):
        return {key: _draw(value, rng) for key, value in shapes.items()}
    if len(shapes) == 1:
        return np.float32(0.05) * rng.standard_normal(shapes, np.float32)
    axes = {4: (3, 2, 0, 1), 2: (1, 0)}[len(shapes)]
    kernel = rng.standard_normal([shapes[i] for i in axes], np.float32)
    kernel *= np.float32(np.sqrt(2 / np.prod(kernel.shape[1:])))
    return kernel.transpose(np.argsort(axes))


def draw_st_lpips(shapes, channels, seed):
    """The trunk of ST-LPIPS and heads that are not negative."""
    rng = np.random.default_rng(seed)
    features = _draw(shapes["features"], rng)
    heads = {str(i): np.abs(rng.standard_normal(n, np.float32)) for i, n in enumerate(channels)}
    return {"features": features, "heads": heads}
