"""Rules on the path: kernels, product weights, and the map that spreads nodes evenly.  NumPy only."""
