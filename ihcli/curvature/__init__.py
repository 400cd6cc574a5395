"""Second-order forward accumulation: the Hessian over units for half a gradient a row, of any traceable function."""

from ihcli.curvature.program import Program, SecondOrder, kinks, trace
from ihcli.curvature.tracer import Untraceable

__all__ = ["Program", "SecondOrder", "Untraceable", "kinks", "trace"]
