"""The encoded frames of a request to clips, in one graph: what the reader of raw video does.

Frames are chosen, resized and cropped by the rules of `data/video/sampling`, `clip_specs` and
`frames/views`; TensorFlow decodes and resizes in place of FFmpeg, see docs/serving.md for what that
changes.
"""

from __future__ import annotations

import tensorflow as tf

from yt8m.data.video.clip_specs import Clips

_NO_FRAMES = "a clip holds no image; these are the numbers of images by clip:"
_GAP = "an empty string stands before an image: they may only fill up a clip. Clips and places:"
_NO_IMAGE = "what was sent is neither a JPEG nor a PNG. Clips and places:"
_HEADS = (b"\xff\xd8\xff", b"\x89PN")
# Numbers that an error shows of a tensor.
_SHOWN = 20


def decode(images: tf.Tensor, clips: Clips) -> dict[str, tf.Tensor]:
    """Makes a clip of the frames of each video, as evaluation takes a single one.

    Args:
        images: (batch, time) string, JPEG or PNG, in the order of the video; empty strings fill up
            those that have fewer than others.
        clips: how clips are cut. Keyframes and shots are not looked for: of what was sent, frames
            are taken evenly.

    Returns:
        `pixels` (batch, frames, height, width, 3) uint8; `num_frames` (batch,) int32, those that
        are no padding.

    Raises:
        tf.errors.InvalidArgumentError: when run, where a clip is empty or an image cannot be read.
    """
    with tf.control_dependencies(_checks(images)):
        counts = _counts(images)
    indices, num_frames = sample(counts, clips)
    chosen = tf.gather(images, indices, batch_dims=1)
    height, width = clips.crop_size
    pixels = tf.map_fn(
        lambda image: _shown(image, clips),
        tf.reshape(chosen, [-1]),
        fn_output_signature=tf.TensorSpec([height, width, 3], tf.uint8),
    )
    pixels = tf.reshape(pixels, [-1, clips.frames, height, width, 3])
    return {"pixels": pixels, "num_frames": num_frames}


def sample(counts: tf.Tensor, clips: Clips) -> tuple[tf.Tensor, tf.Tensor]:
    """Does what `sampling.evaluation_frames` does for one clip a video, for a batch.

    Args:
        counts: (batch,) int32, the frames of each video, 1 or more.
        clips: how clips are cut.

    Returns:
        (batch, frames) int32 frame numbers; (batch,) int32, how many of them are no padding.
    """
    numbers = tf.range(clips.frames)
    counts = counts[:, tf.newaxis]
    if clips.sampling == "dense":
        last = tf.maximum(0, counts - ((clips.frames - 1) * clips.stride + 1))
        # Both round halves to even.
        start = tf.cast(tf.round(tf.cast(last, tf.float64) / 2), tf.int32)
        evenly = start + clips.stride * numbers
        valid = tf.reduce_sum(tf.cast(evenly < counts, tf.int32), axis=1, keepdims=True)
        spaced = clips.stride
    else:
        edges = counts * tf.range(clips.frames + 1) // clips.frames
        evenly = edges[:, :-1] + (edges[:, 1:] - edges[:, :-1]) // 2
        valid = tf.minimum(counts, clips.frames)
        start, spaced = 0, 1
    places = numbers % valid if clips.short == "loop" else tf.minimum(numbers, valid - 1)
    indices = tf.where(valid < clips.frames, start + spaced * places, evenly)
    whole = tf.fill(tf.shape(valid), clips.frames)
    num_frames = valid if clips.short == "mask" else whole
    return indices, num_frames[:, 0]


def _counts(images: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(tf.strings.length(images) > 0, tf.int32), axis=1)


def _checks(images: tf.Tensor) -> list[tf.Operation]:
    counts = _counts(images)
    there = tf.strings.length(images) > 0
    gap = tf.sequence_mask(counts, tf.shape(images)[1]) & ~there
    heads = tf.strings.substr(images, 0, len(_HEADS[0]))
    wrong = there & ~tf.reduce_any([tf.equal(heads, head) for head in _HEADS], axis=0)
    return [
        tf.debugging.Assert(tf.reduce_all(counts > 0), [_NO_FRAMES, counts], _SHOWN),
        tf.debugging.Assert(~tf.reduce_any(gap), [_GAP, tf.where(gap)], _SHOWN),
        tf.debugging.Assert(~tf.reduce_any(wrong), [_NO_IMAGE, tf.where(wrong)], _SHOWN),
    ]


def _shown(image: tf.Tensor, clips: Clips) -> tf.Tensor:
    """An encoded frame to what the model sees of it: resized, its centre cut out, uint8."""
    # It also decodes PNG, and unlike `decode_image` it can be told to be accurate.
    pixels = tf.io.decode_jpeg(image, channels=3, dct_method="INTEGER_ACCURATE")
    size = frame_size(tf.shape(pixels)[:2], clips)
    resized = tf.image.resize(pixels, size, "bilinear", antialias=True)
    height, width = clips.crop_size
    top, left = tf.unstack((size - [height, width]) // 2)
    part = resized[top : top + height, left : left + width]
    return tf.saturate_cast(tf.round(part), tf.uint8)


def frame_size(size: tf.Tensor, clips: Clips) -> tf.Tensor:
    """Does what `Clips.frame_size` does: (2,) int32 to (2,) int32, height and width."""
    if isinstance(clips.resize, tuple):
        return tf.constant(clips.resize)
    scale = clips.resize / tf.cast(tf.reduce_min(size), tf.float64)
    scaled = tf.cast(tf.round(tf.cast(size, tf.float64) * scale), tf.int32)
    return tf.maximum(clips.resize, scaled)
