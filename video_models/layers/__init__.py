"""Layers the video models and the classifier heads share, one concept a module."""
