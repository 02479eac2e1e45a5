"""SOQL: parse, compile to SQLite, run, render."""

from integrations.demo_org.soql.compile import compile_query
from integrations.demo_org.soql.compiled import Column, CompiledQuery
from integrations.demo_org.soql.cursors import Cursors
from integrations.demo_org.soql.run import Paging, run_more, run_query

__all__ = ["Column", "CompiledQuery", "Cursors", "Paging", "compile_query", "run_more", "run_query"]
