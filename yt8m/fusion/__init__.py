"""Several runs of raw video made one, by the scores that their evaluations keep."""
