"""Random frames of each video, in training only."""

import keras
from keras import ops

METHODS = ("frames", "sequence", "all")


@keras.saving.register_keras_serializable(package="frame_models")
class FrameSampling(keras.layers.Layer):
    """Replaces the frames of a video by a random sample while training; else it does nothing.

    Args:
        num_frames: how many to sample.
        method: "frames" draws each from all frames of the video, with replacement; "sequence"
            takes frames that follow each other, fewer where the video is shorter; "all" leaves
            every frame.
        seed: makes the sample repeatable; None takes Keras' global seed.
        **kwargs: what every Keras layer takes, such as `name`.

    Call arguments:
        training: whether to sample; otherwise the input is returned.

    Input shape:
        A dict of `frames`, itself a dict of feature name -> `(batch, time, size)`, and `mask`
        `(batch, time)`, bool, true for a frame of the video.

    Output shape:
        The same; time is `num_frames` while training, unless `method` is "all".

    Raises:
        ValueError: an argument is out of its range.

    Reference:
        `SampleRandomFrames` and `SampleRandomSequence` of the google/youtube-8m starter code. That
        repeats the last frame of a video that is too short for a sequence, which weighs it more
        than the others; here the sequence is shorter.

    Example:
        >>> videos = {"frames": {"rgb": np.ones((2, 300, 8))}, "mask": np.ones((2, 300), "bool")}
        >>> tuple(FrameSampling(30)(videos, training=True)["frames"]["rgb"].shape)
        (2, 30, 8)
    """

    def __init__(
        self, num_frames: int = 30, method: str = "frames", seed: int | None = None, **kwargs
    ):
        super().__init__(**kwargs)
        if num_frames < 1:
            raise ValueError(f"num_frames must be positive. Received: num_frames={num_frames}.")
        if method not in METHODS:
            raise ValueError(
                f"method must be one of {', '.join(METHODS)}. Received: method={method!r}."
            )
        self.num_frames = num_frames
        self.method = method
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=None):
        """Returns sampled frames and their mask, or what it was given."""
        if not training or self.method == "all":
            return inputs
        mask = ops.cast(inputs["mask"], "int32")
        picked, valid = self._sample(mask)
        index = ops.expand_dims(ops.take_along_axis(_order(mask), picked, axis=1), -1)
        frames = {
            name: ops.take_along_axis(feature, index, axis=1)
            for name, feature in inputs["frames"].items()
        }
        return {"frames": frames, "mask": valid}

    def _sample(self, mask):
        """Which of a video's frames to take, counted without padding, and which of them exist."""
        last = ops.shape(mask)[1] - 1
        count = ops.sum(mask, axis=1, keepdims=True)
        columns = ops.expand_dims(ops.arange(self.num_frames, dtype="int32"), 0)
        if self.method == "frames":
            picked = self._random_below(count, self.num_frames)
            valid = (count > 0) & (columns >= 0)
        else:
            start = self._random_below(count - self.num_frames + 1, 1)
            picked = start + columns
            valid = picked < count
        return ops.clip(picked, 0, last), valid

    def _random_below(self, bound, columns: int):
        """(batch, columns) integers from 0 to below `bound`; 0 where `bound` is not positive."""
        shape = (ops.shape(bound)[0], columns)
        uniform = keras.random.uniform(shape, seed=self.seed_generator, dtype="float32")
        bound = ops.maximum(bound, 1)
        drawn = ops.cast(ops.floor(uniform * ops.cast(bound, "float32")), "int32")
        return ops.minimum(drawn, bound - 1)

    def compute_output_spec(self, inputs, training=None):
        """Keeps the shapes, except the length in time, which is open."""
        frames = {
            name: keras.KerasTensor((feature.shape[0], None, feature.shape[2]), feature.dtype)
            for name, feature in inputs["frames"].items()
        }
        return {
            "frames": frames,
            "mask": keras.KerasTensor((inputs["mask"].shape[0], None), "bool"),
        }

    def get_config(self):
        """Returns the arguments the layer was made with."""
        return {
            **super().get_config(),
            "num_frames": self.num_frames,
            "method": self.method,
            "seed": self.seed,
        }


def _order(mask):
    """The positions (batch, time) of each video's frames in order, then those of the padding."""
    time = ops.shape(mask)[1]
    positions = ops.expand_dims(ops.arange(time, dtype="int32"), 0)
    return ops.argsort(positions + (1 - mask) * time, axis=1)
