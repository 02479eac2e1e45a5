"""The field list of a plain query: flat columns for SQL, and the tree by which rows become nested records."""

from dataclasses import replace

from integrations.demo_org.errors import ApiError
from integrations.demo_org.schema.types import Field
from integrations.demo_org.soql import faults
from integrations.demo_org.soql.compiled import Child, Choice, Column, Compound, Leaf, Node, column_of
from integrations.demo_org.soql.expressions import Expressions
from integrations.demo_org.soql.scope import COMPOUND, Scope, Step, Term, column_sql
from integrations.demo_org.soql.tree import Call, Item, Macro, Path, Query, Subquery, TypeOf

ALIASED = frozenset({"TOLABEL", "FORMAT", "CONVERTCURRENCY", "DISTANCE"})


class Selection:
    """Collects the columns of one SELECT."""

    def __init__(self, scope: Scope, expressions: Expressions, query: Query, *, with_hidden: bool) -> None:
        self.scope = scope
        self.expressions = expressions
        self.query = query
        self.with_hidden = with_hidden
        self.columns: list[Column] = []
        self.hidden: list[str] = []
        self.unnamed = 0

    def build_node(self, children: list[str]) -> Node:
        """The record tree of the query; `children` are the names of the nested queries in order."""
        root = Node(self.scope.kind.name, self._hide(f'{self.scope.root}."Id"'))
        number = 0
        for item in self.query.items:
            if isinstance(item, Subquery):
                root.entries[children[number]] = Child(number)
                number += 1
            elif isinstance(item, Macro):
                self._add_macro(root, item)
            elif isinstance(item, TypeOf):
                self._add_choice(root, item)
            else:
                self._add_item(root, item)
        self._settle(root)
        return root

    # -- columns -----------------------------------------------------------------------------------------------------

    def _show(self, column: Column) -> int:
        self.columns.append(column)
        return len(self.columns) - 1

    def _hide(self, sql: str) -> int:
        """A column that only serves rendering; numbered from -1 down until all visible ones are known."""
        if not self.with_hidden:
            return 0
        if sql not in self.hidden:
            self.hidden.append(sql)
        return -1 - self.hidden.index(sql)

    def _settle(self, node: Node | Choice | None) -> None:
        """Turn the provisional numbers of hidden columns into places in the row."""
        if node is None:
            return
        node.id_index = self._place(node.id_index)
        nested = [*node.by_object.values(), node.otherwise] if isinstance(node, Choice) else list(node.entries.values())
        for each in nested:
            if isinstance(each, Node | Choice):
                self._settle(each)
            elif isinstance(each, Leaf):
                each.index = self._place(each.index)
            elif isinstance(each, Compound):
                each.parts = [(key, self._place(index)) for key, index in each.parts]

    def _place(self, index: int) -> int:
        return index if index >= 0 else len(self.columns) - 1 - index

    # -- items -------------------------------------------------------------------------------------------------------

    def _add_item(self, root: Node, item: Item) -> None:
        if isinstance(item.expression, Call):
            return self._add_call(root, item, item.expression)
        if item.alias:
            raise ApiError(400, "MALFORMED_QUERY", "only aggregate expressions use field aliasing")
        return self._add_path(root, item.expression)

    def _add_path(self, root: Node, path: Path) -> None:
        term = self.scope.resolve(path)
        names = self.scope.own_names(path)
        node = self._node_at(root, path, names[:-1])
        self._add_field(node, term, self._dotted(path, names, term.name), path)

    def _add_field(self, node: Node, term: Term, dotted: str, path: Path) -> None:
        if term.name in node.entries:
            raise faults.fault(self.scope.build.text, path.at, f"duplicate field selected: {term.name}", "INVALID_FIELD")
        if term.type in COMPOUND and term.field is not None:
            node.entries[term.name] = self._compound(term.field, path, dotted)
        else:
            node.entries[term.name] = Leaf(self._show(column_of(dotted, term)), term.type)

    def _add_call(self, root: Node, item: Item, call: Call) -> None:
        """toLabel(Status), FORMAT(Amount), DISTANCE(...): under the field's own name, an alias, or exprN."""
        if call.name not in ALIASED:
            raise faults.unexpected(self.scope.build.text, call.at, call.name)
        term = self.expressions.term(call)
        node, dotted = root, item.alias or term.name
        inner = innermost(call)
        if call.name == "DISTANCE":
            dotted = item.alias or f"expr{self.unnamed}"
            self.unnamed += not item.alias
        elif not item.alias and inner is not None:
            names = self.scope.own_names(inner)
            node, dotted = self._node_at(root, inner, names[:-1]), self._dotted(inner, names, term.name)
        key = item.alias or dotted.rsplit(".", 1)[-1]
        if key in node.entries:
            raise faults.fault(self.scope.build.text, call.at, f"duplicate alias: {key}")
        node.entries[key] = Leaf(self._show(column_of(dotted, term, call.name)), term.type)

    def _add_macro(self, root: Node, macro: Macro) -> None:
        """FIELDS(...): all that are not selected by name already."""
        for field in self.scope.kind.fields:
            wanted = macro.kind == "ALL" or field.custom == (macro.kind == "CUSTOM")
            if wanted and field.name not in root.entries and not (self.scope.build.bulk and field.type in COMPOUND):
                path = Path((field.name,), macro.at)
                self._add_field(root, self.scope.resolve(path), field.name, path)

    def _add_choice(self, root: Node, item: TypeOf) -> None:
        """TYPEOF: one node per object, each with its own columns."""
        step = self.scope.step(item.path, self.scope.own_names(item.path))
        if not step.polymorphic:
            sentence = f"Relationship '{item.path.text}' is not polymorphic; TYPEOF needs one that is"
            raise faults.fault(self.scope.build.text, item.path.at, sentence, "INVALID_FIELD")
        key = self._hide(step.id_sql)
        by_object = {name: self._branch(step, name, paths, key, item) for name, paths in item.branches}
        otherwise = self._name_node(step, item.otherwise, key) if item.otherwise else None
        nodes = {each.object_name or "": each for each in by_object.values()}
        root.entries[step.relationship] = Choice(key, nodes, otherwise)

    def _branch(self, step: Step, name: str, paths: tuple[Path, ...], key: int, item: TypeOf) -> Node:
        found = next(((kind, alias) for kind, alias in step.tables if kind.name.lower() == name.lower()), None)
        if found is None:
            raise faults.no_object(self.scope.build.text, item.at, name)
        kind, alias = found
        node = Node(kind.name, key)
        plain = Step([(kind, alias)], step.key)
        for path in paths:
            self._add_hidden_field(node, plain, path)
        return node

    def _name_node(self, step: Step, paths: tuple[Path, ...], key: int) -> Node:
        node = Node(None, key)
        for path in paths:
            self._add_hidden_field(node, step, path)
        return node

    def _add_hidden_field(self, node: Node, step: Step, path: Path) -> None:
        term = self.scope.field_at(step, path.names[-1], path)
        node.entries[term.name] = Leaf(self._show(column_of(path.text, term)), term.type)

    # -- places ------------------------------------------------------------------------------------------------------

    def _node_at(self, root: Node, path: Path, names: tuple[str, ...]) -> Node:
        """The node of a parent record, made when it is first mentioned."""
        node = root
        for depth in range(len(names)):
            step = self.scope.step(path, names[: depth + 1])
            present = node.entries.get(step.relationship)
            if not isinstance(present, Node):
                label, fixed = ("Name", None) if step.polymorphic else (None, step.kind.name)
                present = Node(fixed, self._hide(step.id_sql), label)
                node.entries[step.relationship] = present
            node = present
        return node

    def _dotted(self, path: Path, names: tuple[str, ...], last: str) -> str:
        """The full name in canonical case: Account.Owner.Name."""
        steps = [self.scope.step(path, names[: depth + 1]).relationship for depth in range(len(names) - 1)]
        return ".".join([*steps, last])

    def _compound(self, field: Field, path: Path, dotted: str) -> Compound:
        """An address or a location, from the columns of its parts."""
        if self.scope.build.bulk:
            raise ApiError(400, "FUNCTIONALITY_NOT_ENABLED", "Selecting compound data not supported in Bulk Query")
        names = self.scope.own_names(path)
        kind, alias = self.scope.step(path, names[:-1]).tables[0]
        parts = [each for each in kind.fields if each.compound == field.name]
        keyed = sorted((part_key(field, each), each) for each in parts)
        self._show_compound(field, dotted)
        indexes = [(key, self._hide(column_sql(alias, each))) for key, each in keyed]
        return Compound(indexes, [each.type for _, each in keyed])

    def _show_compound(self, field: Field, dotted: str) -> None:
        """Compound fields count as a column of the answer, without a value of their own."""
        self._show(Column(dotted, field.type, "NULL", field, self.scope.kind.name))


def part_key(field: Field, part: Field) -> str:
    """The key of a part in its compound value: BillingPostalCode -> postalCode, Spot__Latitude__s -> latitude."""
    if field.type == "location":
        return "latitude" if "latitude" in part.name.lower() else "longitude"
    stem = field.name.removesuffix("Address")
    name = part.name.removeprefix(stem)
    return name[:1].lower() + name[1:]


def innermost(call: Call) -> Path | None:
    """The field that nested functions are about."""
    argument = call.args[0] if call.args else None
    if isinstance(argument, Call):
        return innermost(argument)
    return replace(argument) if isinstance(argument, Path) else None
