"""Models whose input has a time axis: a sequence of frame vectors. Each public module is one model."""
