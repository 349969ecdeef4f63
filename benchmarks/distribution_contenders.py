"""One package's way to a distance from features; `distribution.py` runs this file.

    python distribution_contenders.py PACKAGE CASE FOLDER SUBSETS SUBSET_SIZE

reads x.npy and y.npy, the features of the reference and of the other set, calls once without and
once with a clock, and prints seconds, CPU seconds, peak memory and values as a line of JSON.
Packages are called as their documentation says, on features instead of images.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Array = np.ndarray
Values = dict[str, float]


def jiqa_moments(x: Array, _: Array, __: int, ___: int) -> Values:
    """Batches of 500 in a stream."""
    from jiqa.distribution import moments

    state = moments.init(x.shape[1])
    for start in range(0, len(x), 500):
        state = moments.update(state, x[start : start + 500])
    return {"trace": np.trace(moments.compute(state).covariance)}


def numpy_moments(x: Array, _: Array, __: int, ___: int) -> Values:
    """All at once."""
    wide = x.astype(np.float64)
    wide.mean(0)
    return {"trace": np.trace(np.cov(wide, rowvar=False))}


def jiqa_fid(x: Array, y: Array, _: int, __: int) -> Values:
    """From features."""
    from jiqa.distribution import frechet_distance

    return {"fid": frechet_distance(x, y)}


def pytorch_fid(x: Array, y: Array, _: int, __: int) -> Values:
    """From features, which it keeps in float64."""
    from pytorch_fid.fid_score import calculate_frechet_distance

    first, second = ((z.mean(0), np.cov(z, rowvar=False)) for z in map(np.float64, (x, y)))
    return {"fid": calculate_frechet_distance(*first, *second)}


def torch_fidelity_fid(x: Array, y: Array, _: int, __: int) -> Values:
    """From features."""
    import torch
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    sides = [fid_features_to_statistics(torch.from_numpy(z).double()) for z in (y, x)]
    return {"fid": fid_statistics_to_metric(*sides, verbose=False)["frechet_inception_distance"]}


def torchmetrics_fid(x: Array, y: Array, _: int, __: int) -> Values:
    """From the sums that its class keeps, in float64."""
    import torch
    from torchmetrics.image.fid import _compute_fid

    moments = []
    for z in (x, y):
        features = torch.from_numpy(z).double()
        mean = features.sum(0) / len(z)
        product = features.t().mm(features) - len(z) * mean[:, None].mm(mean[None])
        moments += [mean, product / (len(z) - 1)]
    return {"fid": float(_compute_fid(*moments))}


def jiqa_kid(x: Array, y: Array, subsets: int, size: int) -> Values:
    """Over subsets."""
    from jiqa.distribution import kernel_distance

    mean, deviation = kernel_distance(x, y, subsets=subsets, subset_size=size)
    return {"kid": float(mean), "deviation": float(deviation)}


def torch_fidelity_kid(x: Array, y: Array, subsets: int, size: int) -> Values:
    """Over subsets."""
    import torch
    from torch_fidelity.metric_kid import kid_features_to_metric

    options = {"kid_subsets": subsets, "kid_subset_size": size, "rng_seed": 0, "verbose": False}
    found = kid_features_to_metric(torch.from_numpy(y), torch.from_numpy(x), **options)
    mean, deviation = (found[f"kernel_inception_distance_{what}"] for what in ("mean", "std"))
    return {"kid": mean, "deviation": deviation}


def torchmetrics_kid(x: Array, y: Array, subsets: int, size: int) -> Values:
    """Over subsets."""
    import torch
    from torchmetrics.image.kid import poly_mmd

    torch.manual_seed(0)
    sets = torch.from_numpy(x), torch.from_numpy(y)
    values = torch.stack(
        [poly_mmd(*(z[torch.randperm(len(z))[:size]] for z in sets)) for _ in range(subsets)]
    )
    return {"kid": float(values.mean()), "deviation": float(values.std(unbiased=False))}


def jiqa_prdc(x: Array, y: Array, _: int, __: int) -> Values:
    """All four."""
    import jiqa

    found = jiqa.distribution.prdc(x, y, neighbors=5)
    return {name: float(value) for name, value in found._asdict().items()}


def prdc(x: Array, y: Array, _: int, __: int) -> Values:
    """All four."""
    from prdc import compute_prdc

    return {name: float(value) for name, value in compute_prdc(x, y, 5).items()}


def torch_fidelity_prdc(x: Array, y: Array, _: int, __: int) -> Values:
    """Precision and recall."""
    import torch
    from torch_fidelity.metric_prc import prc_features_to_metric

    found = prc_features_to_metric(
        torch.from_numpy(y), torch.from_numpy(x), prc_neighborhood=5, verbose=False
    )
    return {name: found[name] for name in ("precision", "recall")}


CONTENDERS: dict[str, dict[str, Callable[[Array, Array, int, int], Values]]] = {
    "moments": {"jiqa": jiqa_moments, "numpy": numpy_moments},
    "fid": {
        "jiqa": jiqa_fid,
        "pytorch-fid": pytorch_fid,
        "torch-fidelity": torch_fidelity_fid,
        "torchmetrics": torchmetrics_fid,
    },
    "kid": {
        "jiqa": jiqa_kid,
        "torch-fidelity": torch_fidelity_kid,
        "torchmetrics": torchmetrics_kid,
    },
    "prdc": {"jiqa": jiqa_prdc, "prdc": prdc, "torch-fidelity": torch_fidelity_prdc},
}


def main() -> None:
    """Measures one case."""
    name, case, folder, subsets, size = sys.argv[1:]
    x, y = (np.load(Path(folder, f"{which}.npy")) for which in ("x", "y"))
    call = CONTENDERS[case][name]
    call(x, y, int(subsets), int(size))
    start, cpu_start = time.perf_counter(), time.process_time()
    values = call(x, y, int(subsets), int(size))
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    record = {"seconds": seconds, "cpu_seconds": cpu_seconds, "megabytes": peak}
    print(json.dumps({**record, "values": {key: float(value) for key, value in values.items()}}))


if __name__ == "__main__":
    main()
