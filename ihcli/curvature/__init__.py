"""Second-order forward accumulation: the Hessian over units of any traceable function, in one forward sweep."""

from ihcli.curvature.compilation import trace
from ihcli.curvature.program import Program, SecondOrder
from ihcli.curvature.tracer import Untraceable

__all__ = ["Program", "SecondOrder", "Untraceable", "trace"]
