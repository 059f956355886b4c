"""Scripts around the jobs, run from a checkout: `python -m tools.benchmark`."""
