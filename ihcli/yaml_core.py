"""YAML 1.2's core schema: maps, lists, text, numbers, truth values and null, and nothing else.

`1e-3` is a number, and `off` and `no` are words; YAML 1.1, which PyYAML reads by itself, says otherwise.
"""

import re
from typing import Any, ClassVar

import yaml

_TAG = "tag:yaml.org,2002:"
_PATTERNS = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
}
_FIRST_CHARACTERS = {"null": "~nN", "bool": "tTfF", "int": "-+0123456789", "float": "-+.0123456789"}
_MOST_DIGITS = 40


class YamlError(ValueError):
    """A text that is not YAML of the core schema; `line` counts from 1, None where no line is to blame."""

    def __init__(self, problem: str, line: int | None = None) -> None:
        """Remember the line beside the message."""
        super().__init__(problem)
        self.line = line


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of the core schema."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]  # or those of 1.1 are inherited

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        """A whole number: `010` is ten, as in JSON and YAML 1.2."""
        text = self.construct_scalar(node)
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)


for _kind, _pattern in _PATTERNS.items():
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(rf"(?:{_pattern})\Z"), list(_FIRST_CHARACTERS[_kind]))
_Loader.yaml_implicit_resolvers[""] = list(_Loader.yaml_implicit_resolvers["~"])  # the empty scalar is null
_Loader.add_constructor(f"{_TAG}int", _Loader.construct_integer)


def parse(text: str) -> tuple[yaml.Node | None, Any]:
    """The node and the value of one YAML document; raises `YamlError`."""
    try:
        return _parsed(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(str(error.problem or error.context), mark.line + 1 if mark else None) from error
    except RecursionError as error:
        message = "it is nested too deeply"
        raise YamlError(message) from error
    except yaml.YAMLError as error:
        raise YamlError(" ".join(str(error).split())) from error


def _parsed(text: str) -> tuple[yaml.Node | None, Any]:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, None
        _require_core(node, set(), set())
        return node, loader.construct_document(node)
    finally:
        loader.dispose()


def _require_core(node: yaml.Node, above: set[int], checked: set[int]) -> None:
    """Raise `YamlError` for tags outside the core schema, scalars that contradict theirs, and values in themselves."""
    line = node.start_mark.line + 1
    if id(node) in above:
        message = "a value contains itself"
        raise YamlError(message, line)
    if id(node) in checked:
        return
    checked.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        _require_scalar(node, line)
        return
    expected = "map" if isinstance(node, yaml.MappingNode) else "seq"
    if node.tag != _TAG + expected:
        raise YamlError(_unknown_tag(node.tag), line)
    above.add(id(node))
    for child in node.value:
        for part in child if isinstance(child, tuple) else (child,):
            _require_core(part, above, checked)
    above.remove(id(node))


def _require_scalar(node: yaml.ScalarNode, line: int) -> None:
    kind = node.tag.removeprefix(_TAG)
    if kind == "str" and node.tag != kind:
        return
    if node.tag == kind or kind not in _PATTERNS:
        raise YamlError(_unknown_tag(node.tag), line)
    shown = node.value if len(node.value) <= _MOST_DIGITS else f"{node.value[:_MOST_DIGITS]}…"
    if not re.fullmatch(_PATTERNS[kind], node.value):
        message = f"{shown!r} is not of the type {kind} that its tag says"
        raise YamlError(message, line)
    if kind == "int" and len(node.value) > _MOST_DIGITS:
        message = f"the number {shown} has {len(node.value):,} digits; at most {_MOST_DIGITS} are read"
        raise YamlError(message, line)


def _unknown_tag(tag: str) -> str:
    shown = f"!!{tag.removeprefix(_TAG)}" if tag.startswith(_TAG) else tag
    return f"the tag {shown[:80]} is not allowed; write plain values without a tag"
