"""Run the mutants and print the table; exit 1 unless every invariant's were all killed."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.mutants.patch import Mutant, parse_mutant
from tests.mutants.run import Outcome, Verdict, run_mutants

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent
INVARIANTS = tuple(f"I{number}" for number in range(1, 9))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all mutants, or those named."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--only", help="an invariant (I3) or the start of a patch's name")
    parser.add_argument("--workers", type=int, default=min(os.cpu_count() or 1, 4))
    options = parser.parse_args(arguments)
    mutants = [_read(path) for path in sorted(FOLDER.glob("*.patch"))]
    chosen = [m for m in mutants if m.name.startswith(options.only or "")]
    print(f"{len(chosen)} mutants, each in a copy of the tree, {options.workers} at a time")
    outcomes = run_mutants(chosen, ROOT, workers=options.workers, done=_print_progress)
    bare = () if options.only else sorted(set(INVARIANTS) - {m.invariant for m in mutants})
    _print_details(outcomes)
    _print_table(outcomes, bare)
    is_good = chosen and not bare and all(o.verdict is Verdict.KILLED for o in outcomes)
    return 0 if is_good else 1


def _read(path: Path) -> Mutant:
    return parse_mutant(path.stem, path.read_text(encoding="utf-8"))


def _print_progress(outcome: Outcome) -> None:
    print(f"  {outcome.mutant.name}: {outcome.verdict} ({outcome.seconds:.0f} s)", flush=True)


def _print_details(outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.verdict is not Verdict.KILLED:
            print(f"\n--- {outcome.mutant.name}: {outcome.verdict}\n{outcome.detail}")


def _print_table(outcomes: Sequence[Outcome], bare: Sequence[str]) -> None:
    rows = [(o.mutant.invariant, o.mutant.name, str(o.verdict), o.mutant.breaks) for o in outcomes]
    rows += [(invariant, "-", "NO MUTANT", "") for invariant in bare]
    heads = ("", "mutant", "verdict", "what it breaks")
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(3)]
    print()
    for row in [heads, *sorted(rows)]:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, row[3]]).rstrip())
    killed = sum(outcome.verdict is Verdict.KILLED for outcome in outcomes)
    print(f"\n{killed} of {len(outcomes)} mutants killed")


if __name__ == "__main__":
    sys.exit(main())
