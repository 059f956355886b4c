"""Layers the frame models share, one concept a module. All of them respect the frame mask."""
