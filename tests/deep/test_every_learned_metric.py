"""What every learned metric owes: what all metrics owe, in few programs, and scores of files."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from numpy.testing import assert_allclose

import jiqa
from jiqa import cli
from jiqa.scoring import score_files
from tests.image_files import SUMMATION, expected, write_pairs
from tests.test_every_metric import BAD, degenerate_pairs

pytestmark = pytest.mark.usefixtures("pretrained")

# Of traditional metrics on feature maps, which are one function, some: an error, a ratio, windows.
ALIKE = {"alexnet_lmse", "alexnet_mae", "alexnet_md", "alexnet_mse", "alexnet_sc"}
# Their networks are not at hand; see test_random_networks.py.
ELSEWHERE = {"content_loss", "contextual_loss", "deepdc", "pieapp", "st_lpips", "style_loss"}
METRICS = [
    name
    for name in jiqa.list_metrics("full_reference")
    if jiqa.find(name).learned and not jiqa.find(name).options and name not in ALIKE | ELSEWHERE
]
SHAPE = (37, 32, 3)
# Images are brought to a size at which derivatives in double precision do not take minutes.
SMALL = {"feature_pyramid": {"side": 128, "levels": 2}}


def load(name):
    return jiqa.load(name, **SMALL.get(name, {}))


@pytest.mark.parametrize("name", METRICS)
def test_batches_vmap_shardings_and_scan_give_the_same_score(name, rng):
    """And equal images have the declared score, noisier ones worse ones."""
    metric = load(name)
    photo = 0.25 + rng.random(SHAPE) / 2
    noise = rng.standard_normal(SHAPE)
    levels = (0, 0.02, 0.05, 0.1, 0.2, 0.1, 0.05, 0.02)
    reference = np.stack([photo] * len(levels))
    distorted = np.clip(np.stack([photo + level * noise for level in levels]), 0, 1)

    @jax.jit
    def scan(metric, x, y):
        _, scores = jax.lax.scan(lambda _, pair: (0, metric(*pair)), 0, (x, y))
        return scores

    batch = scan(metric, reference, distorted)
    assert_allclose(batch[0], metric.identical, atol=1e-12)
    losses = -batch if metric.higher_is_better else batch
    assert list(np.argsort(losses[:5])) == [0, 1, 2, 3, 4]
    assert np.all((batch >= metric.score_range[0]) & (batch <= metric.score_range[1]))

    mesh = Mesh(np.array(jax.devices()).reshape(2, 4), ("rows", "columns"))
    spec = PartitionSpec("rows", "columns")
    nested = [images.reshape(2, 4, *SHAPE) for images in (reference, distorted)]
    everywhere = jax.device_put(metric, NamedSharding(mesh, PartitionSpec()))
    sharded = jax.device_put(nested, NamedSharding(mesh, spec))
    score = jax.jit(lambda metric, x, y: metric(x, y))
    assert_allclose(score(everywhere, *sharded).reshape(8), batch, rtol=1e-9, atol=1e-12)
    mapped = jax.shard_map(
        lambda metric, x, y: jax.vmap(jax.vmap(metric))(x, y),
        mesh=mesh,
        in_specs=(PartitionSpec(), spec, spec),
        out_specs=spec,
    )
    assert_allclose(jax.jit(mapped)(metric, *nested).reshape(8), batch, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_gradient_equals_finite_differences(name, rng):
    reference, distorted = 0.1 + 0.8 * rng.random((2, *SHAPE))
    direction = rng.standard_normal((2, *SHAPE))
    metric = load(name)

    @jax.jit
    def loss(metric, x, y):
        return jax.value_and_grad(jiqa.as_loss(metric), (0, 1))(x, y)

    _, gradients = loss(metric, reference, distorted)
    step = 1e-7
    ahead, _ = loss(metric, reference + step * direction[0], distorted + step * direction[1])
    behind, _ = loss(metric, reference - step * direction[0], distorted - step * direction[1])
    slope = sum(np.sum(g * d) for g, d in zip(gradients, direction, strict=True))
    # Central differences with this step round to about 1e-8.
    assert_allclose(slope, (ahead - behind) / (2 * step), rtol=1e-5, atol=3e-8)


@pytest.mark.parametrize("name", METRICS)
def test_gradients_are_finite_on_degenerate_images(name):
    cases = degenerate_pairs(SHAPE)
    reference, distorted = (
        jnp.stack([pair[i] for pair in cases.values()]).astype(np.float32) for i in (0, 1)
    )

    @jax.jit
    def derive(metric, x, y):
        def total(x, y):
            values = jiqa.as_loss(metric)(x, y)
            return jnp.sum(values), values

        return jax.grad(total, argnums=(0, 1), has_aux=True)(x, y)

    gradients, values = derive(load(name), reference, distorted)
    for i, case in enumerate(cases):
        assert jnp.isfinite(values[i]), case
        for gradient in gradients:
            assert jnp.all(jnp.isfinite(gradient[i])), case


@pytest.mark.parametrize("name", METRICS)
def test_integers_half_precision_and_gray_images(name, rng):
    metric = load(name)
    gray = rng.integers(0, 256, (2, *SHAPE[:2], 1), np.uint8)
    own = metric(*gray)
    assert own == metric(*gray.astype(np.float32), data_range=255)
    color = np.repeat(gray / 255, 3, -1)
    assert_allclose(metric(*color.astype(np.float32)), own, rtol=1e-5)
    half = color.astype(jnp.bfloat16)
    assert metric(*half).dtype == jnp.float32
    assert metric(*half) == metric(*half.astype(np.float32))


@pytest.mark.parametrize("case", [case for case in BAD if case != "unknown luma"])
@pytest.mark.parametrize("name", METRICS)
def test_bad_input_is_a_clear_error(name, case):
    image, extra, error, message = BAD[case]
    with pytest.raises(error, match=message):
        load(name)(image, image, **extra)


@pytest.mark.parametrize("name", METRICS)
def test_pure_functions_take_parameters_first(name):
    metric = load(name)
    assert next(iter(inspect.signature(metric.function).parameters)) == "parameters"
    assert jax.tree.all(jax.tree.map(lambda x: x.dtype == jnp.float32, metric.parameters))
    with pytest.raises(TypeError, match="takes parameters, reference, distorted"):
        metric.function(*np.zeros((2, *SHAPE)))


def test_files_are_scored_on_all_devices(tmp_path):
    pairs = write_pairs(tmp_path, *[(40, 36, 3)] * 5, (33, 31))
    table = score_files(pairs, ["lpips_alex", "psnr"]).frame
    assert table["error"].isna().all()
    scores = [expected(pair, "lpips_alex") for pair in pairs]
    assert_allclose(table["lpips_alex"], scores, **SUMMATION)


def test_missing_parameters_are_told_before_any_work(tmp_path, monkeypatch, capsys):
    def load(name):
        raise FileNotFoundError(f"{name} is not on this machine.")

    write_pairs(tmp_path, (40, 36, 3))
    monkeypatch.setattr("jiqa.weights.load", load)
    monkeypatch.setattr("jiqa.scoring.use_compilation_cache", lambda: None)
    folders = [str(tmp_path / name) for name in ("r", "d")]
    output = tmp_path / "scores.csv"
    arguments = ["score", *folders, "--metrics", "psnr,lpips_squeeze", "--output", str(output)]
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("jiqa: ")
    assert "is not on this machine" in error
    assert not list(tmp_path.glob("scores.csv*"))
    assert cli.main(["describe", "lpips_squeeze"]) == 0
    assert "net='alex' (fixed: 'squeeze')" in capsys.readouterr().out
