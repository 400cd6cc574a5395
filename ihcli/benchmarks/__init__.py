"""Measurements that stay: what was published and ours side by side, and the study behind the engine's choices.

Nothing in the engine imports this package.
"""
