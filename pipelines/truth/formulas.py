"""Formulas as they are printed, such as "1/2 (x - 1)² + 2", computed by Python's grammar and nothing else of Python."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np

_WRITTEN = {"π": "pi", "·": "*", "²": "**2"}
_OPERATIONS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_FUNCTIONS: dict[str, Callable[[Any], Any]] = {"abs": np.abs, "sin": np.sin}


def computed(formula: str, x: Any) -> Any:
    """Its values at the places `x`. Raises `ValueError` for what is no formula."""
    for sign, word in _WRITTEN.items():
        formula = formula.replace(sign, word)
    formula = re.sub(r"\|([^|]*)\|", r"abs(\1)", formula)
    formula = re.sub(r"(?<=[\dx)])\s*(?=[(xas])", "*", formula)  # what stands side by side is multiplied
    return _value(ast.parse(formula, mode="eval").body, x)


def _value(node: ast.expr, x: Any) -> Any:
    match node:
        case ast.Constant(value=int(number)):
            return number
        case ast.Name(id="x"):
            return x
        case ast.Name(id="pi"):
            return np.pi
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_value(inner, x)
        case ast.BinOp(left=left, op=operation, right=right):
            return _OPERATIONS[type(operation)](_value(left, x), _value(right, x))
        case ast.Call(func=ast.Name(id=name), args=[inner]):
            return _FUNCTIONS[name](_value(inner, x))
    raise ValueError(f"{ast.unparse(node)!r} is no formula of x")
