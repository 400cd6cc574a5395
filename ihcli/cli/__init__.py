"""The command line: one module per command; options, configuration, a call below, an exit code.

Nothing here imports torch, transformers, matplotlib, NumPy or pydantic before a command needs it.
"""
