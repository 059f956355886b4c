"""What only a checkout needs: benchmarks, run as `python -m tools.benchmark`."""
