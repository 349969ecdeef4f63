"""Several distortions at once: which groups of them an image has, how severe each is, its quality.

Our own. A network that names one distortion has to choose where an image was blurred, made noisy
and compressed. Here each group of distortions is a question by itself, answered with a probability
and a severity. Features are those of the encoder of `jiqa.networks.convolutional`.

`group_targets` makes what is to be learned of the distortions of which an image was made, as
`jiqa.datasets.generator` writes them down.
"""

from collections.abc import Iterable, Sequence

import jax
import numpy as np
from flax import nnx

from jiqa.core.filters import check_least_side
from jiqa.networks.convolutional import LEAST_SIDE, Encoder, describe
from jiqa.networks.heads import MIDDLE, Perceptron
from jiqa.networks.network import Prediction, network

PAPER = "jiqa's own: probability and severity of each group of distortions"
# As `jiqa.datasets.distortions` has them.
GROUPS = ("blur", "noise", "color", "tone", "compression", "spatial", "sharpness")
LEVELS = 5


@network("several", kind="no_reference", paper=PAPER)
class Several(nnx.Module):
    """An encoder and three heads."""

    def __init__(
        self,
        *,
        rngs: nnx.Rngs,
        groups: Sequence[str] = GROUPS,
        width: int = 16,
        hidden: int = 128,
        dropout: float = 0.1,
    ) -> None:
        """Random parameters.

        Args:
            rngs: Where they come from.
            groups: Names of the groups of distortions.
            width: Channels of the encoder's finest map.
            hidden: Length of the vectors between the two layers of each head.
            dropout: Of these vectors.
        """
        self.groups = tuple(groups)
        self.encoder = Encoder(width, rngs=rngs)
        features = 2 * sum(self.encoder.channels)

        def head(outputs: int) -> Perceptron:
            return Perceptron(features, hidden, outputs, dropout=dropout, rngs=rngs)

        self.quality = head(1)
        self.distortion = head(len(self.groups))
        self.severity = head(len(self.groups))

    def __call__(self, distorted: jax.Array, *, rngs: nnx.Rngs | None = None) -> Prediction:
        """Quality and distortions of images.

        Args:
            distorted: `[B, H, W, C]` in [0, 1], at least 32 x 32.
            rngs: In training, for dropout; then each batch normalises its own maps.

        Returns:
            "score" `[B]`; "distortion" `[B, groups]`, whose logistic functions are the
            probabilities that distortions of a group are there; "severity" `[B, groups]` from 0,
            none, to 1, the highest level; "features" `[B, F]`.

        Raises:
            ValueError: Images are too small.
        """
        check_least_side("several", distorted.shape, LEAST_SIDE)
        features = describe(self.encoder(distorted, training=rngs is not None))
        return {
            "score": MIDDLE + self.quality(features, rngs=rngs)[:, 0],
            "distortion": self.distortion(features, rngs=rngs),
            "severity": jax.nn.sigmoid(self.severity(features, rngs=rngs)),
            "features": features,
        }


def group_targets(
    distortions: Iterable[tuple[str, float]], groups: Sequence[str] = GROUPS
) -> tuple[np.ndarray, np.ndarray]:
    """What the network should say of an image.

    Args:
        distortions: Group and level, 1 to 5, of each distortion that the image has.
        groups: In the order of the results.

    Returns:
        "distortion", 1 where a group is there and 0 elsewhere, and "severity", the highest level of
        the group as a share of 5; both float32 `[groups]`.

    Raises:
        ValueError: An unknown group.

    >>> group_targets([("noise", 4), ("blur", 1), ("noise", 2)], ("blur", "noise", "tone"))
    (array([1., 1., 0.], dtype=float32), array([0.2, 0.8, 0. ], dtype=float32))
    """
    severity = np.zeros(len(groups), np.float32)
    for group, level in distortions:
        if group not in groups:
            raise ValueError(f"{group!r} is not among the groups, {', '.join(groups)}.")
        place = groups.index(group)
        severity[place] = max(severity[place], level / LEVELS)
    return (severity > 0).astype(np.float32), severity
