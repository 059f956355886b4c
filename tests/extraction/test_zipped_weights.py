"""Weights in zip files that claim more than they can hold, for every network of an extraction."""

import zipfile

import pytest

from yt8m.base.errors import UserError
from yt8m.extraction import networks, vggish
from yt8m.extraction.feature_settings import FeatureSettings


@pytest.fixture
def bomb(tmp_path) -> str:
    path = str(tmp_path / "weights.keras")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.weights.h5", b"nothing")
    with zipfile.ZipFile(path, "a") as archive:
        archive.infolist()[0].file_size = 1 << 31
        archive._didModify = True
    return path


def test_of_sound(bomb):
    with pytest.raises(UserError, match=r"holds no weights of VGGish \(it claims to hold"):
        vggish.load(bomb)


def test_of_frames(bomb):
    settings = FeatureSettings(backbone="resnet50", image_size=32, weights=bomb)
    with pytest.raises(UserError, match="it claims to hold 2,147,483,648 bytes"):
        networks.frame_model(settings)
