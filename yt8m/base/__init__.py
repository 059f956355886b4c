"""What every part may use and that knows nothing of video: errors, progress, files, jobs, specs."""
