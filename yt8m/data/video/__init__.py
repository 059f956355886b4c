"""Raw video: files to clips of pixels and optical flow. Needs the extra `video`."""
