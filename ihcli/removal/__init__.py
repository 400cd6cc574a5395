"""Games: what a model says when units of a text are removed, and the indices computed from it."""
