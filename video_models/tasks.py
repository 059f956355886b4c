"""Several classification tasks on the same features, a classifier each: multi-task training."""

import keras

from video_models import VideoModel, softmax


def build(
    features: keras.KerasTensor,
    num_classes: int,
    *,
    sizes: tuple[int, ...] = (),
    head: VideoModel = softmax.build,
) -> keras.KerasTensor:
    """Builds a classifier for each task, and joins their probabilities.

    The classes of a task follow each other, and the tasks do, too: the first `sizes[0]` classes
    are of the first one. Each classifier knows its own classes only, so with `softmax` the
    probabilities of a task sum to one by themselves, and those of a video to the number of tasks.

    A video moves only the classifiers of its tasks. A raw video is of one task, that of its
    manifest. One of shards is of the tasks that it has labels of: trained with
    `--loss="softmax(scores='log_probabilities')"`, whose sum of all probabilities is constant, what
    remains is the cross-entropy within the task.

    Args:
        features: (batch, size), one vector a video.
        num_classes: number of classes of all tasks together.
        sizes: number of classes of each task; none is one task of all classes.
        head: the classifier of a task, called as `head(features, size)`: `build` of a video model.

    Returns:
        (batch, num_classes), probabilities, float32 under every dtype policy.

    Raises:
        ValueError: `sizes` are not positive or do not sum to `num_classes`, or `head` answers
            more than probabilities.

    Reference:
        Simonyan and Zisserman, Two-stream convolutional networks for action recognition in
        videos, https://arxiv.org/abs/1406.2199, section 5: UCF-101 and HMDB-51 at once.
    """
    if any(size < 1 for size in sizes):
        raise ValueError(f"Each task needs a class. Received: sizes={sizes}.")
    if sizes and sum(sizes) != num_classes:
        raise ValueError(
            f"sizes must sum to the number of classes, {num_classes}. "
            f"Received: sizes={sizes}, which sum to {sum(sizes)}."
        )
    answers = [head(features, size) for size in sizes or (num_classes,)]
    if any(isinstance(answer, dict) for answer in answers):
        raise ValueError(
            "The classifier of a task cannot be an ensemble. Make an ensemble of tasks instead."
        )
    if len(answers) == 1:
        return answers[0]
    return keras.layers.Concatenate(dtype="float32")(answers)
