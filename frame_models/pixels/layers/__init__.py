"""The parts that the models of raw video share."""
