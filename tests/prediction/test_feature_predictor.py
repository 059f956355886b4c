"""Which features of a video a run is shown, and how they are made."""

import dataclasses
import json
import re

import numpy as np
import pytest
import video_files

from yt8m import runs
from yt8m.base.errors import UserError
from yt8m.data.schema import FRAME, VIDEO, Feature, Schema
from yt8m.data.synthetic import dequantize, quantize
from yt8m.evaluation import predicting
from yt8m.extraction import networks, recipe, whitening
from yt8m.extraction.extractor import Extractor
from yt8m.extraction.feature_settings import FeatureSettings
from yt8m.extraction.networks import Networks
from yt8m.extraction.whitening import Whitening
from yt8m.prediction.answers import Windows
from yt8m.prediction.feature_predictor import FeaturePredictor

SETTINGS = FeatureSettings(image_size=32, weights="none", max_frames=9, batch_size=4)
SIZES = {"rgb": 2}


def vectors(images: np.ndarray) -> np.ndarray:
    """(frames, 2): the number that a frame shows, and 1."""
    numbers = np.array(video_files.numbers_of(images), np.float32)
    return np.stack([numbers / 8 - 1, np.ones(len(numbers), np.float32)], axis=1)


EXTRACTOR = Extractor(
    SETTINGS,
    Networks(vectors, 2, {"weights": "none"}),
    Whitening(np.zeros(2), np.full(2, 1 - 1e-4), np.ones(2)),
)


def schema(kind: str, dtype: str, *names: str) -> Schema:
    return Schema(kind, tuple(Feature(name, 2, dtype, name) for name in names))


@pytest.fixture
def seen(monkeypatch):
    """The batches that the model is shown; it answers a half."""
    batches = []

    def answer(batch):
        batches.append(batch)
        return np.full((len(next(iter(batch.values()))), 3), 0.5, np.float32)

    monkeypatch.setattr(predicting, "predictor", lambda model: answer)
    return batches


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> str:
    """Twelve frames, one a second."""
    path = tmp_path_factory.mktemp("video") / "numbers.mkv"
    return video_files.write(path, video_files.numbered(12), rate=1)


def expected(numbers) -> np.ndarray:
    return quantize(np.array([[number / 8 - 1, 1] for number in numbers]))


@pytest.mark.parametrize("max_frames", [300, 7])
def test_a_video_is_its_first_frames(max_frames, seen, video):
    of_frames = schema(FRAME, "uint8", "rgb")
    answer = FeaturePredictor(None, of_frames, EXTRACTOR, SIZES, max_frames).answer(video)
    count = min(9, max_frames)
    assert seen[0]["num_frames"].tolist() == [count]
    assert seen[0]["rgb"].dtype == np.uint8
    np.testing.assert_array_equal(seen[0]["rgb"][0, :count], expected(range(count)))
    assert answer.scores.tolist() == [0.5] * 3 and not answer.windows


def test_windows_are_cut_from_all_of_it(seen, video):
    of_frames = schema(FRAME, "float32", "rgb")
    predictor = FeaturePredictor(
        None, of_frames, EXTRACTOR, SIZES, 300, batch_size=2, windows=Windows(5.0, 2.5)
    )
    answer = predictor.answer(video)
    assert answer.duration == 12 and answer.window_scores.shape == (4, 3)
    assert [len(batch["rgb"]) for batch in seen] == [2, 2]
    lengths = np.concatenate([batch["num_frames"] for batch in seen])
    assert lengths.tolist() == [5, 5, 5, 4]
    second = seen[0]["rgb"][1]
    np.testing.assert_array_equal(second, dequantize(expected(range(3, 8))))
    last = seen[1]["rgb"][1]
    np.testing.assert_array_equal(last[:4], dequantize(expected(range(8, 12))))
    assert not last[4:].any()


