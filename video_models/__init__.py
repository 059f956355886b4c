"""Models whose input has no time axis: one vector a video. Each public module is one model."""
