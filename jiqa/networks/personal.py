"""Personal quality: what each observer would say of an image, known ones and one met just now.

An observer's score is a linear function of a few numbers that a network finds in the image: its
mean opinion score, of which observers have a bias and a gain of their own, and coordinates of what
they disagree about, towards which every observer has a taste, an embedding learned from their votes
(the low rank of collaborative filtering; Koren, Bell and Volinsky, "Matrix factorization techniques
for recommender systems", IEEE Computer 42(8), 2009):

    score = bias + gain * opinion + taste . coordinates

Somebody new has no parameters. The known observers say how bias, gain and taste are distributed,
and a few votes turn this prior into a posterior in closed form (Bayesian linear regression; Bishop,
"Pattern recognition and machine learning", 2006, section 3.3). Without votes the mean observer is
predicted, with many their own line, and the error falls to the observer's own inconsistency, below
which nothing can.

    model = Model.create("personal_cnn", observers=24)
    ...                                             # trained by `vote_loss`
    basis = model(images)["basis"]
    known = meet(prior_of(model), basis[:20], votes)  # 20 images that the new observer rated
    score, deviation = predict(known, basis[20:])

`jiqa.subjective.personal` does the same for features that are given, and estimates the prior too;
here features are learned, and all is a function that jits, differentiates and maps over observers.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.scipy.stats import norm

from jiqa.core.arrays import safe_divide, safe_log, safe_sqrt
from jiqa.core.filters import check_least_side
from jiqa.networks.convolutional import LEAST_SIDE, Encoder, describe
from jiqa.networks.heads import MIDDLE, Perceptron
from jiqa.networks.network import Model, Prediction, network

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


class Beliefs(NamedTuple):
    """What is known of the weights of an observer.

    Attributes:
        mean: `[F]`, the weights that are expected.
        covariance: `[F, F]`, of what they may be instead.
        noise: The standard deviation of votes around what the weights say.
    """

    mean: jax.Array
    covariance: jax.Array
    noise: jax.Array


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


def prior_from(weights: jax.Array, noise: jax.Array) -> Beliefs:
    """What weights `[N, F]` and noise `[N]` of known observers tell of one who is unknown."""
    covariance = jnp.cov(weights, rowvar=False)
    return Beliefs(weights.mean(0), covariance, safe_sqrt((noise**2).mean()))


def fit_observers(basis: jax.Array, votes: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Weights of observers who gave many votes, by least squares.

    Args:
        basis: `[S, F]` of stimuli.
        votes: `[S, N]`, NaN where an observer gave none.

    Returns:
        Weights `[N, F]`, and the standard deviation of votes around them `[N]`.

    >>> basis = jnp.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    >>> weights, noise = fit_observers(basis, basis @ jnp.array([[1.0], [3.0]]))
    >>> print(weights.round(3))
    [[1. 3.]]
    """
    given = ~jnp.isnan(votes)

    def fit(of_one: jax.Array, votes: jax.Array) -> tuple[jax.Array, jax.Array]:
        design = jnp.where(of_one[:, None], basis, 0)
        weights = jnp.linalg.lstsq(design, votes)[0]
        freedom = jnp.maximum(of_one.sum() - basis.shape[1], 1)
        return weights, safe_sqrt(((votes - design @ weights) ** 2).sum() / freedom)

    return jax.vmap(fit, in_axes=1)(given, jnp.where(given, votes, 0))


