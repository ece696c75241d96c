"""Functions fit on a screen, modules in a head."""

import ast
from statistics import median

from tests.architecture.sizes import (
    EVERYTHING,
    FUNCTION_LINES_MAX,
    FUNCTION_LINES_MEDIAN_MAX,
    MODULE_LINES_MAX,
    PRODUCT,
    functions,
    module_lines,
)
from tests.architecture.tree import modules, syntax


def test_every_function_fits_on_a_screen() -> None:
    long = [str(f) for f in functions(*EVERYTHING) if f.line_count > FUNCTION_LINES_MAX]
    assert long == []


def test_every_module_fits_in_a_head() -> None:
    counts = {str(path): module_lines(path) for path in modules(*PRODUCT)}
    assert {path: count for path, count in counts.items() if count > MODULE_LINES_MAX} == {}


def test_most_functions_are_short() -> None:
    counts = [function.line_count for function in functions(*PRODUCT)]
    assert median(counts) <= FUNCTION_LINES_MEDIAN_MAX


def test_every_module_opens_with_a_docstring() -> None:
    trees = {str(path): syntax(path) for path in modules(*EVERYTHING)}
    assert [path for path, tree in trees.items() if tree.body and not ast.get_docstring(tree)] == []
