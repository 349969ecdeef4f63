"""Sets of files: streams, what is measured, the command, and what is refused beforehand."""

import json
import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from jiqa import cli, scoring
from jiqa.deep.backbones.alexnet import alexnet
from jiqa.distribution import (
    comparison,
    density_coverage,
    frechet_distance,
    gaussian_mmd,
    inception_score,
    kernel_distance,
    load_statistics,
    precision_recall,
    save_statistics,
)
from jiqa.distribution.comparison import Options, compare_sets, set_statistics
from jiqa.distribution.extractors import Extractor, find_extractor
from jiqa.distribution.measuring import measure
from jiqa.distribution.resizing import resize
from jiqa.distribution.statistics import of_features
from jiqa.images import ImageError, read_image, write_png
from jiqa.pairs import find_images

EVERYTHING = "fid", "kid", "mmd", "precision_recall", "density_coverage"
SMALL = Options(subsets=4, subset_size=10)


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch):
    """Keeps the tests out of the user's cache."""
    monkeypatch.setattr(scoring, "use_compilation_cache", lambda: None)


@pytest.fixture
def folders(tmp_path, rng):
    """23 and 19 images of various sizes, some gray, some of 16 bits, some in a subfolder."""
    (tmp_path / "real" / "more").mkdir(parents=True)
    (tmp_path / "fake").mkdir()
    for index in range(42):
        name, place = ("real", "more/" * (index % 2)) if index < 23 else ("fake", "")
        height, width = rng.integers(20, 60, 2)
        image = rng.integers(0, 256 >> (name == "fake"), (height, width, 3)).astype(np.uint8)
        if index % 5 == 0:
            image = image[..., :1]
        if index % 7 == 0:
            image = image.astype(np.uint16) * 257
        write_png(tmp_path / name / f"{place}{index}.png", image)
    return tmp_path / "real", tmp_path / "fake"


def tiny():
    """An extractor without a network: means and products of pixels, as features and as logits."""

    def compute(parameters, levels):
        x = levels.mean((1, 2)) / 255
        features = jnp.concatenate([x, x**2], -1) @ parameters["matrix"]
        return {"features": features, "logits": 5 * features}

    matrix = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)

    def prepare(image):
        full = np.iinfo(image.dtype).max
        return np.resize(image / np.float32(full / 255), (8, 8, 3))

    return Extractor("tiny", 8, prepare, compute, {"matrix": matrix})


def test_streams_of_files_are_the_set(folders):
    """Batches of eight devices, the last one not full; progress counts every image once."""
    extractor, paths = tiny(), find_images(folders[0])
    images = np.stack([extractor.prepare(read_image(path)) for path in paths])
    expected = extractor.compute(extractor.parameters, images)
    done = []
    found = measure(
        paths, extractor, {"moments", "features", "logits"}, splits=3, batch=2, progress=done.append
    )
    assert done == [16, 7]
    assert_allclose(found.features, expected["features"], rtol=1e-5)
    whole = of_features(np.asarray(found.features, np.float64))
    assert_allclose(found.statistics.covariance, whole.covariance, rtol=1e-10, atol=1e-15)
    assert (found.count, found.statistics.count, found.statistics.features) == (23, 23, "tiny")
    assert_allclose(
        inception_score.compute(found.class_sums),
        inception_score.score(expected["logits"], 3),
        rtol=1e-4,
    )
    nothing = measure(paths[:2], extractor, set())
    assert (nothing.statistics, nothing.features, nothing.class_sums) == (None, None, None)


def test_all_distances_of_two_folders(folders, monkeypatch):
    extractor = tiny()
    monkeypatch.setattr(comparison, "find_extractor", lambda *_: extractor)
    found = compare_sets(*folders, [*EVERYTHING, "inception_score"], options=SMALL)
    x, y = (measure(find_images(folder), extractor, {"features"}).features for folder in folders)
    kid = kernel_distance(x, y, subsets=4, subset_size=10)
    wide = x.astype(np.float64), y.astype(np.float64)
    expected = {
        "fid": frechet_distance(*wide),
        "kid": kid.mean,
        "mmd": gaussian_mmd(x, y),
        **precision_recall(x, y)._asdict(),
        **density_coverage(x, y)._asdict(),
        "inception_score": inception_score.score(5 * y, 10).mean,
    }
    assert list(found.values) == list(expected) == list(found.higher_is_better)
    for name, value in expected.items():
        assert_allclose(found.values[name].mean, value, rtol=1e-5, err_msg=name)
    assert_allclose(found.values["kid"].deviation, kid.deviation)
    assert [name for name, higher in found.higher_is_better.items() if not higher] == [
        "fid",
        "kid",
        "mmd",
    ]
    assert found.notes == []


