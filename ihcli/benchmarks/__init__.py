"""Measurements that can be repeated: published procedures beside this package's own, and how costs grow.

No other part of the package imports this room, apart from the command `ih bench`.
"""
