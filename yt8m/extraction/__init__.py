"""Videos to frame-level records: what the models of frame features train on."""
