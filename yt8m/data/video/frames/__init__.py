"""The frames of a video: decoded, cropped, and their optical flow."""
