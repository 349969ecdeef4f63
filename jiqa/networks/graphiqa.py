"""GraphIQA: distortions as graphs of images, levels as nodes.

Sun, Shi, Kim and Wang, "GraphIQA: learning distortion graph representations for blind image quality
assessment", IEEE Transactions on Multimedia 25, 2023. ResNet-50 describes each image by a vector of
2048 numbers. Images of one distortion are the nodes of a graph, in which a type of distortion and
its level are to be seen: in the first stage the graph's code is brought near to that of other
images of the same distortion and away from that of another one, and the level is told from node and
edges. In the second, on rated images, a new head gives the quality.

Sizes, layers and losses are those of the authors' PyTorch code. What it leaves open, or what would
not do here, is ours:

- An edge is the product of two images' vectors, of each ordered pair. Both orders are the same, so
  that we compute each pair once and let it count twice: a quarter of the adjacency of edges.
- Row sums of the adjacency of nodes, which may be negative, are those of its magnitudes.
- Level and quality are drawn from a normal distribution in training; predicted is its mean, where
  the authors draw too.
- There, all images of a batch are one graph in the second stage too, and scores depend on the other
  images. Here, each image is then a graph of its own, with one edge, to itself.
- The trunk keeps its statistics; the authors let them follow the images while its layers rest.
"""

import itertools
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jiqa.core.arrays import safe_divide, safe_sqrt, to_unit
from jiqa.networks.network import Prediction, network
from jiqa.networks.pretrained import describe_by, make_trunk

PAPER = 'Sun, Shi, Kim and Wang, "GraphIQA: learning distortion graph representations for blind '
PAPER += 'image quality assessment", IEEE Transactions on Multimedia 25, 2023'
NETS = ("resnet18", "resnet50", "small")
WIDTH = 16  # channels of the finest map of the small net

Net = Literal["resnet50", "resnet18", "small"]


