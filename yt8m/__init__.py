"""Train, evaluate and ship multi-label video classifiers on YouTube-8M and data like it."""

import os

# TensorFlow reads this when it is first imported; its notes on oneDNN and CPU flags go.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

__version__ = "0.1.0"
