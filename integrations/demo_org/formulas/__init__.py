"""Salesforce formulas, as far as they are understood here: read, checked, and turned into SQL expressions."""

from integrations.demo_org.formulas.compiling import Compiled, compile_formula
from integrations.demo_org.formulas.reading import BadFormula

__all__ = ["BadFormula", "Compiled", "compile_formula"]