def test_only_what_is_needed_is_measured(folders, monkeypatch):
    """The Inception score does not look at the reference."""
    monkeypatch.setattr(comparison, "find_extractor", lambda *_: tiny())
    (folders[0] / "broken.png").write_bytes(b"no image")
    done = []
    found = compare_sets(*folders, ["inception_score"], progress=lambda *now: done.append(now))
    assert list(found.values) == ["inception_score"]
    assert done[-1] == (19, 19)


def test_a_pretrained_network(folders):
    """AlexNet's features of a file are those of its pixels, of any size, depth and colours."""
    extractor = find_extractor("alexnet:relu5")
    for path in find_images(folders[0])[:8]:
        image = read_image(path)
        full = np.iinfo(image.dtype).max
        levels = resize(jnp.asarray(image * np.float32(255 / full)), "clean_fid", 224)
        colours = jnp.broadcast_to(levels / 255, (224, 224, 3))
        expected = alexnet(extractor.parameters, alexnet.normalize(colours), ["relu5"])["relu5"]
        prepared = extractor.prepare(image)[None]
        assert (prepared.shape, prepared.dtype) == ((1, 224, 224, 3), np.float32)
        found = extractor.compute(extractor.parameters, prepared)["features"]
        assert_allclose(found[0], expected.mean((0, 1)), rtol=1e-3, atol=1e-4)
    assert extractor.sizes == {"features": 256}
    facts = extractor.facts
    assert facts["name"] == "alexnet:relu5, clean_fid"
    assert re.fullmatch("[0-9a-f]{64}", facts["parameters"])


def test_inception_gives_features_and_classes(monkeypatch):
    """Shapes alone: its numbers are tested in test_inception.py."""
    from jiqa.deep.backbones.inception_v3 import inception_v3_fid

    structs = jax.tree.map(
        lambda shape: jax.ShapeDtypeStruct(shape, jnp.float32),
        inception_v3_fid.shapes,
        is_leaf=lambda x: isinstance(x, tuple),
    )
    monkeypatch.setattr(jiqa.weights, "load", lambda name: {"inception_v3_fid": structs}[name])
    for name, size in {"inception_v3": 2048, "inception_v3:Mixed_6e": 768}.items():
        assert find_extractor(name, "tensorflow").sizes == {"features": size, "logits": 1008}


def test_the_catalogue_has_inceptions_shapes():
    from jiqa.deep.backbones.inception_v3 import inception_v3_fid
    from jiqa.weights.entries import ENTRIES

    paths = jax.tree_util.tree_leaves_with_path(
        inception_v3_fid.shapes, is_leaf=lambda x: isinstance(x, tuple)
    )
    own = {".".join(key.key for key in path): list(shape) for path, shape in paths}
    assert ENTRIES["inception_v3_fid"].shapes == own


