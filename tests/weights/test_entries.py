"""The catalogue, and what comes with jiqa."""

import hashlib

import numpy as np
import pytest

from jiqa.weights import DATA, load, read_checkpoint, read_safetensors
from jiqa.weights.entries import ENTRIES, convert
from jiqa.weights.trees import fingerprint
from tests.weights import make_bundled

VGG16_LAYERS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)


@pytest.fixture(scope="module")
def published(shared_data):
    return shared_data / "data" / "weights"


def test_every_entry_can_be_checked_and_says_whose_it_is():
    for entry in ENTRIES.values():
        assert entry.shapes
        assert entry.size == 4 * sum(int(np.prod(shape)) for shape in entry.shapes.values())
        assert entry.summary
        assert entry.licence
        assert len(entry.sha256) in (0, 64)
        assert not any(name.startswith(tuple(entry.ignored)) for name in entry.shapes)
        for source in entry.sources:
            assert len(source.sha256) == (64 if source.project or not source.address else 8)
            assert not (source.project and source.address)
            assert bool(source.member) == bool(source.project)
            assert source.file in source.address or not source.address
            if source.member.endswith(".pth") and "-" in source.member.rpartition("/")[2]:
                assert source.member.rpartition("-")[2] == "57934424.pth"
            if len(source.sha256) == 8:
                assert source.file.endswith(f"-{source.sha256}.pth")


@pytest.mark.parametrize(
    ("name", "parameters"),
    {  # as the papers and torchvision's documentation count them, without statistics of batches
        "alexnet": 2_469_696,
        "alexnet_full": 61_100_840,
        "vgg11": 132_863_336 - 123_642_856,
        "vgg13": 133_047_848 - 123_642_856,
        "vgg16": 14_714_688,
        "vgg16_full": 138_357_544,
        "vgg19": 143_667_240 - 123_642_856,
        "squeezenet1_0": 1_248_424,
        "squeezenet1_1": 1_235_496,
        "resnet18": 11_689_512,
        "resnet50": 25_557_032,
        "efficientnet_lite0": 4_652_008,
        "cnniqa": 724_901,
        "dists": 2_950,
    }.items(),
)
def test_networks_have_the_published_numbers_of_parameters(name, parameters):
    learned = {k: v for k, v in ENTRIES[name].shapes.items() if not k.endswith((".mean", ".var"))}
    assert sum(int(np.prod(shape)) for shape in learned.values()) == parameters


@pytest.mark.parametrize("name", ["alexnet", "lpips_heads", "dists"])
def test_what_comes_with_jiqa_is_what_the_catalogue_says(name):
    arrays = read_safetensors(DATA / f"{name}.safetensors")
    assert fingerprint(arrays) == ENTRIES[name].sha256
    assert {key: list(array.shape) for key, array in arrays.items()} == ENTRIES[name].shapes
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}


def test_bundled_alexnet_is_the_published_one(published):
    arrays = make_bundled.alexnet(published / "lpips" / "lpips_alexnet.npz")
    assert fingerprint(arrays) == ENTRIES["alexnet"].sha256
    original = np.load(published / "lpips" / "lpips_alexnet.npz")
    found = load("alexnet")["features"]
    for count, layer in enumerate(("0", "3", "6", "8", "10")):
        for name in ("kernel", "bias"):
            expected = original[f"AlexNet_0/Conv_{count}/{name}"]
            np.testing.assert_array_equal(found[layer][name], expected)


def test_bundled_heads_are_the_published_ones(published):
    assert (
        fingerprint(make_bundled.lpips_heads(published / "lpips")) == ENTRIES["lpips_heads"].sha256
    )
    found = load("lpips_heads")
    for version, folder in (("v0_0", "v0.0"), ("v0_1", "v0.1")):
        for net in ("alex", "vgg", "squeeze"):
            original = read_checkpoint(published / "lpips" / folder / f"{net}.pth")
            assert len(found[version][net]) == len(original)
            for layer, head in found[version][net].items():
                expected = original[f"lin{layer}.model.1.weight"].ravel()
                np.testing.assert_array_equal(head, expected)


def test_bundled_weights_of_dists_are_the_published_ones(published):
    path = published / "dists" / "weights.pt"
    assert fingerprint(make_bundled.dists(path)) == ENTRIES["dists"].sha256
    assert sum(array.sum() for array in load("dists").values()) == pytest.approx(1)


def test_vgg16_is_the_same_whichever_way_it_is_published(published):
    """Flax's names and layout, torchvision's with the classifier, and ours give the same."""
    flax = read_checkpoint(published / "lpips" / "lpips_vgg16.npz")
    ours = convert(ENTRIES["vgg16"], flax)
    torchvision = {"classifier.0.weight": np.zeros((2, 3)), "classifier.0.bias": np.zeros(2)}
    for count, layer in enumerate(VGG16_LAYERS):
        kernel = flax[f"VGG16_0.Conv_{count}.kernel"]
        torchvision[f"features.{layer}.weight"] = kernel.transpose(3, 2, 0, 1)
        torchvision[f"features.{layer}.bias"] = flax[f"VGG16_0.Conv_{count}.bias"]
    assert fingerprint(ours) == ENTRIES["vgg16"].sha256
    assert fingerprint(convert(ENTRIES["vgg16"], torchvision)) == ENTRIES["vgg16"].sha256
    assert fingerprint(convert(ENTRIES["vgg16"], ours)) == ENTRIES["vgg16"].sha256


@pytest.mark.parametrize(
    ("name", "file"),
    [("cnniqa", "cnniqa/CNNIQA-LIVE.pth"), ("dbcnn_scnn", "dbcnn_scnn/scnn_bn_dbcnn_pytorch.pkl")],
)
def test_files_to_be_imported_are_known(published, name, file):
    entry = ENTRIES[name]
    content = (published / file).read_bytes()
    assert hashlib.sha256(content).hexdigest() == entry.sources[0].sha256
    assert len(content) == entry.sources[0].size
    arrays = convert(entry, read_checkpoint(published / file))
    assert fingerprint(arrays) == entry.sha256


def test_another_network_is_refused_with_a_list_of_differences(published):
    arrays = read_checkpoint(published / "cnniqa" / "CNNIQA-LIVE.pth")
    message = (
        r"not the parameters of resnet18: missing: bn1\.bias, .* unexpected: conv1\.bias, fc1\."
    )
    with pytest.raises(ValueError, match=message):
        convert(ENTRIES["resnet18"], arrays)
