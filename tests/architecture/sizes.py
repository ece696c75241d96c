"""How long functions and modules are. Run as a module it prints the table."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from tests.architecture.tree import ROOT, modules, syntax

FUNCTION_LINES_MAX = 60
FUNCTION_LINES_MEDIAN_MAX = 12
MODULE_LINES_MAX = 400

PRODUCT = ("appliance_aws", "appliance_azure", "core", "proxy")
EVERYTHING = (*PRODUCT, "benchmarks", "examples", "tests")


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function, where it is and how many lines it takes, its decorators left out."""

    path: Path
    name: str
    line: int
    line_count: int

    def __str__(self) -> str:
        """Write it as an editor finds it."""
        return f"{self.path}:{self.line} {self.name}: {self.line_count} lines"


def functions(*folders: str) -> Iterator[Function]:
    """Yield every function and method below these folders."""
    for path in modules(*folders):
        for node in ast.walk(syntax(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                end = node.end_lineno or node.lineno
                yield Function(
                    path=path, name=node.name, line=node.lineno, line_count=end - node.lineno + 1
                )


def module_lines(path: Path) -> int:
    """Return the number of lines of a module."""
    return (ROOT / path).read_text(encoding="utf-8").count("\n")


def _describe(counts: Sequence[int]) -> str:
    if len(counts) < 2:
        return f"{len(counts):5}"
    p90 = quantiles(counts, n=10)[-1]
    return f"{len(counts):5}  median {median(counts):5.0f}  p90 {p90:5.0f}  max {max(counts):5}"


def report() -> Iterator[str]:
    """Yield the lines of the table."""
    for folder in EVERYTHING:
        module_counts = [module_lines(path) for path in modules(folder)]
        if not module_counts:
            continue
        function_counts = [function.line_count for function in functions(folder)]
        yield f"{folder:10} {sum(module_counts):6} lines"
        yield f"  modules   {_describe(module_counts)}"
        yield f"  functions {_describe(function_counts)}"


if __name__ == "__main__":
    print("== sizes")
    print("\n".join(report()))
