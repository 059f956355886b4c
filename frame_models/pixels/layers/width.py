"""Thinner and wider variants of a network."""


def scaled(channels: int, width: float) -> int:
    """Multiplies a layer's number of channels by the width of the network.

    Args:
        channels: as published.
        width: the factor, positive; 1 is the published network.

    Returns:
        The product, rounded, at least 1.

    Raises:
        ValueError: `width` is not positive.

    Example:
        >>> scaled(96, 0.25)
        24
    """
    if not width > 0:
        raise ValueError(f"width must be positive. Received: width={width}.")
    return max(1, round(channels * width))
