"""Train, evaluate and ship multi-label video classifiers on YouTube-8M and data like it."""

__version__ = "0.1.0"