class GraphConvolution(nnx.Module):
    """Three layers without biases, before each of which every node takes in its neighbours."""

    def __init__(self, inputs: int, outputs: int, *, rngs: nnx.Rngs) -> None:
        """Random parameters; `inputs` and `outputs` are numbers of each node."""
        sizes = (inputs, inputs // 2, inputs // 4, outputs)
        self.layers = nnx.List(
            _linear(a, b, bias=False, rngs=rngs) for a, b in itertools.pairwise(sizes)
        )

    def __call__(self, x: jax.Array, adjacency: jax.Array) -> jax.Array:
        """Nodes `[N, inputs]` with adjacency `[N, N]` to `[N, outputs]`."""
        for number, layer in enumerate(self.layers):
            x = adjacency @ layer(x if number == 0 else jax.nn.relu(x))
        return x


class GaussianHead(nnx.Module):
    """A mean, and in training a draw around it."""

    def __init__(self, inputs: int, *, rngs: nnx.Rngs) -> None:
        """Random parameters."""
        self.first = _linear(inputs, inputs // 2, rngs=rngs)
        self.second = _linear(inputs // 2, 2, rngs=rngs)

    def __call__(self, x: jax.Array, *, rngs: nnx.Rngs | None) -> tuple[jax.Array, jax.Array]:
        """Value `[B]` and its deviation `[B]` of `[B, inputs]`; with `rngs`, a random value."""
        mean, deviation = jnp.moveaxis(self.second(jax.nn.relu(self.first(x))), -1, 0)
        if rngs is not None:
            mean = mean + deviation * jax.random.normal(rngs.noise(), mean.shape, mean.dtype)
        return mean, jnp.abs(deviation)


@network("graphiqa", kind="no_reference", paper=PAPER)
class GraphIQA(nnx.Module):
    """A trunk, embeddings of nodes and edges, and heads for level and quality."""

    def __init__(
        self,
        *,
        rngs: nnx.Rngs,
        net: Net = "resnet50",
        edges: int = 64,
        code: int = 256,
        narrow: int = 1,
    ) -> None:
        """Random parameters; see `jiqa.networks.pretrained.use_pretrained` for published ones.

        Args:
            rngs: Where they come from.
            net: What describes images: a published network, or "small", the encoder of
                `jiqa.networks.convolutional`.
            edges: Numbers of an edge.
            code: Numbers of a distortion's code.
            narrow: By what the channels of that are divided, for trials.

        Raises:
            ValueError: No such net.
        """
        if net not in NETS:
            raise ValueError(f"net={net!r} is unknown; use {', '.join(NETS)}.")
        self.trunk, features = make_trunk(net, width=WIDTH // narrow, narrow=narrow, rngs=rngs)
        self.nodes = nnx.List(_linear(features, features, rngs=rngs) for _ in range(3))
        self.edges = GraphConvolution(features, edges, rngs=rngs)
        self.distortion = GraphConvolution(features, code, rngs=rngs)
        self.level = GaussianHead(features + edges, rngs=rngs)
        self.quality = GaussianHead(features + edges, rngs=rngs)

    def __call__(self, distorted: jax.Array, *, rngs: nnx.Rngs | None = None) -> Prediction:
        """Quality of images, each by itself.

        Args:
            distorted: `[B, H, W, C]` in [0, 1], at least 32 x 32.
            rngs: In training, for noise.

        Returns:
            "score", "level" and the "deviation" of the score, `[B]`, and "features" `[B, F]`.

        Raises:
            ValueError: Images are too small.
        """
        x = self.describe(distorted, rngs=rngs)
        features = jnp.concatenate([self._embed(x), jax.vmap(self._own_edge)(x)], -1)
        score, deviation = self.quality(features, rngs=rngs)
        level, _ = self.level(features, rngs=rngs)
        return {"score": score, "level": level, "deviation": deviation, "features": features}

    def relate(self, distorted: jax.Array, *, rngs: nnx.Rngs | None = None) -> dict[str, jax.Array]:
        """Images of one distortion as a graph.

        Args:
            distorted: `[N, H, W, C]` in [0, 1], all with the same distortion.
            rngs: In training, for noise.

        Returns:
            "code" `[code]` of the distortion, and "level" `[N]` of each image.
        """
        x = self.describe(distorted, rngs=rngs)
        nodes, edges = self._embed(x), relate_edges(x, self.edges)
        level, _ = self.level(jnp.concatenate([nodes, edges.mean(1)], -1), rngs=rngs)
        code = self.distortion(nodes, normalize_adjacency(edges.mean(-1))).mean(0)
        return {"code": code, "level": level}

    def describe(self, images: jax.Array, *, rngs: nnx.Rngs | None = None) -> jax.Array:
        """A vector of each image, `[B, F]`."""
        return describe_by(self.trunk, images, training=rngs is not None)

    def _embed(self, x: jax.Array) -> jax.Array:
        first, second, third = self.nodes
        return third(jax.nn.relu(second(jax.nn.relu(first(x)))))

    def _own_edge(self, x: jax.Array) -> jax.Array:
        return relate_edges(x[None], self.edges)[0, 0]


def relate_edges(x: jax.Array, convolution: GraphConvolution) -> jax.Array:
    """Edges between all nodes, each related to all other edges.

    The graph of edges has their cosines as its adjacency.

    Args:
        x: Nodes `[N, F]`.
        convolution: Of F numbers to E.

    Returns:
        `[N, N, E]`, the same in both directions.
    """
    first, second = np.triu_indices(len(x))
    counts = np.where(first == second, 1.0, 2.0)  # an edge between two nodes goes both ways
    unit = to_unit(x)
    edges = unit[first] * unit[second]
    direction = to_unit(edges)
    # Neighbours that are there twice count twice; the edge itself is added once.
    weights = (direction @ direction.T) * counts + np.eye(len(counts))
    degree = 1 / jnp.sqrt(weights.sum(1))
    adjacency = degree[:, None] * weights * degree
    found = convolution(edges, adjacency.astype(x.dtype))
    place = np.zeros((len(x), len(x)), int)
    place[first, second] = place[second, first] = np.arange(len(first))
    return found[place]


def normalize_adjacency(adjacency: jax.Array) -> jax.Array:
    """Adjacency with loops, divided by the roots of its rows' and columns' sums.

    Kipf and Welling, "Semi-supervised classification with graph convolutional networks", ICLR 2017.

    Args:
        adjacency: `[N, N]`; of negative numbers the magnitude is summed.

    Returns:
        `[N, N]`.

    >>> print(normalize_adjacency(jnp.array([[0.0, 1.0], [1.0, 0.0]])))
    [[0.5 0.5]
     [0.5 0.5]]
    """
    looped = adjacency + jnp.eye(len(adjacency), dtype=adjacency.dtype)
    roots = safe_sqrt(jnp.abs(looped).sum(1))
    return safe_divide(looped, roots[:, None] * roots)


def triplet(
    anchor: jax.Array, positive: jax.Array, negative: jax.Array, *, margin: float = 0.1
) -> jax.Array:
    """By how much a code is not nearer to one of its kind than to another, up to a margin.

    Args:
        anchor: `[..., F]`.
        positive: Of the same kind.
        negative: Of another kind.
        margin: By how much nearer it should be.

    Returns:
        `[...]`.

    >>> float(triplet(jnp.zeros(2), jnp.zeros(2), jnp.array([3.0, 4.0])))
    0.0
    """
    near, far = (safe_sqrt(((anchor - other) ** 2).sum(-1)) for other in (positive, negative))
    return jax.nn.relu(near - far + margin)


def _linear(inputs: int, outputs: int, *, bias: bool = True, rngs: nnx.Rngs) -> nnx.Linear:
    initial = nnx.initializers.xavier_uniform()
    return nnx.Linear(inputs, outputs, use_bias=bias, kernel_init=initial, rngs=rngs)