def test_statistics_instead_of_a_folder(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(comparison, "find_extractor", lambda *_: tiny())
    files = [tmp_path / "real.safetensors", tmp_path / "fake.npz"]
    statistics = [set_statistics(folder) for folder in folders]
    save_statistics(files[0], statistics[0])
    np.savez(files[1], mu=statistics[1].mean, sigma=statistics[1].covariance)
    assert load_statistics(files[0]).features == "tiny"
    expected = compare_sets(*folders, ["fid"]).values["fid"].mean
    for pair in ((files[0], folders[1]), (folders[0], files[1]), files):
        assert_allclose(compare_sets(*pair, ["fid"]).values["fid"].mean, expected, rtol=1e-9)
    with pytest.raises(ValueError, match=r"kid, mmd cannot be computed from .*real\.safetensors"):
        compare_sets(files[0], folders[1], ["fid", "kid", "mmd"], options=SMALL)
    monkeypatch.setattr(comparison, "find_extractor", find_extractor)
    with pytest.raises(
        ValueError, match="the statistics are of tiny, and images would be measured"
    ):
        compare_sets(files[0], folders[1], ["fid"], features="alexnet:relu5")


def test_refused_before_any_work(folders, tmp_path, monkeypatch):
    def no_work(*_, **__):
        raise AssertionError

    monkeypatch.setattr(comparison, "measure", no_work)
    small = partial(compare_sets, *folders, features="alexnet:relu5")
    with pytest.raises(
        ValueError, match="real has 23 images, and kid needs at least 1000 with subs"
    ):
        small(["fid", "kid"])
    with pytest.raises(ValueError, match="needs at least 24 with manifold_neighbors=23"):
        small(["precision_recall"], options=Options(manifold_neighbors=23))
    with pytest.raises(
        ValueError, match="inception_score needs the classes of inception_v3, not al"
    ):
        small(["inception_score"])
    with pytest.raises(ValueError, match="no distance is called 'is'; there are fid, kid"):
        small(["is"])
    with pytest.raises(ValueError, match="nothing to compute"):
        small([])
    with pytest.raises(
        ValueError, match="there is no network vgg; there are inception_v3, alexnet"
    ):
        compare_sets(*folders, ["fid"], features="vgg")
    with pytest.raises(ValueError, match=r"name one of the network's features, as in alexnet:fc8"):
        compare_sets(*folders, ["fid"], features="alexnet")
    with pytest.raises(FileNotFoundError, match="no file or folder is called"):
        compare_sets(folders[0], tmp_path / "nowhere", ["fid"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="holds no image"):
        compare_sets(folders[0], tmp_path / "empty", ["fid"])
    with pytest.raises(ValueError, match="neither a folder of images nor a file of statistics"):
        compare_sets(folders[0], next(folders[1].glob("*.png")), ["fid"])
    monkeypatch.setenv("JIQA_OFFLINE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"inception_v3_fid.*(?s:.*)jiqa weights import"):
        compare_sets(*folders, ["fid"])


def test_an_unreadable_image_is_an_error(folders, monkeypatch):
    monkeypatch.setattr(comparison, "find_extractor", lambda *_: tiny())
    (folders[1] / "broken.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"broken\.png"):
        compare_sets(*folders, ["fid"])


def test_command_prints_a_table_and_writes_json(folders, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(comparison, "find_extractor", lambda *_: tiny())
    output = tmp_path / "distances.json"
    arguments = [*map(str, folders), "--metrics", ",".join(EVERYTHING), "--subset-size", "10"]
    assert cli.main(["compare-sets", *arguments, "--neighbors", "4", "--output", str(output)]) == 0
    out, error = capsys.readouterr()
    assert error == ""
    lines = [line.split() for line in out.splitlines() if line.strip(" ─")]
    assert lines[0] == ["metric", "value", "deviation"]
    rows = ["fid ↓", "kid ↓", "mmd ↓", "precision ↑", "recall ↑", "density ↑", "coverage ↑"]
    assert [" ".join(line[:2]) for line in lines[1:]] == rows
    document = json.loads(output.read_text())
    for line, row in zip(lines[1:], document["distances"].values(), strict=True):
        assert_allclose(float(line[2]), row["value"], rtol=1e-4)
    assert document["distances"]["kid"]["deviation"] > 0
    metadata = document["metadata"]
    assert metadata["generated"] == {"path": str(folders[1]), "images": 19}
    assert metadata["features"]["name"] == "tiny"
    assert metadata["options"]["density_neighbors"] == 4
    assert metadata["reading"]["alpha"] == "error"
    assert metadata["jiqa"] == jiqa.__version__


def test_command_keeps_statistics(folders, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(comparison, "find_extractor", lambda *_: tiny())
    kept = tmp_path / "real.safetensors"
    assert cli.main(["set-statistics", str(folders[0]), "--output", str(kept)]) == 0
    assert f"jiqa compare-sets {kept} GENERATED --metrics fid" in capsys.readouterr().out
    assert cli.main(["compare-sets", str(kept), str(folders[1]), "--metrics", "fid"]) == 0
    few = tmp_path / "few"
    few.mkdir()
    for path in list(folders[1].glob("*.png"))[:3]:
        path.rename(few / path.name)
    assert cli.main(["compare-sets", str(kept), str(few), "--metrics", "fid"]) == 0
    assert "jiqa: note: `generated` has 3 images for 4 dimensions" in capsys.readouterr().err
    assert cli.main(["compare-sets", str(kept), str(few), "--output", "x.csv"]) == 2
    assert capsys.readouterr().err == "jiqa: x.csv: the suffix must be .json.\n"
    assert cli.main(["set-statistics", str(few), "--output", str(tmp_path / "a.npz")]) == 2
    assert "the suffix must be .safetensors" in capsys.readouterr().err
