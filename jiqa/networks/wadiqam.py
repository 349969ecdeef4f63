"""DIQaM and WaDIQaM: one deep network of patches, with and without a reference.

Bosse, Maniry, Müller, Wiegand and Samek, "Deep neural networks for no-reference and full-reference
image quality assessment", IEEE TIP 27(1), 2018. Ten convolutions make a vector of each patch of
32 x 32 pixels, two fully connected layers a score of the vector. With a reference both patches go
through the same convolutions, and the difference of their vectors is put before the two. DIQaM
takes the mean of the patches' scores; in WaDIQaM two more layers say how much each patch counts.

Three conventions. "paper" takes pixels in [0, 1] and patches side by side in the middle of the
image. "deepiqa" is that of the authors' script, for their parameters: pixels up to 255, patches
from the upper left corner. "lidq92" is that of the PyTorch port: pixels in [0, 1], patches from
that corner without the last row and column (its loops end one step early). In training all take
patches from random places.

"wadiqam_rr" is after an idea of the paper, the details are ours: of each patch of the reference
only a few numbers are sent, a linear map of its vector, and another linear map restores the vector.
"""

import itertools
from typing import ClassVar, Literal, get_args

import jax
import jax.numpy as jnp
from flax import nnx

from jiqa.core.color import gray_to_rgb
from jiqa.deep.backbones.layers import convolution, max_pool
from jiqa.networks.cnniqa import port_patches
from jiqa.networks.heads import Perceptron
from jiqa.networks.network import Prediction, check_choice, network
from jiqa.networks.patches import as_patches, grid, merge_batch

PAPER = "Bosse, Maniry, Müller, Wiegand and Samek, "
PAPER += '"Deep neural networks for no-reference and full-reference image quality assessment", '
PAPER += "IEEE TIP 27(1), 2018"
PATCH = 32  # pixels along each side
GROWTH = (1, 2, 4, 8, 16)  # of channels, block by block
LEAST_WEIGHT = 1e-6

Convention = Literal["paper", "deepiqa", "lidq92"]


class Features(nnx.Module):
    """Ten convolutions of 3 x 3 pixels, of which every second is followed by pooling."""

    def __init__(self, width: int, *, rngs: nnx.Rngs) -> None:
        """Random parameters.

        Args:
            width: Channels of the first convolution.
            rngs: Where parameters come from.
        """
        he_normal = nnx.initializers.he_normal()  # else ten rectifiers leave hardly anything
        channels = (3, *(width * growth for growth in GROWTH for _ in range(2)))
        self.convolutions = nnx.List(
            nnx.Conv(before, after, (3, 3), kernel_init=he_normal, rngs=rngs)
            for before, after in itertools.pairwise(channels)
        )

    def __call__(self, patches: jax.Array) -> jax.Array:
        """Patches `[N, 32, 32, 3]` to vectors `[N, 16 width]`."""
        x = patches
        for number, layer in enumerate(self.convolutions, 1):
            # Not `layer(x)`, in which XLA is slow on a CPU where maps are smaller than the kernel.
            x = jax.nn.relu(convolution(x, nnx.to_pure_dict(nnx.state(layer)), padding=1))
            if number % 2 == 0:
                x = max_pool(x, size=2, stride=2)
        return x[:, 0, 0]


class _PatchNetwork(nnx.Module):
    """What all variants share: vectors of patches, and how scores are made of vectors.

    Attributes:
        weighted: Whether patches count differently.
        vectors: How many of a patch scores are made of.
    """

    weighted: ClassVar[bool]
    vectors: ClassVar[int]

    def __init__(
        self, *, rngs: nnx.Rngs, convention: Convention = "paper", width: int = 32
    ) -> None:
        """Random parameters.

        Args:
            rngs: Where they come from.
            convention: How images become patches; see above.
            width: Channels of the first convolution.

        Raises:
            ValueError: No such convention.
        """
        check_choice("convention", convention, get_args(Convention))
        self.convention = convention
        self.features = Features(width, rngs=rngs)
        hidden = width * GROWTH[-1]
        inputs = self.vectors * hidden
        self.quality = Perceptron(inputs, hidden, 1, dropout=0.5, rngs=rngs)
        if self.weighted:
            self.importance = Perceptron(inputs, hidden, 1, dropout=0.5, rngs=rngs)
            # Else the rectifier may begin with zero for all patches, and stay there.
            self.importance.second.bias = nnx.Param(jnp.ones(1, jnp.float32))

    def describe(self, images: jax.Array) -> jax.Array:
        """Vectors of patches.

        Args:
            images: `[B, H, W, C]` in [0, 1], or patches `[B, P, 32, 32, C]`.

        Returns:
            `[B, P, F]`.

        Raises:
            ValueError: Images are smaller than a patch.
        """
        patches = self._patches(gray_to_rgb(images))
        vectors = self.features(merge_batch(patches))
        return vectors.reshape(*patches.shape[:2], -1)

    def judge(self, vectors: jax.Array, *, rngs: nnx.Rngs | None = None) -> Prediction:
        """Scores of images and of their patches, of vectors `[B, P, n]`."""
        scores = self.quality(vectors, rngs=rngs)[..., 0]
        if not self.weighted:
            return {"score": scores.mean(1), "patches": scores}
        weights = jax.nn.relu(self.importance(vectors, rngs=rngs)[..., 0]) + LEAST_WEIGHT
        score = (weights * scores).sum(1) / weights.sum(1)
        return {"score": score, "patches": scores, "weights": weights}

    def _patches(self, images: jax.Array) -> jax.Array:
        if self.convention == "lidq92":
            return port_patches(images)
        if self.convention == "deepiqa":
            return 255 * as_patches(_from_corner(images), PATCH)
        return as_patches(images, PATCH)


