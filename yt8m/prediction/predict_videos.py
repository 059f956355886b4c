"""Videos to answers, by a run of either kind. Needs the extra `video`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from absl import logging

from yt8m import runs
from yt8m.base.errors import UserError
from yt8m.data.video.clip_specs import check_num_crops
from yt8m.data.video.frames.containers import VideoError
from yt8m.extraction import recipe
from yt8m.prediction.answers import Answer, Windows
from yt8m.prediction.clip_predictor import ClipPredictor
from yt8m.prediction.feature_predictor import FeaturePredictor


class Predictor(Protocol):
    """Scores videos."""

    def answer(self, path: str) -> Answer:
        """The scores of a video.

        Raises:
            VideoError: it cannot be used.
        """


def of_clips(
    train_dir: str,
    batch_size: int,
    windows: Windows | None = None,
    num_clips: int | None = None,
    num_crops: int = 1,
) -> ClipPredictor:
    """Scores videos by a run of raw video, see `ClipPredictor`."""
    check_num_crops(num_crops)
    run = runs.load(train_dir)
    return ClipPredictor(run.model, run.config.schema, batch_size, num_clips, num_crops, windows)


def of_features(
    train_dir: str,
    batch_size: int,
    windows: Windows | None = None,
    features_dir: str = "",
    **moved: str,
) -> FeaturePredictor:
    """Scores videos by a run that takes features, see `FeaturePredictor`.

    Args:
        train_dir: the run.
        batch_size: windows a batch.
        windows: how videos are cut into windows; None does not.
        features_dir: says how features are made; empty where the run does.
        **moved: where files of weights are now, see `recipe.load`.
    """
    place = recipe.find(train_dir, features_dir)
    run = runs.load(train_dir)
    extractor, sizes = recipe.load(place, **moved)
    config = run.config
    return FeaturePredictor(
        run.model, config.schema, extractor, sizes, config.max_frames, batch_size, windows
    )


def answers(predictor: Predictor, paths: Sequence[str]) -> Iterator[Answer]:
    """The answers to videos, in order. One that cannot be used is named and left out.

    Raises:
        UserError: none can be used.
    """
    found = False
    for path in paths:
        try:
            answer = predictor.answer(path)
        except VideoError as error:
            reason = str(error).rstrip(".")
            logging.warning("%s %s. It is left out.", path, reason)
            continue
        found = True
        yield answer
    if not found:
        raise UserError(
            f"None of the {len(paths)} videos can be used; the reasons are above. The last is "
            f"{paths[-1]}: it {reason}."
        )
