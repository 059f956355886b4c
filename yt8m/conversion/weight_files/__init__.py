"""Files of weights of other programs, to name -> array. Nothing of them is ever run."""