def meet(beliefs: Beliefs, basis: jax.Array, votes: jax.Array) -> Beliefs:
    """What is known of an observer after some votes.

    Args:
        beliefs: Before: of an unknown observer, or after earlier votes.
        basis: `[k, F]`, of the stimuli voted on.
        votes: `[k]`; NaN is no vote.

    Returns:
        Beliefs after.

    >>> before = Beliefs(jnp.array([0.0, 1.0]), jnp.diag(jnp.array([1.0, 0.0])), jnp.array(1.0))
    >>> print(meet(before, jnp.array([[1.0, 3.0]]), jnp.array([5.0])).mean)
    [1. 1.]
    """
    given = ~jnp.isnan(votes)
    design = jnp.where(given[:, None], basis, 0)
    surprise = jnp.where(given, votes - basis @ beliefs.mean, 0)
    # inverse(inverse(covariance) + information), of a covariance that may be singular.
    information = design.T @ design / beliefs.noise**2
    unit = jnp.eye(len(beliefs.mean), dtype=design.dtype)
    covariance = jnp.linalg.solve(unit + beliefs.covariance @ information, beliefs.covariance)
    mean = beliefs.mean + covariance @ (design.T @ surprise) / beliefs.noise**2
    return Beliefs(mean, covariance, beliefs.noise)


def predict(beliefs: Beliefs, basis: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Votes that are expected of an observer.

    Args:
        beliefs: What is known of the observer.
        basis: `[S, F]`, of stimuli.

    Returns:
        Scores `[S]`, and how far off a single vote may be, `[S]`.
    """
    variance = jnp.einsum("sf,fg,sg->s", basis, beliefs.covariance, basis)
    return basis @ beliefs.mean, safe_sqrt(variance + beliefs.noise**2)


class Agreement(NamedTuple):
    """How well an observer's votes are predicted; all `[N]`.

    Attributes:
        rmse: Root of the mean squared error.
        plcc: Linear correlation; 0 where votes or predictions are all the same.
        log_likelihood: Mean logarithm of the probability of votes on a scale of whole numbers.
    """

    rmse: jax.Array
    plcc: jax.Array
    log_likelihood: jax.Array


def measure(
    scores: jax.Array, deviations: jax.Array, votes: jax.Array, *, step: float = 1.0
) -> Agreement:
    """Measures agreement, for each observer.

    Args:
        scores: Predicted `[S, N]`.
        deviations: Of single votes, `[S, N]` or what broadcasts with it.
        votes: `[S, N]`, NaN where an observer gave none.
        step: From one vote to the next on the scale of votes. A vote stands for all opinions that
            are less than half a step away.

    Returns:
        The measures.

    >>> votes = jnp.array([[1.0], [3.0]])
    >>> print(measure(votes + 0.5, jnp.array(1.0), votes).rmse)
    [0.5]
    """
    given = ~jnp.isnan(votes)
    count = jnp.maximum(given.sum(0), 1)
    votes = jnp.where(given, votes, 0)

    def mean(x: jax.Array) -> jax.Array:
        return jnp.where(given, x, 0).sum(0) / count

    a, b = votes - mean(votes), scores - mean(scores)
    product = safe_sqrt(mean(a**2)) * safe_sqrt(mean(b**2))
    ends = [norm.cdf((votes + side * step / 2 - scores) / deviations) for side in (1, -1)]
    return Agreement(
        rmse=safe_sqrt(mean((votes - scores) ** 2)),
        plcc=safe_divide(mean(a * b), product),
        log_likelihood=mean(safe_log(ends[0] - ends[1])),
    )


def learning_curve(
    beliefs: Beliefs, basis: jax.Array, votes: jax.Array, counts: tuple[int, ...]
) -> jax.Array:
    """How the error falls with the number of votes that are known of a new observer.

    Args:
        beliefs: Of an unknown observer.
        basis: `[S, F]`, of stimuli in the order in which votes become known.
        votes: `[S, N]` of observers who are not known; NaN is no vote.
        counts: How many votes are known. The same stimuli are predicted for all: those after the
            highest count.

    Returns:
        Root of the mean squared error `[counts, N]`.
    """
    last = max(counts)

    def error(count: int) -> jax.Array:
        known = jax.vmap(meet, (None, None, 1))(beliefs, basis[:count], votes[:count])
        scores, deviations = jax.vmap(predict, (0, None), 1)(known, basis[last:])
        return measure(scores, deviations, votes[last:]).rmse

    return jnp.stack([error(count) for count in counts])
