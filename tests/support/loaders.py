"""What a worker of a test calls in place of a model, without loading anything heavy."""

import os
from typing import Any

from ihcli.errors import ModelError


def refuse(*_: Any) -> Any:
    message = "not here"
    raise ModelError(message)


def die(*_: Any) -> Any:
    os._exit(3)
