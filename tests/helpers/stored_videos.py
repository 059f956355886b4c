"""Small data sets of tensorflow-datasets, which the tests prepare."""

import cv2
import numpy as np
import tensorflow_datasets as tfds

CLASSES = ["run", "jump", "swim"]


def picture(rng, height, width) -> np.ndarray:
    """Smooth, and of different colours, so that RGB and BGR differ also in a JPEG."""
    return cv2.resize(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8), (width, height))


class Single(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Seven videos with a label each, as PNG; one of them has none."""

    code_path = None  # There are no checksums of downloads beside it.
    VERSION = tfds.core.Version("1.2.0")
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name="small")]

    def _info(self):
        features = {
            "video": tfds.features.Video((None, None, None, 3)),
            "label": tfds.features.ClassLabel(names=CLASSES),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(7), "test": self._generate_examples(3)}

    def _generate_examples(self, count):
        for number in range(count):
            rng = np.random.default_rng(number)
            frames = [picture(rng, 18 + number, 30) for _ in range(3 + number)]
            yield number, {"video": np.stack(frames), "label": number % 4 - (number % 4 == 3) * 4}


class Several(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """JPEG videos with several labels, with names and groups."""

    code_path = None  # There are no checksums of downloads beside it.
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "clip": tfds.features.Video((None, 20, 30, 3), encoding_format="jpeg"),
            "labels": tfds.features.Sequence(tfds.features.ClassLabel(names=CLASSES)),
            "filename": tfds.features.Text(),
            "group": tfds.features.Text(),
            "rate": np.float32,
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"all_of_it": self._generate_examples()}

    def _generate_examples(self):
        for number, labels in enumerate(([2, 0], [], [1])):
            rng = np.random.default_rng(10 + number)
            frames = np.stack([picture(rng, 20, 30) for _ in range(4)])
            yield (
                number,
                {
                    "clip": frames,
                    "labels": labels,
                    "filename": f"ü{number}.avi",
                    "group": f"g{number // 2}",
                    "rate": 25.0,
                },
            )


class Words(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """No videos."""

    code_path = None  # There are no checksums of downloads beside it.
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {"text": tfds.features.Text(), "label": tfds.features.ClassLabel(names=["a"])}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        yield 0, {"text": "b", "label": 0}
