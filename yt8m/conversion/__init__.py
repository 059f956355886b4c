"""Other people's files made ours: published weights, features of other extractors."""
