"""The decorator that makes a function a distortion, and how a distortion is found and applied.

A distortion's module holds only what happens to one image; the decorator declares its place in a
family ("kadid", "tid", "dbcnn", "camera"), its five levels and its marks. Nothing else keeps a
list of distortions.
"""

import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jiqa.core.arrays import AnyArray, check_images, check_values, resolve_data_range, to_float
from jiqa.core.registry import unknown_name
from jiqa.datasets.distortions.calibration import PSNR_TARGETS, find_strength

Family = Literal["kadid", "tid", "dbcnn", "camera"]
Group = Literal["blur", "noise", "color", "tone", "compression", "spatial", "sharpness"]

FAMILIES: dict[str, str] = {
    "kadid": "the 25 types of KADID-10k and KADIS-700k",
    "tid": "the 24 types of TID2013, each image brought to the level's PSNR",
    "dbcnn": "the nine types on which DBCNN's classifier was trained",
    "camera": "parts and whole of a simulated camera",
}
LEVELS = (1, 2, 3, 4, 5)

_DISTORTIONS: dict[str, "Distortion"] = {}


@dataclass(frozen=True)
class Distortion:
    """A distortion of a family, with its levels.

    Attributes:
        name: Family and function, such as "kadid_gaussian_blur".
        family: A key of `FAMILIES`.
        number: Its number in the family, from 1.
        group: What it disturbs, such as "blur".
        function: Takes an image `[H, W, C]` in [0, 1] and a strength, and a key if it is random.
        parameter: What the strength is, with its unit.
        levels: The strength at levels 1 to 5; for "tid" the PSNR, in decibel.
        between: For "tid", the least and greatest strength between which the PSNR is sought.
        variants: A second number for each level, such as the sign of a shift.
        differentiable: Whether the gradient with respect to the image is meaningful; rounding
            passes it straight through.
        host_side: Whether a library on the host does the work, through `jax.pure_callback`.
        approximate: In what it differs from what the family's authors did; "" where it does not.
        severity: The levels in order of rising severity.
        needs_color: Whether images must have three channels.
    """

    name: str
    family: Family
    number: int
    group: Group
    function: Callable[..., jax.Array]
    parameter: str
    levels: tuple[float, ...]
    between: tuple[float, float] | None = None
    variants: tuple[float, ...] | None = None
    differentiable: bool = False
    host_side: bool = False
    approximate: str = ""
    severity: tuple[int, ...] = LEVELS
    needs_color: bool = False

    @property
    def random(self) -> bool:
        """Whether the result depends on a key."""
        return "key" in inspect.signature(self.function).parameters

    @property
    def monotone(self) -> bool:
        """Whether severity rises with the level."""
        return self.severity == LEVELS

    @property
    def summary(self) -> str:
        """The first line of the function's documentation."""
        return (inspect.getdoc(self.function) or "").splitlines()[0]

    def apply(
        self,
        image: jax.Array,
        strength: ArrayLike,
        key: jax.Array | None = None,
        variant: ArrayLike | None = None,
    ) -> jax.Array:
        """The distortion of one image at a strength, without checks.

        Args:
            image: `[H, W, C]`, floating, in [0, 1].
            strength: A number as `parameter` says; it may be traced.
            key: A typed key, for a random distortion.
            variant: The second number, for a distortion that has `variants`.

        Returns:
            The same shape, clipped to [0, 1].
        """
        options: dict[str, Any] = {"key": key} if self.random else {}
        options |= {"variant": variant} if self.variants else {}
        return jnp.clip(self.function(image, strength, **options), 0, 1)


