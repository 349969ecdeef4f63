"""CNNIQA, WaDIQaM and MEON in PyTorch, written from the papers' tables of layers.

Submodules have the names that they have in jiqa, so that parameters are copied by name, and what is
done to pixels is the same: grey levels, contrast normalisation, patches. Images have channels
before height, and sides of which patches and squares leave nothing over.

    python benchmarks/networks_torch.py FOLDER

reads models that jiqa saved and two batches of images from a folder, and writes beside them what
each twin says, with the gradient of the mean score with respect to the distorted images.
"""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

Prediction = dict[str, Tensor]


class CNNIQA(nn.Module):
    """One layer of filters, their extremes, three fully connected layers."""

    def __init__(self) -> None:
        """Random parameters."""
        super().__init__()
        self.conv1 = nn.Conv2d(1, 50, 7)
        self.fc1, self.fc2, self.fc3 = nn.Linear(100, 800), nn.Linear(800, 800), nn.Linear(800, 1)

    def forward(self, distorted: Tensor) -> Prediction:
        """Scores of images, or of patches `[B, P, 3, 32, 32]`, and of their patches."""
        patches = cut(normalize_contrast(luma(distorted)), 32, 32)
        x = self.conv1(patches.flatten(0, 1)).flatten(2)
        x = functional.relu(self.fc1(torch.cat([x.amax(2), x.amin(2)], 1)))
        x = functional.dropout(functional.relu(self.fc2(x)), 0.5, self.training)
        scores = self.fc3(x).view(patches.shape[:2])
        return {"score": scores.mean(1), "patches": scores}


