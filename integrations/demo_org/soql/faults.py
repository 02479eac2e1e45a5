"""How Salesforce refuses a query: the echo of the query around the fault, a caret, the place, and the sentence."""

from integrations.demo_org.errors import ApiError

MAX_LENGTH = 100_000
ECHO = 45
SEPARATORS = " ,\t("
WSDL_HINT = "Please reference your WSDL or the describe call for the appropriate names."


def fault(text: str, at: int, sentence: str, code: str = "MALFORMED_QUERY") -> ApiError:
    """An error at character `at` of the query `text`, told the way Salesforce does (rows and columns count from 1)."""
    at = min(at, len(text))
    row = text.count("\n", 0, at) + 1
    start = text.rfind("\n", 0, at) + 1
    line = text[start:].split("\n", 1)[0]
    echo, before = _echo(line, at - start)
    return ApiError(400, code, f"\n{echo}\n{' ' * before}^\nERROR at Row:{row}:Column:{at - start + 1}\n{sentence}")


def _echo(line: str, column: int) -> tuple[str, int]:
    """The part of the line around the column, cut at word boundaries, and the place of the column in it."""
    first = 0
    if column > ECHO:
        first = next((k + 1 for k in range(column - ECHO, column) if line[k] in SEPARATORS), column)
        while first < column and line[first] in SEPARATORS:
            first += 1
    last = len(line)
    if last - column > ECHO:
        last = next((k for k in range(column + ECHO, column, -1) if line[k] in SEPARATORS), column + ECHO)
    return line[first:last].rstrip(",") if last < len(line) else line[first:], column - first


def unexpected(text: str, at: int, token: str) -> ApiError:
    """A token that has no business there."""
    return fault(text, at, f"unexpected token: '{token}'")


def no_column(text: str, at: int, name: str, entity: str) -> ApiError:
    """An unknown field, or one that the user may not see."""
    return fault(
        text,
        at,
        f"No such column '{name}' on entity '{entity}'. If you are attempting to use a custom field, be sure to append the"
        f" '__c' after the custom field name. {WSDL_HINT}",
        "INVALID_FIELD",
    )


def no_relationship(text: str, at: int, name: str) -> ApiError:
    """An unknown parent relationship in a field path."""
    return fault(
        text,
        at,
        f"Didn't understand relationship '{name}' in field path. If you are attempting to use a custom relationship, be sure"
        f" to append the '__r' after the custom relationship name. {WSDL_HINT}",
        "INVALID_FIELD",
    )


def no_child_relationship(text: str, at: int, name: str) -> ApiError:
    """An unknown child relationship in a nested query."""
    return fault(
        text,
        at,
        f"Didn't understand relationship '{name}' in FROM part of query call. If you are attempting to use a custom"
        f" relationship, be sure to append the '__r' after the custom relationship name. {WSDL_HINT}",
        "INVALID_TYPE",
    )


def no_object(text: str, at: int, name: str) -> ApiError:
    """An unknown object, or one that the user may not see."""
    return fault(
        text,
        at,
        f"sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append the '__c'"
        f" after the entity name. {WSDL_HINT}",
        "INVALID_TYPE",
    )


def wrong_type(text: str, at: int, name: str, kind: str) -> ApiError:
    """A literal that does not fit the field."""
    quoted = "should be enclosed in quotes" if kind == "string" else "should not be enclosed in quotes"
    return fault(text, at, f"value of filter criterion for field '{name}' must be of type {kind} and {quoted}", "INVALID_FIELD")


def wrong_operator(text: str, at: int, sentence: str = "invalid operator") -> ApiError:
    """An operator that the field's type does not know."""
    return fault(text, at, sentence, "INVALID_QUERY_FILTER_OPERATOR")


def too_long() -> ApiError:
    """A query above 100,000 characters."""
    return ApiError(400, "MALFORMED_QUERY", f"SOQL statements can not be longer than {MAX_LENGTH} characters")