def distortion(
    family: Family,
    number: int,
    *,
    group: Group,
    parameter: str,
    levels: tuple[float, ...] | None = None,
    between: tuple[float, float] | None = None,
    **facts: Any,
) -> Callable[[Callable[..., jax.Array]], Callable[..., jax.Array]]:
    """Makes a function a distortion, called "family_function"; may be used several times on one.

    Args:
        family: A key of `FAMILIES`.
        number: Its number in the family.
        group: What it disturbs.
        parameter: What the strength is.
        levels: The strength at levels 1 to 5. None is for "tid", whose levels are PSNR.
        between: Strengths of little and of much distortion, between which the PSNR of "tid" is
            sought.
        **facts: `variants`, `differentiable`, `host_side`, `approximate`, `severity`,
            `needs_color`; see `Distortion`.

    Returns:
        The decorator, which returns the function as it is.

    >>> @distortion("camera", 99, group="tone", parameter="offset", levels=(0, 0.1, 0.2, 0.3, 0.4))
    ... def veil(image, offset):
    ...     '''Stray light.'''
    ...     return image + offset
    >>> print(distort(jnp.zeros((2, 2, 1)), "camera_veil", 3)[0, 0].round(6))
    [0.2]
    >>> _ = _DISTORTIONS.pop("camera_veil")
    """

    def decorate(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
        name = f"{family}_{function.__name__}"
        strengths = tuple(float(x) for x in (PSNR_TARGETS[number] if levels is None else levels))
        _DISTORTIONS[name] = Distortion(
            name, family, number, group, function, parameter, strengths, between, **facts
        )
        return function

    return decorate


def list_distortions(family: str | None = None) -> list[str]:
    """The names of all distortions, by family and number.

    Args:
        family: Only those of a key of `FAMILIES`.

    Returns:
        Names that `find_distortion` and `distort` take.

    Raises:
        ValueError: Unknown family.

    >>> list_distortions("kadid")[:2]
    ['kadid_gaussian_blur', 'kadid_lens_blur']
    """
    if family not in (None, *FAMILIES):
        raise ValueError(f"family={family!r} is unknown; use one of {', '.join(FAMILIES)}.")
    order = list(FAMILIES)
    found = sorted(_DISTORTIONS.values(), key=lambda d: (order.index(d.family), d.number))
    return [d.name for d in found if family in (None, d.family)]


def find_distortion(name: str) -> Distortion:
    """The facts of a distortion.

    Args:
        name: One of `list_distortions()`.

    Returns:
        The distortion as it was declared.

    Raises:
        ValueError: No such distortion; the message lists the nearest names.

    >>> find_distortion("kadid_jpeg").levels
    (43.0, 36.0, 24.0, 7.0, 4.0)
    """
    if name not in _DISTORTIONS:
        raise unknown_name("distortion", name, list_distortions())
    return _DISTORTIONS[name]


def distort(
    images: AnyArray,
    name: str,
    level: int,
    key: jax.Array | None = None,
    *,
    stretch: bool = False,
) -> jax.Array:
    """Distorts images.

    The result depends on the image, its key and nothing else. It may be used under `jit`, `vmap`
    and, where the distortion is differentiable, `grad`; a distortion that is `host_side` calls the
    host.

    Args:
        images: `[..., H, W, C]`, C 1 or 3, floating in [0, 1], or uint8 or uint16.
        name: One of `list_distortions()`.
        level: 1 to 5.
        key: A key of `jax.random` for a random distortion. With leading axes, one key is folded
            with the index of each image; keys of the shape of these axes are used as they are.
        stretch: Whether image and result are stretched to [0, 1], all channels alike, as the
            authors of KADID-10k did with theirs.

    Returns:
        The same shape and dtype; floats in [0, 1], integers rounded.

    Raises:
        ValueError: No such distortion or level, wrong shape or range, no key, or keys of another
            shape.
        TypeError: Not an array, or another dtype.

    >>> image = jnp.full((32, 48, 3), 0.5)
    >>> noisy = distort(image, "kadid_white_noise", 3, jax.random.key(0))
    >>> print(jnp.std(noisy - image).round(3))
    0.05...
    """
    found = find_distortion(name)
    if isinstance(level, bool) or level not in LEVELS:
        raise ValueError(f"{name}: level={level!r}; levels are 1 to 5.")
    check_images(name, {"images": images})
    data_range = resolve_data_range(name, images.dtype, None)
    check_values(name, "images", images, data_range)
    if found.needs_color and images.shape[-1] != 3:
        raise ValueError(f"{name} changes colours; images have one channel, give RGB.")
    keys = _keys_of_images(name, found.random, key, images.shape[:-3])
    unit = to_float(images) / data_range
    variant = found.variants and found.variants[level - 1]
    changed = _distort_batch(unit, found.levels[level - 1], variant, keys, found, stretch)
    if jnp.issubdtype(images.dtype, jnp.floating):
        return changed.astype(images.dtype)
    return jnp.round(changed * data_range).astype(images.dtype)


def _keys_of_images(
    name: str, random: bool, key: jax.Array | None, batch: tuple[int, ...]
) -> jax.Array | None:
    """A typed key for each image of a batch."""
    if not random:
        return None
    if key is None:
        raise ValueError(f"{name} is random: give a key, such as jax.random.key(0).")
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = jax.random.wrap_key_data(key)
    if key.shape == batch:
        return key
    if key.shape:
        raise ValueError(f"{name}: keys have shape {key.shape}; give one key or shape {batch}.")
    places = jnp.arange(math.prod(batch))
    return jax.vmap(functools.partial(jax.random.fold_in, key))(places).reshape(batch)


@functools.partial(jax.jit, static_argnames=("found", "stretch"))
def _distort_batch(
    images: jax.Array,
    level: jax.Array,
    variant: jax.Array | None,
    keys: jax.Array | None,
    found: Distortion,
    stretch: bool,
) -> jax.Array:
    def one(image: jax.Array, key: jax.Array | None) -> jax.Array:
        image = _stretch(image) if stretch else image
        apply = functools.partial(found.apply, image, key=key, variant=variant)
        strength = level
        if found.between is not None:
            strength = find_strength(apply, image, level, found.between)
        changed = apply(strength)
        return _stretch(changed) if stretch else changed

    for _ in images.shape[:-3]:
        one = jax.vmap(one)
    return one(images, keys)


def _stretch(image: jax.Array) -> jax.Array:
    """The least value becomes 0 and the greatest 1; a constant image stays."""
    low, high = image.min(), image.max()
    return jnp.where(high > low, (image - low) / jnp.where(high > low, high - low, 1), image)
