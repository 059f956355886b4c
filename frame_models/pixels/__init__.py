"""Models of raw video: CNNs over pixels and optical flow. One module is one model.

The positional parameters of `build` say what a model looks at:
    pixels: (batch, time, height, width, 3), from -1 (black) to 1 (white).
    flow: (batch, time, height, width, channels), displacements of pixels as a share of the bound
        they are cut to, from -1 to 1; x and y in turn.
    mask: (batch, time), bool, true for a frame of the clip and false for padding.
"""
