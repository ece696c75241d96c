"""The runner tells a mutant that was noticed from every other thing that can happen to one."""

from pathlib import Path

import pytest

from tests.mutants.patch import PatchError, parse_mutant
from tests.mutants.run import Outcome, Verdict, run_mutants

SOURCE = '''"""A module."""


def double(number: int) -> int:
    return number * 2


def triple(number: int) -> int:
    return number * 3
'''

TESTS = """from module import double


def test_double() -> None:
    assert double(2) == 4
    assert double(3) == 6


def test_little() -> None:
    assert double(0) == 0


def test_wrong() -> None:
    assert double(1) == 3
"""

PATCH = """invariant: I1
test: test_module.py::{test}
breaks: doubling

diff --git a/module.py b/module.py
index 1111111..2222222 100644
--- a/module.py
+++ b/module.py
@@ -{line},4 +{line},4 @@ def something
{context}
 def double(number: int) -> int:
-    return number * 2
+    {change}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "module.py").write_text(SOURCE)
    (tmp_path / "test_module.py").write_text(TESTS)
    return tmp_path


def run(
    project: Path,
    *,
    test: str = "test_double",
    change: str = "return number + 2",
    line: int = 3,
    context: str = "",
) -> Outcome:
    text = PATCH.format(test=test, change=change, line=line, context=context)
    seen: list[Outcome] = []
    mutants = [parse_mutant("I1-doubling", text)]
    (outcome,) = run_mutants(mutants, project, workers=1, done=seen.append)
    assert seen == [outcome]
    assert (project / "module.py").read_text() == SOURCE
    return outcome


def test_a_mutant_that_its_test_notices_is_killed(project: Path) -> None:
    assert run(project).verdict is Verdict.KILLED


def test_a_mutant_that_nobody_notices_survives(project: Path) -> None:
    outcome = run(project, test="test_little", change="return number * 5")
    assert outcome.verdict is Verdict.SURVIVED
    assert "doubling" in outcome.detail


def test_a_failing_test_proves_nothing(project: Path) -> None:
    assert run(project, test="test_wrong").verdict is Verdict.TEST_FAILS_UNPATCHED


def test_a_test_that_does_not_exist_proves_nothing(project: Path) -> None:
    assert run(project, test="test_gone").verdict is Verdict.TEST_FAILS_UNPATCHED


def test_a_mutant_that_is_not_python_proves_nothing(project: Path) -> None:
    assert run(project, change="return (").verdict is Verdict.TEST_DID_NOT_RUN


def test_a_hunk_is_found_although_its_lines_have_moved(project: Path) -> None:
    assert run(project, line=300).verdict is Verdict.KILLED


def test_a_hunk_whose_text_has_changed_does_not_apply(project: Path) -> None:
    outcome = run(project, context=" # a comment that is not there")
    assert outcome.verdict is Verdict.DOES_NOT_APPLY
    assert "nowhere in module.py" in outcome.detail


def test_a_hunk_that_fits_twice_does_not_apply(project: Path) -> None:
    text = PATCH.format(test="test_double", change="", line=1, context="").splitlines()
    head = text[: text.index("--- a/module.py")]
    body = ["--- a/module.py", "+++ b/module.py", "@@ -2,2 +2,1 @@", "-", "-", "+"]
    mutant = parse_mutant("I1-twice", "\n".join([*head, *body, ""]))
    (outcome,) = run_mutants([mutant], project, workers=1, done=lambda _: None)
    assert outcome.verdict is Verdict.DOES_NOT_APPLY
    assert "in 2 places" in outcome.detail


def test_hunks_of_several_files_are_read_apart() -> None:
    text = PATCH.format(test="test_double", change="return 1", line=1, context="")
    more = "--- a/other.py\n+++ b/other.py\n@@ -1 +1 @@\n-old\n+new\n@@ -9 +9 @@\n-a\n+b\n"
    mutant = parse_mutant("I1-several", text + more)
    assert [hunk.path for hunk in mutant.hunks] == ["module.py", "other.py", "other.py"]
    assert mutant.hunks[1].before == "old\n"
    assert mutant.hunks[2].after == "b\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "invariant: I1\ntest: a::b\n",
        "test: a::b\n\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n",
        "invariant: I1\n\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n",
        "invariant: I1\ntest: a::b\n\n--- a/x\n+++ b/x\n@@ -1 +1 @@\nno diff\n",
    ],
)
def test_a_patch_without_header_or_diff_is_refused(text: str) -> None:
    with pytest.raises(PatchError, match="bad"):
        parse_mutant("bad", text)
