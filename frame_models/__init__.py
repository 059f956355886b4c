"""Models whose input has a time axis, a sequence of frame vectors. A public module is a model."""
