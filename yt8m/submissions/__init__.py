"""The files that Kaggle takes: written from predictions, read and scored."""
