"""The errors that a user can meet, and the exit codes of the command line.

A message says what was wrong, the value seen, what is allowed, and what to do.
"""

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """The exit codes of `ih`, each with one meaning."""

    DONE = 0
    REGRESSION = 1
    """`ih check` found a regression."""
    USAGE = 2
    """Usage, configuration, input or output."""
    MODEL = 3
    """The model cannot be loaded, or it cannot be explained faithfully."""
    NOT_CONVERGED = 4
    """The tolerance was not met."""
    FAILED_ROWS = 5
    """A batch ended with failed rows."""
    FAULT = 70
    """A fault of ih itself (EX_SOFTWARE); 1 would read as a regression."""
    INTERRUPTED = 130
    """128 + SIGINT."""
    CLOSED_PIPE = 141
    """128 + SIGPIPE: what a shell reports of any program whose reader has gone."""


class IhError(Exception):
    """Anything that `ih` reports as one message without a traceback."""

    exit_code: ClassVar[int] = ExitCode.USAGE


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


class TimeLimitError(IhError):
    """A time limit that is too short for a first matrix."""

    exit_code = ExitCode.NOT_CONVERGED


class DeviceError(IhError):
    """A device that does not exist, or too little memory."""


class OutputError(IhError):
    """A result that cannot be written where it was asked for."""


class ResultError(IhError):
    """A recorded result that is damaged, of a later schema, or not a result at all."""


class StoreError(IhError):
    """A run's store that is damaged, locked, or made with other settings."""


class ModelError(IhError):
    """A model that cannot be loaded."""

    exit_code = ExitCode.MODEL


class PreflightError(ModelError):
    """A model that loads but cannot be explained faithfully."""


class NonFiniteError(ModelError):
    """NaN or infinity in the model's output along the path."""
