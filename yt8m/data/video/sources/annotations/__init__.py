"""The official lists of published data sets, a module each; `catalogue` knows them all.

None of them needs TensorFlow or a decoder.
"""
