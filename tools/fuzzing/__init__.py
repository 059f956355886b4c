"""Damaged inputs for the jobs, and a judge of how the jobs end.

`targets` make the inputs, of what `samples` holds and by the damage that `damaged_bytes`,
`damaged_texts`, `damaged_values` and `records` know; `processes` runs a job where all that may
happen to a process is seen; `judge` says what was wrong; `campaign` puts them together.
"""