class Features(nn.Module):
    """Ten convolutions, of which every second is followed by pooling."""

    def __init__(self) -> None:
        """Random parameters."""
        super().__init__()
        channels = (3, 32, 32, 64, 64, 128, 128, 256, 256, 512, 512)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1) for before, after in pairwise(channels)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Vectors `[B, P, 512]`."""
        patches = cut(images, 32, 32)
        x = patches.flatten(0, 1)
        for number, convolution in enumerate(self.convolutions, 1):
            x = functional.relu(convolution(x))
            x = x if number % 2 else functional.max_pool2d(x, 2)
        return x.view(*patches.shape[:2], -1)


class Perceptron(nn.Module):
    """Two fully connected layers with dropout between them."""

    def __init__(self, inputs: int) -> None:
        """Random parameters."""
        super().__init__()
        self.first, self.second = nn.Linear(inputs, 512), nn.Linear(512, 1)

    def forward(self, x: Tensor) -> Tensor:
        """`[..., inputs]` to `[...]`."""
        x = functional.dropout(functional.relu(self.first(x)), 0.5, self.training)
        return self.second(x)[..., 0]


class WaDIQaM(nn.Module):
    """Features of patches, their scores and weights."""

    def __init__(self, vectors: int) -> None:
        """Random parameters."""
        super().__init__()
        self.features = Features()
        self.quality, self.importance = Perceptron(512 * vectors), Perceptron(512 * vectors)

    def forward(self, *images: Tensor) -> Prediction:
        """Scores of images, or of patches `[B, P, 3, 32, 32]`, and of their patches."""
        vectors = self.features(images[-1])
        if len(images) == 2:
            reference = self.features(images[0])
            vectors = torch.cat([vectors - reference, vectors, reference], -1)
        scores = self.quality(vectors)
        weights = functional.relu(self.importance(vectors)) + 1e-6
        score = (weights * scores).sum(1) / weights.sum(1)
        return {"score": score, "patches": scores, "weights": weights}


class GDN(nn.Module):
    """Each channel over the strength of all; parameters are roots, as in jiqa."""

    def __init__(self, channels: int) -> None:
        """Random parameters."""
        super().__init__()
        self.root_of_beta = nn.Parameter(torch.ones(channels))
        self.root_of_gamma = nn.Parameter(torch.full((channels, channels), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        """Maps `[N, channels, h, w]` or vectors `[N, channels]` to the same shape."""
        beta, gamma = self.root_of_beta**2 + 1e-6, self.root_of_gamma**2
        if x.ndim == 4:
            return x / functional.conv2d(x**2, gamma[:, :, None, None], beta).sqrt()
        return x / functional.linear(x**2, gamma, beta).sqrt()


class Stage(nn.Module):
    """A convolution, divisive normalisation, the largest of each 2 x 2."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int, padding: int) -> None:
        """Random parameters."""
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, size, stride, padding)
        self.normalize = GDN(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Maps of a fourth of the sides, of half of them without stride."""
        return functional.max_pool2d(self.normalize(self.convolution(x)), 2)


class Subtask(nn.Module):
    """Two fully connected layers with divisive normalisation between them."""

    def __init__(self, hidden: int, types: int) -> None:
        """Random parameters."""
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(64, hidden), nn.Linear(hidden, types)
        self.normalize = GDN(hidden)

    def forward(self, x: Tensor) -> Tensor:
        """`[N, 64]` to `[N, types]`."""
        return self.fc2(self.normalize(self.fc1(x)))


class MEON(nn.Module):
    """Shared convolutions and two subtasks."""

    def __init__(self, types: int = 5) -> None:
        """Random parameters."""
        super().__init__()
        self.shared = nn.Sequential(
            Stage(3, 8, 5, 2, 2),
            Stage(8, 16, 5, 2, 2),
            Stage(16, 32, 5, 2, 2),
            Stage(32, 64, 3, 1, 0),
        )
        self.distortion, self.quality = Subtask(128, types), Subtask(256, types)

    def forward(self, distorted: Tensor) -> Prediction:
        """Quality and distortion of images, and quality of their squares of 256 pixels."""
        squares = cut(distorted, 256, 128)
        x = self.shared(squares.flatten(0, 1)).flatten(1)
        logits, qualities = self.distortion(x), self.quality(x)
        scores = (logits.softmax(-1) * qualities).sum(-1).view(squares.shape[:2])
        shares = logits.softmax(-1).view(*squares.shape[:2], -1)
        return {"score": scores.mean(1), "patches": scores, "distortion": shares.mean(1).log()}


TWINS = {
    "cnniqa": CNNIQA,
    "wadiqam_nr": lambda: WaDIQaM(1),
    "wadiqam_fr": lambda: WaDIQaM(3),
    "meon": MEON,
}


def luma(images: Tensor) -> Tensor:
    """BT.601, `[..., 1, H, W]`."""
    red, green, blue = images.split(1, -3)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def normalize_contrast(images: Tensor) -> Tensor:
    """(image - mean) / (deviation + 10/255), of 7 x 7 pixels; borders are mirrored."""
    x = images.flatten(0, -4)
    for axis in (-2, -1):
        length = x.shape[axis]
        ends = x.narrow(axis, 0, 3).flip(axis), x.narrow(axis, length - 3, 3).flip(axis)
        x = torch.cat([ends[0], x, ends[1]], axis)
    mean, mean_of_square = (functional.avg_pool2d(part, 7, stride=1) for part in (x, x**2))
    mean, mean_of_square = mean.view_as(images), mean_of_square.view_as(images)
    deviation = (mean_of_square - mean**2).clamp(min=0).sqrt()
    return (images - mean) / (deviation + 10 / 255)


def cut(images: Tensor, size: int, step: int) -> Tensor:
    """Patches `[B, P, C, size, size]`, row by row, or those that images already are."""
    if images.ndim == 5:
        return images
    patches = images.unfold(2, size, step).unfold(3, size, step)
    return patches.permute(0, 2, 3, 1, 4, 5).flatten(1, 2)


def load(name: str, file: Path) -> nn.Module:
    """A twin with the parameters of a model that jiqa saved."""
    twin, arrays, state = TWINS[name](), load_file(file), {}
    for key in twin.state_dict():
        array = arrays["parameters." + key.replace("weight", "kernel")]
        if key.endswith("weight"):
            array = array.permute(3, 2, 0, 1) if array.ndim == 4 else array.T
        state[key] = array
    twin.load_state_dict(state)
    return twin


def answer(twin: nn.Module, images: list[np.ndarray]) -> dict[str, np.ndarray]:
    """What a twin says of images `[B, H, W, C]`, and the gradient."""
    tensors = [torch.from_numpy(image).double().permute(0, 3, 1, 2) for image in images]
    tensors[-1].requires_grad_()
    said = twin.double().eval()(*tensors)
    (gradient,) = torch.autograd.grad(said["score"].mean(), tensors[-1])
    said["gradient"] = gradient.permute(0, 2, 3, 1)
    return {key: value.detach().numpy() for key, value in said.items()}


def main() -> None:
    """Writes what the twins say."""
    folder = Path(sys.argv[1])
    reference, distorted = (np.load(folder / f"{name}.npy") for name in ("reference", "distorted"))
    for file in sorted(folder.glob("*.safetensors")):
        images = [reference, distorted] if file.stem.endswith("_fr") else [distorted]
        np.savez(file.with_suffix(".npz"), **answer(load(file.stem, file), images))


if __name__ == "__main__":
    main()
