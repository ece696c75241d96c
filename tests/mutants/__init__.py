"""One patch for each invariant that breaks it, and the runner that expects its test to notice.

A patch file is a header of ``key: value`` lines, then a unified diff as ``git diff`` writes it::

    invariant: I1
    test: tests/crash/test_session.py::test_a_record_needs_its_packs
    breaks: publish believes that every pack exists

    --- a/core/engine/publish.py
    +++ b/core/engine/publish.py
    @@ -10,3 +10,3 @@
         context
    -    the line that keeps the invariant
    +    the line that does not
         context

``test`` may stand several times; each has to pass without the patch and to fail with it. A hunk is
found by its text and not by its line numbers: it has to fit in exactly one place of the file.
``make mutants`` runs them all, ``make mutants ARGS="--only I3"`` some.
"""
