"""Personal quality: what each observer would say of an image, known ones and one met just now.

An observer's score is a linear function of a few numbers that a network finds in the image: its
mean opinion score, of which observers have a bias and a gain of their own, and coordinates of what
they disagree about, towards which every observer has a taste, an embedding learned from their votes
(the low rank of collaborative filtering; Koren, Bell and Volinsky, "Matrix factorization techniques
for recommender systems", IEEE Computer 42(8), 2009):

    score = bias + gain * opinion + taste . coordinates

Somebody new has no parameters. The known observers say how bias, gain and taste are distributed,
and with this prior and a few votes `jiqa.subjective.observers` meets somebody new:

    model = Model.create("personal_cnn", observers=24)
    ...                                             # trained by `vote_loss`
    basis = model(images)["basis"]
    known = meet(prior_of(model), basis[:20], votes)  # 20 images that the new observer rated
    score, deviation = predict(known, basis[20:])
"""

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jax.scipy.stats import norm

from jiqa.core.arrays import safe_sqrt
from jiqa.core.filters import check_least_side
from jiqa.networks.convolutional import LEAST_SIDE, Encoder, describe
from jiqa.networks.heads import MIDDLE, Perceptron
from jiqa.networks.network import Model, Prediction, network
from jiqa.subjective.observers import Beliefs, prior_from

PAPER = "jiqa's own: mean opinion, bias, gain and taste of each observer"
LEAST_NOISE = 1e-3


class Observers(nnx.Module):
    """Bias, gain, taste and inconsistency of each known observer.

    Attributes:
        weights: `[observers, 2 + coordinates]`: of a constant, of the mean opinion, of coordinates.
        log_noise: `[observers]`, the logarithm of the standard deviation of their votes around what
            the weights say.
    """

    def __init__(self, observers: int, coordinates: int) -> None:
        """All observers agree at first."""
        mean_observer = jnp.zeros(2 + coordinates, jnp.float32).at[1].set(1.0)
        self.weights = nnx.Param(jnp.tile(mean_observer, (observers, 1)))
        self.log_noise = nnx.Param(jnp.full(observers, math.log(0.1), jnp.float32))

    def __call__(self, basis: jax.Array) -> jax.Array:
        """Scores `[B, observers]` of `[B, 2 + coordinates]`, which begin with 1 and the opinion."""
        return basis @ self.weights[...].T


@network("personal_cnn", kind="no_reference", paper=PAPER)
class PersonalCNN(nnx.Module):
    """The encoder of "quality_cnn", the mean opinion, and observers around it."""

    def __init__(
        self,
        *,
        rngs: nnx.Rngs,
        observers: int = 16,
        coordinates: int = 4,
        width: int = 16,
        hidden: int = 128,
        dropout: float = 0.1,
    ) -> None:
        """Random parameters.

        Args:
            rngs: Where they come from.
            observers: How many are known.
            coordinates: Of what they disagree about; 0 leaves a bias and a gain for each.
            width: Channels of the encoder's finest map.
            hidden: Length of the vectors between the two layers that make opinion and coordinates.
            dropout: Of these vectors.
        """
        self.encoder = Encoder(width, rngs=rngs)
        features = 2 * sum(self.encoder.channels)
        outputs = 1 + coordinates
        self.perceptron = Perceptron(features, hidden, outputs, dropout=dropout, rngs=rngs)
        self.observers = Observers(observers, coordinates)

    def __call__(self, distorted: jax.Array, *, rngs: nnx.Rngs | None = None) -> Prediction:
        """Quality of images.

        Args:
            distorted: `[B, H, W, C]` in [0, 1], at least 32 x 32.
            rngs: In training, for dropout; then each batch normalises its own maps.

        Returns:
            "score" `[B]`, the mean opinion; "observers" `[B, N]`, what each would say, and their
            "deviation" `[B]`; "basis" `[B, 2 + coordinates]`, of which scores are linear functions.

        Raises:
            ValueError: Images are too small.
        """
        check_least_side("personal_cnn", distorted.shape, LEAST_SIDE)
        features = describe(self.encoder(distorted, training=rngs is not None))
        found = self.perceptron(features, rngs=rngs)
        opinion, coordinates = MIDDLE + found[:, :1], found[:, 1:]
        basis = jnp.concatenate([jnp.ones_like(opinion), opinion, coordinates], -1)
        scores = self.observers(basis)
        return {
            "score": opinion[:, 0],
            "observers": scores,
            "deviation": safe_sqrt(scores.var(-1)),
            "basis": basis,
        }


def vote_loss(
    network: PersonalCNN, prediction: Prediction, votes: jax.Array, *, prior: float = 0.01
) -> jax.Array:
    """How unlikely votes are, with mean opinions near the votes' mean and observers alike.

    Args:
        network: The network.
        prediction: Its own, of a batch.
        votes: `[B, N]`, NaN where an observer gave none.
        prior: How much it costs that observers differ from the mean opinion.

    Returns:
        The mean over votes of minus the logarithm of their density, plus the squared error of the
        mean opinion, plus the squared differences of observers times `prior`.
    """
    given = ~jnp.isnan(votes)
    filled = jnp.where(given, votes, 0)
    scores, opinion = prediction["observers"], prediction["score"][:, None]
    noise = to_noise(network.observers.log_noise[...])
    density = jnp.where(given, norm.logpdf(filled, scores, noise), 0)
    off = jnp.where(given, filled - opinion, 0)
    mean_off = off.sum(1) / jnp.maximum(given.sum(1), 1)
    unlikely = -density.sum() / jnp.maximum(given.sum(), 1)
    return unlikely + (mean_off**2).mean() + prior * ((scores - opinion) ** 2).mean()


def to_noise(log_noise: jax.Array) -> jax.Array:
    """The standard deviation of votes; it is never so small that one vote outweighs all others."""
    return LEAST_NOISE + jnp.exp(log_noise)


def prior_of(model: Model) -> Beliefs:
    """What known observers tell of one who is unknown.

    Args:
        model: Of "personal_cnn", trained, with at least two observers.

    Returns:
        Mean and covariance of the observers' weights, and the root of their mean squared noise.

    >>> prior_of(Model.create("personal_cnn", width=2, coordinates=1)).mean.tolist()
    [0.0, 1.0, 0.0]
    """
    observers = model.parameters["observers"]
    return prior_from(observers["weights"], to_noise(observers["log_noise"]))
