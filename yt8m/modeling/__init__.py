"""A spec and a schema made a Keras model, its preprocessing and its losses."""
