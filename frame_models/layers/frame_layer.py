"""The bases of the layers that read frames: what they do with masks, shapes and arguments."""

import inspect

import keras


@keras.saving.register_keras_serializable(package="frame_models")
class FrameLayer(keras.layers.Layer):
    """Reads the frames of the mask; its configuration is what it was made with.

    Every argument of a subclass's `__init__` is an attribute of the same name. Where `ends_mask`
    is true, the default, the mask of the frames does not fit what the layer gives, or is given by
    name to whatever needs it; otherwise it goes along.

    A layer that makes something on its way that people look at has a method
    `intermediates(inputs, mask=None)`, which answers it at inference as a dict of name -> (batch,
    time, ...), with zeros where there is padding.

    Args:
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Input shape:
        `(batch, time, size)`, float; mask `(batch, time)`, bool, true for a frame of the video.
        No mask means that every frame is one.

    Output shape:
        As the subclass says.

    Example:
        >>> FrameLayer().compute_mask(None, np.array([[True, False]])) is None
        True
    """

    ends_mask = True

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, inputs, previous_mask=None):
        """Returns None, or the mask of the frames where it goes along."""
        return None if self.ends_mask else previous_mask

    def get_config(self):
        """Returns the arguments the layer was made with."""
        parameters = inspect.signature(type(self)).parameters.values()
        own = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        values = {name: getattr(self, name) for name in own if name != "dtype"}
        return {**super().get_config(), **values}


@keras.saving.register_keras_serializable(package="frame_models")
class FramePooling(FrameLayer):
    """Makes one vector of the frames of each video: without a time axis the mask ends.

    Args:
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Input shape:
        `(batch, time, size)`, float; mask `(batch, time)`, bool, true for a frame of the video.
        No mask means that every frame is one.

    Output shape:
        `(batch, output_size(size))`.

    Example:
        >>> FramePooling().compute_output_shape((None, 300, 8))
        (None, 8)
    """

    ends_mask = True

    def output_size(self, size: int) -> int:
        """The length of a video's vector, for frames of this size."""
        return size

    def compute_output_shape(self, input_shape):
        """Removes the time axis."""
        return (input_shape[0], self.output_size(input_shape[-1]))
