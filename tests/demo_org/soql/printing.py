"""Writes a query tree as text, for round trips through the parser."""

from integrations.demo_org.soql import tree


def literal(value: tree.Value) -> str:
    if value.kind == "string":
        plain = (
            value.value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
        )
        return "'" + plain.replace("\b", "\\b").replace("\f", "\\f") + "'"
    return value.value + (f":{value.count}" if value.count is not None else "")


def expression(part: tree.Path | tree.Call | tree.Value) -> str:
    if isinstance(part, tree.Path):
        return part.text
    if isinstance(part, tree.Value):
        return literal(part)
    return f"{part.name}({', '.join(map(expression, part.args))})"


def condition(part: tree.Condition) -> str:
    if isinstance(part, tree.Logic):
        return f" {part.operator} ".join(inner(each) for each in part.parts)
    if isinstance(part, tree.Negation):
        return f"NOT {inner(part.part)}"
    if isinstance(part, tree.SemiJoin):
        return f"{expression(part.left)} {'NOT IN' if part.negated else 'IN'} ({query(part.query)})"
    if isinstance(part, tree.Membership):
        return f"{expression(part.left)} {part.operator} ({', '.join(map(literal, part.values))})"
    return f"{expression(part.left)} {part.operator} {literal(part.right)}"


def inner(part: tree.Condition) -> str:
    return f"({condition(part)})" if isinstance(part, tree.Logic) else condition(part)


def item(part: object) -> str:
    if isinstance(part, tree.Subquery):
        return f"({query(part.query)})"
    if isinstance(part, tree.Macro):
        return f"FIELDS({part.kind})"
    if isinstance(part, tree.TypeOf):
        branches = " ".join(f"WHEN {name} THEN {', '.join(p.text for p in paths)}" for name, paths in part.branches)
        otherwise = f" ELSE {', '.join(p.text for p in part.otherwise)}" if part.otherwise else ""
        return f"TYPEOF {part.path.text} {branches}{otherwise} END"
    assert isinstance(part, tree.Item)
    return expression(part.expression) + (f" {part.alias}" if part.alias else "")


def order(part: tree.Order) -> str:
    text = expression(part.expression) + (" DESC" if part.descending else "")
    return text + (f" NULLS {part.nulls}" if part.nulls else "")


def query(part: tree.Query) -> str:
    text = f"SELECT {', '.join(map(item, part.items))} FROM {part.source.text}"
    text += f" {part.alias}" if part.alias else ""
    text += f" USING SCOPE {part.scope}" if part.scope else ""
    text += f" WHERE {condition(part.where)}" if part.where else ""
    text += f" WITH {part.security}" if part.security else ""
    if part.group:
        listed = ", ".join(map(expression, part.group.expressions))
        text += f" GROUP BY {listed}" if part.group.kind == "PLAIN" else f" GROUP BY {part.group.kind}({listed})"
    text += f" HAVING {condition(part.having)}" if part.having else ""
    text += f" ORDER BY {', '.join(map(order, part.order))}" if part.order else ""
    text += f" LIMIT {part.limit}" if part.limit is not None else ""
    text += f" OFFSET {part.offset}" if part.offset is not None else ""
    text += " ALL ROWS" if part.all_rows else ""
    return text
