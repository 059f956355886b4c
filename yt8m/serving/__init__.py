"""What leaves a run: a SavedModel with small weights and names of classes, or an archive."""