def test_a_window_without_a_frame_of_its_own_shows_the_one_on_screen(seen, video):
    of_frames = schema(FRAME, "uint8", "rgb")
    windows = Windows(0.5, 0.5)
    FeaturePredictor(None, of_frames, EXTRACTOR, SIZES, windows=windows, batch_size=99).answer(
        video
    )
    (batch,) = seen
    assert set(batch["num_frames"].tolist()) == {1}
    shown = np.repeat(expected(range(12)), 2, axis=0)
    np.testing.assert_array_equal(batch["rgb"][:, 0], shown)


def test_a_run_of_videos_is_shown_means(seen, video):
    of_videos = schema(VIDEO, "float32", "mean_rgb")
    FeaturePredictor(None, of_videos, EXTRACTOR, SIZES, windows=Windows(6.0, 6.0)).answer(video)
    (batch,) = seen
    assert list(batch) == ["mean_rgb"] and batch["mean_rgb"].dtype == np.float32
    means = [dequantize(expected(range(s, s + 6))).mean(axis=0) for s in (0, 6)]
    np.testing.assert_allclose(batch["mean_rgb"], means, atol=1e-6)


def test_features_of_another_kind_are_refused(seen):
    for kind, names, size in [(FRAME, ("rgb", "audio"), 2), (FRAME, ("rgb",), 3)]:
        of = schema(kind, "uint8", *names)
        with pytest.raises(UserError, match=r"The run takes .* but what is made .* is rgb of"):
            FeaturePredictor(None, of, EXTRACTOR, {"rgb": size})


def test_a_vector_beside_the_frames_is_not_made(seen):
    beside = (Feature("title", 3, "float32", "title"),)
    of = dataclasses.replace(schema(FRAME, "uint8", "rgb"), video_features=beside)
    with pytest.raises(UserError, match="title .* nothing makes such a vector of a video file"):
        FeaturePredictor(None, of, EXTRACTOR, SIZES)


@pytest.fixture
def kept(tmp_path):
    """A run that knows how its features were made."""
    settings = FeatureSettings("karpathy", 48, "none", frames_per_second=2.0)
    made = networks.describe(settings, networks.load(settings))
    features = tmp_path / "shards"
    features.mkdir()
    Whitening(np.zeros(256), np.ones(256), np.ones(256)).save(str(features))
    description = {
        "features": made | {"sizes": {"rgb": 256}},
        "classes": ["a"],
        "num_shards": {},
        "settings": dataclasses.asdict(settings),
    }
    (features / "features.json").write_text(json.dumps(description))
    (tmp_path / "run").mkdir()
    recipe.copy(str(features), str(tmp_path / "run"))
    return tmp_path / "run"


def test_a_run_knows_how_its_features_are_made(kept, tmp_path):
    place = recipe.find(str(kept))
    assert place == str(kept / "features")
    extractor, sizes = recipe.load(place)
    assert sizes == {"rgb": 256} and extractor.settings.frames_per_second == 2.0
    assert extractor.whitening.num_kept == 256
    assert recipe.find(str(kept), str(tmp_path / "shards")) == str(tmp_path / "shards")
    assert not whitening.missing(place)


def test_what_a_run_cannot_know_is_asked_for(kept, tmp_path):
    with pytest.raises(UserError, match=r"does not say how .* name its --output_dir with"):
        recipe.find(str(tmp_path))
    with pytest.raises(UserError, match=r"holds no features\.json"):
        recipe.find(str(kept), str(tmp_path))
    path = kept / "features" / runs.DESCRIPTION
    whole = json.loads(path.read_text())
    for change, message in [
        ({"settings": None}, "does not say where the weights are: an earlier version"),
        ({"settings": whole["settings"] | {"seed": 1}}, "are not those of .*: weights: "),
        ({"settings": whole["settings"] | {"weights": "gone.h5"}}, "gone.h5"),
        ({"settings": whole["settings"] | {"batch_size": []}}, "is not as `yt8m"),
        ({"features": {}}, "is not as `yt8m extract_features` writes it"),
        ({"features": 3}, "cannot be read as the description"),
    ]:
        path.write_text(json.dumps(whole | change))
        with pytest.raises(UserError) as error:
            recipe.load(str(kept / "features"))
        assert re.search(message, str(error.value)), (message, error.value)
