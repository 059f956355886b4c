"""What looks inside a model of raw video: which places it decides by, and what its units see."""
