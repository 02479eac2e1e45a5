"""YAML that says what it means: plain data only, decimals digit by digit, no key twice, no references, bounded in size."""

from collections.abc import Hashable
from decimal import Decimal, InvalidOperation
from typing import Any

import yaml

MOST_BYTES = 2_000_000
MOST_DEPTH = 20


class BadYaml(ValueError):
    """The text cannot be read; the message says where and why."""


class _Loader(yaml.SafeLoader):
    """Reads plain data. Each composed node counts as one level of nesting."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise BadYaml(f"Line {mark.line + 1} refers to another place (*name); write it out instead.")
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise BadYaml(f"The file is nested more than {MOST_DEPTH} levels deep.")
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        found: dict[Hashable, Any] = {}
        for name_node, value_node in node.value:
            name = self.construct_object(name_node, deep=True)
            line = name_node.start_mark.line + 1
            if not isinstance(name, str):
                raise BadYaml(f"Line {line}: a name is text, not {name!r}.")
            if name in found:
                raise BadYaml(f"Line {line}: {name[:60]} stands twice in one object.")
            found[name] = self.construct_object(value_node, deep=True)
        return found


def _number(loader: _Loader, node: Any) -> Any:
    text = str(loader.construct_scalar(node)).replace("_", "")
    try:
        return Decimal(text)
    except InvalidOperation:
        raise BadYaml(f"Line {node.start_mark.line + 1}: {text[:40]} is not a number.") from None


def _whole(loader: _Loader, node: Any) -> Any:
    text = str(loader.construct_scalar(node))
    digits = text.lstrip("+-")
    if not digits.isdecimal() or (len(digits) > 1 and digits[0] == "0") or len(digits) > 40:
        raise BadYaml(f"Line {node.start_mark.line + 1}: write {text[:40]} as a decimal number, or in quotation marks.")
    return int(text)


def _mapping(loader: _Loader, node: Any) -> dict[Hashable, Any]:
    return loader.construct_mapping(node)


_Loader.add_constructor("tag:yaml.org,2002:float", _number)
_Loader.add_constructor("tag:yaml.org,2002:int", _whole)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", yaml.SafeLoader.construct_yaml_str)


def read(text: str | bytes) -> Any:
    """The data of a document; `BadYaml` for what is too large, not UTF-8, no YAML, or more than plain data."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(raw) > MOST_BYTES:
        raise BadYaml(f"The file has more than {MOST_BYTES // 1_000_000} MB.")
    try:
        words = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadYaml("The file is not UTF-8 text.") from None
    try:
        return yaml.load(words, Loader=_Loader)  # noqa: S506  a safe loader
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise BadYaml(f"The file is not YAML that can be read: {where}{error.problem or error.context or ''}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, BadYaml):
            raise
        raise BadYaml(f"The file is not YAML that can be read: {str(error)[:200]}") from None


class _Dumper(yaml.SafeDumper):
    """Writes decimals as numbers and never refers to another place."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _write_number(dumper: _Dumper, number: Decimal) -> Any:
    text = f"{number:f}"
    return dumper.represent_scalar(f"tag:yaml.org,2002:{'float' if '.' in text else 'int'}", text)


_Dumper.add_representer(Decimal, _write_number)


def write(data: Any) -> str:
    """The data as YAML, in the order given."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, default_flow_style=False)
