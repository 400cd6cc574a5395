"""Quadrature rules on the path: kernels, product weights, and a change of variable. NumPy only."""
