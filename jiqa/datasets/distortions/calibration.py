"""Levels that are peak signal-to-noise ratios, as in TID2013.

Ponomarenko, Jin, Ieremeiev, Lukin, Egiazarian, Astola, Vozel, Chehdi, Carli, Battisti and Kuo,
"Image database TID2013: peculiarities, results and perspectives", Signal Processing: Image
Communication 30, 2015. Most of its types were brought to the same PSNR of RGB on every image.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jiqa.core.arrays import safe_log

# Medians over the 25 images of PSNR of RGB as published for all 3000 images of TID2013, rounded to
# 0.1 dB. Of types 1-5, 7, 11, 16 and 18-24 eight images of ten lie within 1.1 dB at every level;
# the others (impulses, blur, denoising, JPEG, transmission errors, patches, blocks, contrast) were
# made with parameters that give PSNR up to seven decibels apart.
USUAL_TARGETS = (33.0, 30.0, 27.0, 24.0, 21.0)
PSNR_TARGETS: dict[int, tuple[float, ...]] = dict.fromkeys(range(1, 25), USUAL_TARGETS)
PSNR_TARGETS |= {
    5: (33.0, 30.0, 25.0, 20.0, 15.0),
    6: (32.4, 29.2, 26.1, 23.2, 20.1),
    8: (36.3, 31.5, 27.6, 24.6, 22.5),
    9: (35.1, 33.2, 30.1, 26.2, 21.3),
    10: (34.8, 32.3, 28.7, 25.1, 22.3),
    12: (33.6, 30.5, 26.9, 24.0, 21.0),
    14: (32.9, 29.8, 27.1, 25.6, 23.7),
    15: (25.5, 24.9, 24.6, 24.2, 24.6),
    16: (32.6, 28.2, 22.2, 18.7, 16.3),
    17: (33.8, 28.8, 25.8, 22.6, 19.8),
    23: (33.0, 28.0, 25.0, 23.0, 21.0),
}
CLOSE = 0.02  # decibel from the target at which the search ends
STEPS = 24
State = tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]


def psnr(image: jax.Array, changed: jax.Array) -> jax.Array:
    """PSNR of all samples in one sum, in decibel; large and finite for equal images.

    >>> print(psnr(jnp.zeros((2, 2, 1)), jnp.full((2, 2, 1), 0.1)).round(3))
    20.0
    """
    return -10 / jnp.log(10.0) * safe_log(jnp.mean((image - changed) ** 2))


def find_strength(
    distort: Callable[[jax.Array], jax.Array],
    image: jax.Array,
    target: jax.Array,
    between: tuple[float, float],
) -> jax.Array:
    """The strength at which a distorted image has a given PSNR, by bisection.

    Args:
        distort: Gives the distorted image of a strength; with the same random numbers each time.
        image: The image.
        target: PSNR in decibel.
        between: Strengths of little and of much distortion, both positive; the search is
            geometric.

    Returns:
        The strength tried whose PSNR was nearest. Where a strength is a whole number (colours of a
        palette), or none between the two reaches the target, that is not the target itself.
        It has no gradient.

    >>> image = jnp.zeros((4, 4, 1))
    >>> strength = find_strength(lambda s: image + s, image, jnp.float32(20.0), (1e-3, 1.0))
    >>> print(strength.round(2))
    0.1
    """
    image = jax.lax.stop_gradient(image)
    low, high = (jnp.log(jnp.asarray(end, image.dtype)) for end in between)

    def unfinished(state: State) -> jax.Array:
        step, *_, miss = state
        return (step < STEPS) & (miss > CLOSE)

    def halve(state: State) -> State:
        step, low, high, best, miss = state
        middle = (low + high) / 2
        found = psnr(image, jax.lax.stop_gradient(distort(jnp.exp(middle))))
        weak = found > target
        nearer = jnp.abs(found - target) < miss
        best = jnp.where(nearer, middle, best)
        miss = jnp.minimum(miss, jnp.abs(found - target))
        return step + 1, jnp.where(weak, middle, low), jnp.where(weak, high, middle), best, miss

    start = (jnp.int32(0), low, high, low, jnp.asarray(jnp.inf, image.dtype))
    return jnp.exp(jax.lax.while_loop(unfinished, halve, start)[3])
