"""The one decorator that makes a function a metric, and the names under which metrics are found.

A metric's module holds only mathematics. The decorator declares facts (polarity, range, paper),
checks and converts the images, resolves `data_range`, and compiles the function once for each
combination of shapes and options. Nothing else in jiqa keeps a list of metrics: a module put into
one of `METRIC_PACKAGES` is found.
"""

import functools
import importlib
import inspect
import math
import pkgutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import jax
import jax.numpy as jnp

from jiqa.core import arrays

T = TypeVar("T")
Kind = Literal["full_reference", "reduced_reference", "no_reference"]

METRIC_PACKAGES = (
    "jiqa.full_reference",
    "jiqa.reduced_reference",
    "jiqa.no_reference",
    "jiqa.deep",
)
NO_IMAGES = ("parameters", "features")  # positional arguments that are handed on as they are

_METRICS: dict[str, "Metric"] = {}
_FUNCTIONS: dict[str, Callable[..., Any]] = {}  # metrics, their maps and all else public


@jax.tree_util.register_pytree_with_keys_class
@dataclass(frozen=True, eq=False)
class Metric:
    """A metric by its name: a callable with its facts.

    It is a pytree: the parameters of a learned metric are its leaves, and all else is static. A
    metric without parameters has no leaves, and may be a static argument too.

    Attributes:
        name: The name it is registered under.
        kind: "full_reference", "reduced_reference" or "no_reference".
        function: The decorated function.
        higher_is_better: Polarity; None where the score nearest to `identical` is best.
        score_range: Lowest and highest possible score.
        identical: The score of two equal images; None where there is no reference.
        differentiable: Whether the gradient with respect to the images is meaningful.
        color: What the metric does with colour.
        paper: Where it was published.
        options: Keyword arguments that this name fixes, such as a published protocol's luma.
        loss_options: Keyword arguments that keep the metric finite as a loss.
        side_information: How much of the reference a reduced-reference metric needs.
        load_parameters: Gives the parameters of a learned metric for the options it takes.
        parameters: A tree of arrays; None for a metric that is not learned, or by `find`.
    """

    name: str
    kind: Kind
    function: Callable[..., jax.Array]
    higher_is_better: bool | None
    score_range: tuple[float, float]
    identical: float | None
    differentiable: bool
    color: str
    paper: str
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    loss_options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    side_information: str | None = None
    load_parameters: Callable[..., Any] | None = None
    parameters: Any = None

    def __eq__(self, other: object) -> bool:
        """Whether all facts are equal, and the parameters the same arrays."""
        return isinstance(other, Metric) and self._identity == other._identity

    def __hash__(self) -> int:
        """The hash of the name and its fixed options."""
        return hash((self.name, self.kind, tuple(sorted(self.options.items()))))

    @property
    def _identity(self) -> dict[str, Any]:
        leaves, structure = jax.tree.flatten(self.parameters)
        return {**vars(self), "parameters": (structure, *map(id, leaves))}

    def tree_flatten_with_keys(self) -> tuple[tuple[Any], "Metric"]:
        """The parameters, and the metric without them."""
        key = jax.tree_util.GetAttrKey("parameters")
        return ((key, self.parameters),), replace(self, parameters=None)

    @classmethod
    def tree_unflatten(cls, facts: "Metric", children: tuple[Any]) -> "Metric":
        """The metric with these parameters."""
        return replace(facts, parameters=children[0])

    def __call__(self, *images: jax.Array, **options: Any) -> jax.Array:
        """The score of the images: `(reference, distorted)`, or the images alone."""
        return self._bound(self.function, options)(*images, **{**self.options, **options})

    def prepare(self, reference: jax.Array, **options: Any) -> "Prepared":
        """The metric with a fixed reference, whose features are computed once.

        Args:
            reference: Images `[..., H, W, C]`.
            **options: Options of the metric that concern the features, such as `data_range`.

        Returns:
            A callable of distorted images.

        Raises:
            ValueError: The metric does not compare features.

        >>> image = jnp.linspace(0, 1, 64 * 64).reshape(64, 64, 1) ** 2
        >>> print(load("rred").prepare(image)(image).round(6))
        0.0
        """
        function = self._sibling("features")
        if function is None or self._sibling("distance") is None:
            raise ValueError(f"{self.name} compares images, so there is nothing to prepare.")
        fixed = _accepted(function, self.options)
        features = self._bound(function, options)(reference, **{**fixed, **options})
        return Prepared(self, features)

    def _bound(self, function: Callable[..., T], options: Mapping[str, Any]) -> Callable[..., T]:
        """A function of this metric's module, of images alone: the parameters are filled in."""
        if not self.learned:
            return function
        if self.parameters is None:
            raise ValueError(f"{self.name} has no parameters: use jiqa.load({self.name!r}).")
        if self.choice(options) != (loaded := self.choice()):
            raise ValueError(
                f"{self.name}: {', '.join(loaded)} chose the parameters; give other options to "
                "jiqa.load."
            )
        return functools.partial(function, self.parameters)

    def _sibling(self, ending: str) -> Callable[..., Any] | None:
        """The function of the metric's module that is called after it."""
        module = sys.modules[self.function.__module__]
        return getattr(module, f"{self.function.__name__}_{ending}", None)

    def choice(self, options: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
        """The options that choose the parameters of a learned metric, with what they are.

        Args:
            options: These count before those that the name fixes.

        Returns:
            Values by name, all hashable.
        """
        if self.load_parameters is None:
            return {}
        defaults = _choosing(self.function, self.load_parameters)
        given = {**defaults, **self.options, **options}
        chosen = {name: given[name] for name in defaults}
        return {k: tuple(v) if isinstance(v, list) else v for k, v in chosen.items()}

    @property
    def learned(self) -> bool:
        """Whether the metric has parameters."""
        return self.load_parameters is not None

    @property
    def needs_reference(self) -> bool:
        """Whether the first argument is a reference image."""
        return self.kind != "no_reference"

    @property
    def map_function(self) -> Callable[..., jax.Array] | None:
        """The sibling `<function>_map` with this name's options, if the metric is a pooled map."""
        function = self._sibling("map")
        if function is None:
            return None
        fixed = _accepted(function, self.options)
        return functools.partial(self._bound(function, {}), **fixed)

    @property
    def summary(self) -> str:
        """The first line of the function's documentation."""
        return inspect.getdoc(self.function).splitlines()[0]  # type: ignore[union-attr]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Prepared:
    """A metric with the features of its reference: a pytree, made by `Metric.prepare`.

    Attributes:
        metric: The metric.
        features: What it keeps of the reference, a pytree.
    """

    metric: Metric
    features: Any

    def __call__(self, distorted: jax.Array, **options: Any) -> jax.Array:
        """The score of distorted images against the reference."""
        function = self.metric._sibling("distance")
        assert function is not None
        fixed = _accepted(function, self.metric.options)
        bound = self.metric._bound(function, {})
        return bound(self.features, distorted, **{**fixed, **options})


def _accepted(function: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options that a function takes."""
    taken = inspect.signature(function).parameters
    return {name: value for name, value in options.items() if name in taken}


@functools.cache
def _choosing(function: Callable[..., Any], loader: Callable[..., Any]) -> dict[str, Any]:
    """The options of a metric's function that its parameters depend on, with their defaults."""
    parameters = inspect.signature(function).parameters
    return {name: parameters[name].default for name in inspect.signature(loader).parameters}


def metric(
    *,
    kind: Kind,
    higher_is_better: bool | None,
    score_range: tuple[float, float],
    identical: float | None,
    paper: str,
    color: str = "channels alike, averaged; luma= converts first",
    differentiable: bool = True,
    reads_any_dtype: bool = False,
    protocols: Mapping[str, Mapping[str, Any]] | None = None,
    loss_options: Mapping[str, Any] | None = None,
    side_information: str | None = None,
    parameters: Callable[..., Any] | None = None,
) -> Callable[[Callable[..., jax.Array]], Callable[..., jax.Array]]:
    """Makes a function of images a metric, registered under its own name.

    The function is called with floating images in `[0, data_range]` of one shape `[..., H, W, C]`,
    with `data_range` resolved to a float, and is compiled with its keyword arguments static
    (`weights`, the one array among them, excepted). That of a learned metric takes its parameters
    first.

    Args:
        kind: "full_reference", "reduced_reference" or "no_reference".
        higher_is_better: Polarity; None where the score nearest to `identical` is best.
        score_range: Lowest and highest possible score.
        identical: The score of two equal images; None where there is no reference.
        paper: Authors, title, year.
        color: What the metric does with colour, in a few words.
        differentiable: Whether the gradient is meaningful.
        reads_any_dtype: Whether the function takes integers and half precision as they come.
        protocols: Further names, each with the options it fixes.
        loss_options: Options that keep the metric finite as a loss.
        side_information: How much of the reference a reduced-reference metric needs.
        parameters: For a learned metric, a function that gives its parameters, a tree of arrays.
            Its arguments are named as those options of the metric that choose the parameters.

    Returns:
        The decorator. The decorated function has the same signature.

    >>> @metric(kind="full_reference", higher_is_better=False, score_range=(0, 1), identical=0,
    ...         paper="none")
    ... def first_pixel(reference, distorted, *, data_range=1.0):
    ...     '''Difference of the first pixel.'''
    ...     return abs(reference - distorted)[..., 0, 0, 0] / data_range
    >>> float(load("first_pixel")(jnp.zeros((1, 1, 1)), jnp.ones((1, 1, 1))))
    1.0
    >>> _ = _METRICS.pop("first_pixel"), _FUNCTIONS.pop("first_pixel")
    """
    lowest, highest = score_range

    def decorate(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
        wrapper = image_function(function, reads_any_dtype=reads_any_dtype)
        for name, options in {function.__name__: {}, **(protocols or {})}.items():
            _METRICS[name] = Metric(
                name=name,
                kind=kind,
                function=wrapper,
                higher_is_better=higher_is_better,
                score_range=(float(lowest), float(highest)),
                identical=None if identical is None else float(identical),
                differentiable=differentiable,
                color=color,
                paper=paper,
                options=MappingProxyType(dict(options)),
                loss_options=MappingProxyType(dict(loss_options or {})),
                side_information=side_information,
                load_parameters=parameters,
            )
        return wrapper

    return decorate


def image_function(
    function: Callable[..., T], *, reads_any_dtype: bool = False
) -> Callable[..., T]:
    """Gives a function of images the checks, the conversion and the compilation of a metric.

    Used by itself for what is not a score, such as the map of a metric.

    Args:
        function: Takes one or two images by position, `data_range` and other options by keyword.
            Positional arguments called `parameters` and `features` are no images and are handed
            on as they are.
        reads_any_dtype: Whether the function takes integers and half precision as they come.

    Returns:
        A function of the same signature; see `metric`.

    >>> @image_function
    ... def height(image, *, data_range=1.0):
    ...     return image.shape[-3]
    >>> int(height(jnp.zeros((4, 5, 1))))
    4
    >>> _ = _FUNCTIONS.pop("height")
    """
    convert = jnp.asarray if reads_any_dtype else arrays.to_float
    parameters = inspect.signature(function).parameters
    positional = [p.name for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    options = [p.name for p in parameters.values() if p.kind is p.KEYWORD_ONLY]
    static = [name for name in options if name != "weights"]
    of_images_alone = not set(positional) & set(NO_IMAGES)
    computed = _without_leading_ones(function) if of_images_alone else function
    compiled = jax.jit(computed, static_argnames=static)
    name = function.__name__

    @functools.wraps(function)
    def wrapper(*args: jax.Array, **kwargs: Any) -> T:
        given = dict(zip(positional, args, strict=False))
        given |= {key: kwargs.pop(key) for key in positional if key in kwargs}
        if len(args) > len(positional) or set(given) != set(positional):
            raise TypeError(f"{name}: takes {', '.join(positional)}, then keyword arguments.")
        if unknown := sorted(set(kwargs) - set(options)):
            raise TypeError(
                f"{name}: no option {', '.join(unknown)}; the options are {', '.join(options)}."
            )
        images = {key: value for key, value in given.items() if key not in NO_IMAGES}
        arrays.check_images(name, images)
        first = next(iter(images.values()))
        kwargs["data_range"] = arrays.resolve_data_range(
            name, first.dtype, kwargs.get("data_range")
        )
        for key, image in images.items():
            arrays.check_values(name, key, image, kwargs["data_range"])
        if kwargs.get("weights") is not None:
            kwargs["weights"] = arrays.check_weights(name, kwargs["weights"], first.shape)
        kwargs |= {key: tuple(v) for key, v in kwargs.items() if isinstance(v, list)}
        given |= {key: convert(image) for key, image in images.items()}
        return compiled(*given.values(), **kwargs)

    _FUNCTIONS[name] = wrapper
    return wrapper


def _without_leading_ones(function: Callable[..., T]) -> Callable[..., T]:
    """Computes `[1, H, W, C]` as `[H, W, C]`, over which XLA for CPUs makes faster loops.

    Values and gradients of handcrafted metrics take up to ten times as long with the axis of one.
    """

    @functools.wraps(function)
    def compute(*images: jax.Array, **options: Any) -> T:
        batch = images[0].shape[:-3]
        ones = next((place for place, size in enumerate(batch) if size != 1), len(batch))
        if options.get("weights") is not None:
            weights = options["weights"]  # may have fewer axes than the images
            axes = len(batch) - ones + 2
            options["weights"] = weights.reshape(weights.shape[-axes:])
        results = function(*(image.reshape(image.shape[ones:]) for image in images), **options)
        return jax.tree.map(lambda result: jnp.expand_dims(result, tuple(range(ones))), results)

    return compute


def public_function(function: Callable[..., T]) -> Callable[..., T]:
    """Makes a function that does its own checks an attribute of `jiqa`, as it is.

    Used for what does not take two images of one shape: other numbers or shapes of images, or
    arrays that are no images.

    Args:
        function: Any function.

    Returns:
        The function.

    >>> @public_function
    ... def half(x):
    ...     return x / 2
    >>> find_function("half")(3)
    1.5
    >>> _ = _FUNCTIONS.pop("half")
    """
    _FUNCTIONS[function.__name__] = function
    return function


def list_metrics(kind: Kind | None = None) -> list[str]:
    """The names of all metrics, sorted.

    Args:
        kind: Only metrics of this kind.

    Returns:
        Names that `load`, `describe` and the command line take.

    >>> "ssim" in list_metrics("full_reference")
    True
    """
    _discover()
    return sorted(name for name, found in _METRICS.items() if kind in (None, found.kind))


def find(name: str) -> Metric:
    """The facts of a metric. Parameters of a learned one are not loaded, so it cannot be called.

    Args:
        name: One of `list_metrics()`.

    Returns:
        The metric as it was registered.

    Raises:
        ValueError: No such metric; the message lists the nearest names.

    >>> find("psnr").higher_is_better
    True
    """
    _discover()
    if name not in _METRICS:
        raise unknown_name("metric", name, sorted(_METRICS))
    return _METRICS[name]


def unknown_name(what: str, name: str, known: Sequence[str]) -> ValueError:
    """The error for a name that is none of those known, with the nearest ones.

    >>> unknown_name("metric", "sism", ["psnr", "ssim"])
    ValueError("no metric is called 'sism'; did you mean ssim?")
    """
    import difflib

    near = difflib.get_close_matches(name, known) or known
    return ValueError(f"no {what} is called {name!r}; did you mean {', '.join(near)}?")


def load(name: str, **options: Any) -> Metric:
    """The metric of a name, ready to be called: a learned one gets its parameters.

    Args:
        name: One of `list_metrics()`.
        **options: Options of the metric to fix. Some choose the parameters of a learned metric.

    Returns:
        A callable with the metric's facts.

    Raises:
        ValueError: No such metric; the message lists the nearest names.
        ValueError, OSError: Its parameters cannot be had; see `jiqa.weights`.

    >>> image = jnp.ones((16, 16, 3))
    >>> float(load("ssim", luma="bt601")(image, image))
    1.0
    """
    found = find(name)
    metric = replace(found, options=MappingProxyType({**found.options, **options}))
    if metric.load_parameters is None:
        return metric
    chosen = tuple(metric.choice().items())
    return replace(metric, parameters=_load_parameters(metric.load_parameters, chosen))


@functools.cache
def _load_parameters(loader: Callable[..., Any], chosen: tuple[tuple[str, Any], ...]) -> Any:
    """Parameters on the device, loaded once, constants also within a function being traced."""
    with jax.ensure_compile_time_eval():
        return jax.tree.map(jnp.asarray, loader(**dict(chosen)))


def find_function(name: str) -> Callable[..., Any] | None:
    """A metric, a map or another decorated function of images by its name; None if there is none.

    >>> find_function("ssim_map").__name__
    'ssim_map'
    """
    _discover()
    return load(name) if name in _METRICS and _METRICS[name].options else _FUNCTIONS.get(name)


def describe(name: str) -> str:
    """What a metric measures, its facts and its options, as text.

    Args:
        name: One of `list_metrics()`.

    Returns:
        Several lines.

    Raises:
        ValueError: No such metric.

    >>> print(describe("mse").splitlines()[0])
    mse: mean squared error.
    """
    found = find(name)
    best = {True: "higher is better", False: "lower is better", None: "nearest to identical"}
    low, high = found.score_range
    lines = [
        f"{name}: {found.summary[0].lower()}{found.summary[1:]}",
        f"  kind            {found.kind.replace('_', ' ')}",
        f"  polarity        {best[found.higher_is_better]}",
        f"  score range     {low:g} to {high:g}",
        f"  identical       {'-' if found.identical is None else format(found.identical, 'g')}",
        f"  differentiable  {'yes' if found.differentiable else 'no'}",
        f"  colour          {found.color}",
        f"  paper           {found.paper}",
        *([f"  side info       {found.side_information}"] if found.side_information else []),
        "  options",
    ]
    for key, parameter in inspect.signature(found.function).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            fixed = f" (fixed: {found.options[key]!r})" if key in found.options else ""
            lines.append(f"    {key}={parameter.default!r}{fixed}")
    return "\n".join(lines)


def as_loss(metric: str | Callable[..., jax.Array], **options: Any) -> Callable[..., jax.Array]:
    """A function to minimise, derived from a metric's declared polarity.

    It is the score for "lower is better", `identical - score` for "higher is better", and
    `abs(score - identical)` where the score nearest to `identical` is best: zero on equal images.
    A metric that is unbounded on equal images (PSNR) is capped and negated.

    Args:
        metric: A name, a `Metric` or a decorated function.
        **options: Keyword arguments of the metric, such as `data_range` or `luma`.

    Returns:
        A function of `(reference, distorted)`, or of images alone, with one value an image.

    Raises:
        ValueError: The metric is unknown or not differentiable.

    >>> black, white = jnp.zeros((16, 16, 3)), jnp.ones((16, 16, 3))
    >>> bool(as_loss("ssim")(black, white) > as_loss("ssim")(black, black))
    True
    """
    if isinstance(metric, Metric):
        found = metric
    else:
        found = load(metric if isinstance(metric, str) else metric.__name__, **options)
    if not found.differentiable:
        raise ValueError(f"{found.name} is not differentiable, so it cannot be a loss.")
    finite = replace(found, options={**found.loss_options, **found.options})
    score = functools.partial(finite, **options)
    best = found.identical if found.identical is not None else 0.0
    if found.higher_is_better is None:
        return lambda *images: jnp.abs(score(*images) - best)
    if found.higher_is_better:
        offset = best if math.isfinite(best) else 0.0
        return lambda *images: offset - score(*images)
    return score


@functools.cache
def _discover() -> None:
    """Imports every module of the metric packages, whose decorators fill the registry."""
    for package_name in METRIC_PACKAGES:
        package = importlib.import_module(package_name)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package_name}.{module.name}")
