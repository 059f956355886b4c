"""Videos in, named classes out: of whole videos, and over time."""
