"""Other people's files made ours: weights of TensorFlow 1, features of other extractors."""
