"""Pretrained parameters from the shared data."""

import pytest


@pytest.fixture(scope="session")
def pretrained(shared_data, tmp_path_factory):
    """Lets `jiqa.weights` find VGG16, which does not come with the package, in the shared data."""
    folder = tmp_path_factory.mktemp("weights")
    vgg16 = shared_data / "data" / "weights" / "lpips" / "lpips_vgg16.npz"
    (folder / "vgg16.npz").symlink_to(vgg16.resolve())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JIQA_WEIGHTS", str(folder))
        patch.setenv("JIQA_OFFLINE", "1")
        yield
