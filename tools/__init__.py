"""What only a checkout needs: benchmarks, and a killer of jobs; run as `python -m tools.kill`."""
