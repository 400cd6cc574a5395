"""The rule of every operation: how it carries tangents on, what it adds to the Hessian, what it does to axes.

To add a rule, write a function `carry(sweep, node)` in `linear_rules`, `product_rules` or `nonlinear_rules`, add its
operation to `RULES` below, and a function that uses it to `FUNCTIONS` in `tests/support/curvature_functions.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ihcli.curvature import axes, linear_rules, nonlinear_rules, product_rules
from ihcli.curvature.axes import AxisBehaviour
from ihcli.curvature.forward_sweep import Carry
from ihcli.curvature.graph import Node, nodes_in


def _never(_: Node) -> bool:
    return False


def _always(_: Node) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class OperationRule:
    """How the engine differentiates one operation twice."""

    carry: Carry
    """Returns the tangents of a node's result, and adds the node's term to the Hessian by `ForwardSweep.square_term`
    or `ForwardSweep.pair_term`."""
    axis_behaviour: AxisBehaviour = axes.COMBINES_ALL
    """What it does to axes. `COMBINES_ALL` is correct for every operation, and slower where more is true."""
    curved: Callable[[Node], bool] = _never
    """Whether a node adds a term to the Hessian. Its adjoint is available only then."""
    several: bool = False
    """Whether other arguments than the first may depend on the points."""


def _nonlinear(carry: Carry, behaviour: AxisBehaviour) -> OperationRule:
    return OperationRule(carry, behaviour, _always)


POINTWISE = [
    "gelu", "tanh", "silu", "sigmoid", "exp", "exp2", "log", "log2", "log10", "log1p", "expm1", "sqrt", "rsqrt",
    "reciprocal", "erf", "erfc", "softplus", "pow", "sin", "cos", "sinh", "cosh", "tan", "atan", "asinh", "mish",
    "log_sigmoid", "logit",
]  # fmt: skip
_VECTORIZED = [
    "index", "gather", "index_select", "roll", "diagonal", "unfold", "convolution", "avg_pool2d",
    "_adaptive_avg_pool2d", "replication_pad1d", "reflection_pad1d", "fft_rfft", "fft_fft", "fft_fft2", "fft_fftn",
    "view_as_real", "view_as_complex", "real", "imag",
]  # fmt: skip

RULES: dict[str, OperationRule] = {
    # Linear operations.
    "reshape": OperationRule(linear_rules.view, axes.RESHAPES),
    "expand": OperationRule(linear_rules.view, axes.EXPANDS),
    "permute": OperationRule(linear_rules.view, axes.PERMUTES),
    "select": OperationRule(linear_rules.view, axes.SELECTS),
    "slice": OperationRule(linear_rules.view, axes.SLICES),
    "narrow_to_one": OperationRule(linear_rules.view, axes.SLICES),
    "unsqueeze": OperationRule(linear_rules.view, axes.UNSQUEEZES),
    **{name: OperationRule(linear_rules.vectorized) for name in _VECTORIZED},
    "repeat": OperationRule(linear_rules.vectorized, axes.REPEATS),
    "cumsum": OperationRule(linear_rules.vectorized, axes.ALONG_SECOND_ARGUMENT),
    "flip": OperationRule(linear_rules.vectorized, axes.ALONG_SECOND_ARGUMENT),
    "tril": OperationRule(linear_rules.vectorized, axes.MATRICES),
    "triu": OperationRule(linear_rules.vectorized, axes.MATRICES),
    "constant_pad_nd": OperationRule(linear_rules.pad),
    "sum": OperationRule(linear_rules.reduction, axes.REDUCES),
    "mean": OperationRule(linear_rules.reduction, axes.REDUCES),
    "add": OperationRule(linear_rules.add, axes.BROADCASTS, several=True),
    "sub": OperationRule(linear_rules.add, axes.BROADCASTS, several=True),
    "rsub": OperationRule(linear_rules.add, axes.BROADCASTS, several=True),
    "neg": OperationRule(linear_rules.negate, axes.BROADCASTS),
    "div": OperationRule(linear_rules.divide, axes.BROADCASTS),
    "where": OperationRule(linear_rules.where, axes.BROADCASTS, several=True),
    "masked_fill": OperationRule(linear_rules.masked_fill, axes.BROADCASTS),
    "cat": OperationRule(linear_rules.join, several=True),
    "stack": OperationRule(linear_rules.join, several=True),
    "select_scatter": OperationRule(linear_rules.put, several=True),
    "slice_scatter": OperationRule(linear_rules.put, several=True),
    "index_put": OperationRule(linear_rules.put, several=True),
    "linear": OperationRule(linear_rules.linear, axes.LINEAR),
    # Products.
    "mul": OperationRule(product_rules.multiply, axes.BROADCASTS, product_rules.both_depend, several=True),
    "matmul": OperationRule(product_rules.multiply_matrices, axes.MATMUL, product_rules.both_depend, several=True),
    # Other functions of one argument.
    **{name: _nonlinear(nonlinear_rules.pointwise, axes.BROADCASTS) for name in POINTWISE},
    "softmax": _nonlinear(nonlinear_rules.softmax, axes.ALONG_SECOND_ARGUMENT),
    "log_softmax": _nonlinear(nonlinear_rules.log_softmax, axes.ALONG_SECOND_ARGUMENT),
    "logsumexp": _nonlinear(nonlinear_rules.logsumexp, axes.REDUCES),
    "layer_norm": _nonlinear(nonlinear_rules.layer_norm, axes.LAYER_NORM),
}

# The second derivatives of these are zero, apart from points and edges, where they do not exist.
NON_SMOOTH = frozenset([
    "relu", "relu6", "prelu", "rrelu", "leaky_relu", "threshold", "abs", "absolute", "clamp", "clamp_min", "clamp_max",
    "clip", "maximum", "minimum", "max", "min", "fmax", "fmin", "amax", "amin", "aminmax", "hardtanh", "hardswish",
    "hardsigmoid", "hardshrink", "softshrink", "elu", "selu", "celu", "sign", "sgn", "round", "floor", "ceil", "trunc",
    "frac", "fix", "sort", "argsort", "topk", "kthvalue", "median", "mode", "max_pool1d", "max_pool2d",
    "max_pool1d_with_indices", "max_pool2d_with_indices", "adaptive_max_pool1d", "cummax", "cummin",
])  # fmt: skip


def unsupported(node: Node) -> str:
    """Why a node that depends on the points has no second derivative here; empty if it has."""
    if node.name == "getitem":
        return ""  # the operation whose result it reads is refused
    if node.name in NON_SMOOTH:
        return "not smooth: its second derivative is zero or does not exist"
    if node.name not in RULES:
        return "no rule"
    rule, first = RULES[node.name], node.args[0]
    if node.name == "where" and first.depends:
        return "its condition depends on the input"
    others = any(source.depends for source in nodes_in((node.args[1:], node.kwargs)))
    if not rule.several and (others or not first.depends):
        return "no rule where another argument than the first depends on the input"
    if node.name == "matmul" and any(len(factor.sizes) < 2 for factor in node.args):  # noqa: PLR2004
        return "no rule for vectors"
    return ""