class _NoReference(_PatchNetwork):
    """Scores of a patch's own vector."""

    vectors = 1

    def __call__(self, distorted: jax.Array, *, rngs: nnx.Rngs | None = None) -> Prediction:
        """Scores of images and of their patches.

        Args:
            distorted: Images `[B, H, W, C]` in [0, 1], at least 32 x 32, or patches of them
                `[B, P, 32, 32, C]`.
            rngs: For dropout, in training.

        Returns:
            "score" `[B]`, "patches" `[B, P]` and, where they count differently, "weights" `[B, P]`.

        Raises:
            ValueError: Images are smaller than a patch.
        """
        return self.judge(self.describe(distorted), rngs=rngs)


class _FullReference(_PatchNetwork):
    """Scores of the difference of two patches' vectors, and of both."""

    vectors = 3

    def __call__(
        self, reference: jax.Array, distorted: jax.Array, *, rngs: nnx.Rngs | None = None
    ) -> Prediction:
        """Scores of distorted images and of their patches.

        Args:
            reference: Images `[B, H, W, C]` in [0, 1], at least 32 x 32, or patches of them
                `[B, P, 32, 32, C]`.
            distorted: The same shape.
            rngs: For dropout, in training.

        Returns:
            "score" `[B]`, "patches" `[B, P]` and, where they count differently, "weights" `[B, P]`.

        Raises:
            ValueError: Images are smaller than a patch.
        """
        return self.compare(self.describe(reference), distorted, rngs=rngs)

    def compare(
        self, described: jax.Array, distorted: jax.Array, *, rngs: nnx.Rngs | None = None
    ) -> Prediction:
        """Scores of distorted images beside what `describe` gives of their references."""
        found = self.describe(distorted)
        return self.judge(jnp.concatenate([found - described, found, described], -1), rngs=rngs)


@network("diqam_nr", kind="no_reference", paper=PAPER)
class DIQaMNR(_NoReference):
    """Without a reference, all patches alike."""

    weighted = False


@network("wadiqam_nr", kind="no_reference", paper=PAPER)
class WaDIQaMNR(_NoReference):
    """Without a reference, patches weighted."""

    weighted = True


@network("diqam_fr", kind="full_reference", paper=PAPER)
class DIQaMFR(_FullReference):
    """With a reference, all patches alike."""

    weighted = False


@network("wadiqam_fr", kind="full_reference", paper=PAPER)
class WaDIQaMFR(_FullReference):
    """With a reference, patches weighted."""

    weighted = True


@network("wadiqam_rr", kind="full_reference", paper=PAPER)
class WaDIQaMRR(_FullReference):
    """With a few numbers of each patch of the reference, patches weighted."""

    weighted = True

    def __init__(
        self,
        *,
        rngs: nnx.Rngs,
        numbers: int = 16,
        convention: Convention = "paper",
        width: int = 32,
    ) -> None:
        """Random parameters.

        Args:
            rngs: Where they come from.
            numbers: How many are sent of each patch.
            convention: How images become patches; see above.
            width: Channels of the first convolution.

        Raises:
            ValueError: No such convention.
        """
        super().__init__(rngs=rngs, convention=convention, width=width)
        length = width * GROWTH[-1]
        self.reduce = nnx.Linear(length, numbers, rngs=rngs)
        self.restore = nnx.Linear(numbers, length, rngs=rngs)

    def __call__(
        self, reference: jax.Array, distorted: jax.Array, *, rngs: nnx.Rngs | None = None
    ) -> Prediction:
        """Scores of distorted images and of their patches, as of `WaDIQaMFR`."""
        return self.receive(self.send(reference), distorted, rngs=rngs)

    def send(self, reference: jax.Array) -> jax.Array:
        """What is sent of the reference: `[B, P, numbers]`."""
        return self.reduce(self.describe(reference))

    def receive(
        self, sent: jax.Array, distorted: jax.Array, *, rngs: nnx.Rngs | None = None
    ) -> Prediction:
        """Scores of distorted images beside what `send` gave of their references."""
        return self.compare(self.restore(sent), distorted, rngs=rngs)


def _from_corner(images: jax.Array) -> jax.Array:
    """As many whole patches as fit from the upper left corner."""
    if images.ndim == 5:
        return images
    rows, columns = grid(images.shape, PATCH)
    return images[:, : rows * PATCH, : columns * PATCH]
