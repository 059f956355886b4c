"""Files of the scores that runs gave to the same videos, for tests of late fusion."""

import numpy as np

from yt8m.fusion.score_file import ScoreWriter

CLASSES = ("run", "jump", "swim", "climb", "row")
LABELS = np.array([0, 1, 2, 3, 4, 0])  # Of the videos v0 to v5.


def write(path, scores, labels, ids=None, classes=CLASSES):
    """A file of (videos, clips, crops, classes) scores; returns its path."""
    ids = ids or [f"v{number}" for number in range(len(scores))]
    with ScoreWriter(str(path), len(ids), *scores.shape[1:3], classes) as writer:
        writer.add(ids, np.reshape(labels, (len(ids), -1)), scores)
    return str(path)


def random_scores(seed, num_videos=6, num_clips=2, num_crops=3):
    shape = (num_videos, num_clips, num_crops, len(CLASSES))
    return np.random.default_rng(seed).random(shape, np.float32)


def two_runs(folder):
    """The files of two runs with other clips and another order of videos, and their scores."""
    rgb, flow = random_scores(0), random_scores(1, num_clips=1, num_crops=5)
    order = [3, 0, 5, 1, 2, 4]
    paths = (
        write(folder / "rgb.npz", rgb, LABELS),
        write(folder / "flow.npz", flow[order], LABELS[order], [f"v{n}" for n in order]),
    )
    return paths, rgb, flow
