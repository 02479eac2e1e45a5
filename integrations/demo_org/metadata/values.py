"""Metadata components as nested values; see `nested`, which has no other part of this package above it."""

from integrations.demo_org.nested import (
    NAMESPACE,
    XSI_NIL,
    XSI_TYPE,
    Refused,
    Values,
    as_list,
    flag_of,
    number_of,
    read_values,
    text_of,
    write_file,
    write_values,
)

__all__ = [
    "NAMESPACE",
    "XSI_NIL",
    "XSI_TYPE",
    "Refused",
    "Values",
    "as_list",
    "flag_of",
    "number_of",
    "read_values",
    "text_of",
    "write_file",
    "write_values",
]
