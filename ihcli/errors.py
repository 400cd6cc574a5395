"""The tree of errors: every failure a user can meet, with the exit code that the command line gives it.

A message says what was wrong, the value seen, what is allowed, and what to do.
"""

from typing import ClassVar


class IhError(Exception):
    """Anything that `ih` reports as one message without a traceback."""

    exit_code: ClassVar[int] = 2


class UsageError(IhError):
    """Options or arguments that do not go together, or a value outside what is allowed."""


class ConfigError(IhError):
    """A configuration file, variable or value that cannot be used."""


class InputError(IhError):
    """A text, file or span that cannot be explained."""


class TextTooLongError(InputError):
    """A text with more tokens than the model reads."""


class TargetError(IhError):
    """A label or output that the model does not have."""


class SameLabelError(TargetError):
    """A target that is to be compared with itself."""


class BaselineError(IhError):
    """A baseline that this tokenizer or text cannot have."""


class DeviceError(IhError):
    """A device that is not there, or memory that does not suffice."""


class OutputError(IhError):
    """A result that cannot be written where it was asked for."""


class ResultError(IhError):
    """A recorded result that is damaged, of a later schema, or not a result at all."""


class StoreError(IhError):
    """A run's store that is damaged, locked, or made with other settings."""


class ModelError(IhError):
    """A model that cannot be loaded."""

    exit_code = 3


class PreflightError(ModelError):
    """A model that loads but cannot be explained faithfully."""


class NonFiniteError(ModelError):
    """NaN or infinity in the model's output along the path."""
