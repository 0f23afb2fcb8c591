"""What "Add a provider" shows is done, in a copy of the project, and the tests that it shows are run."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.docs.pages import DOCS, ROOT, blocks

PAGE: Final = DOCS / "how-to" / "add-a-provider.md"
REGISTRY: Final = "src/ai_cost_calc/providers/readers/_registry.py"
COPIED: Final = ("src/ai_cost_calc", "tests")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the package and of its tests, with the page's files in their places and its line in the registry."""
    for folder in COPIED:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for block in blocks(PAGE):
        file = tmp_path / block.title
        if block.title == REGISTRY:
            start, opening, rest = file.read_text().partition("\nVENDORS: Final = {\n")
            assert opening
            file.write_text(start + opening + block.text + rest)
        elif block.title:
            assert not file.exists(), f"{block.title} is a file of the project's own"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)
    return tmp_path


def run(project: Path, command: list[str]) -> str:
    """Run a Python module in the copy, whose package goes before the installed one."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=project,
        env={"PYTHONPATH": str(project / "src"), "AI_COST_CALC_DATA_DIR": str(project / "data"), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_provider_is_one_file_one_line_and_one_folder() -> None:
    """The page adds no more than it promises: beside the vendor's own SDK, a file, a line and a test."""
    titled = {block.title: block.text for block in blocks(PAGE) if block.title}
    assert list(titled) == [
        "fjord.py",
        "src/ai_cost_calc/providers/fjord.py",
        REGISTRY,
        "tests/providers/fjord/test_fjord.py",
    ]
    assert len(titled[REGISTRY].splitlines()) == 1


def test_its_tests_pass(project: Path) -> None:
    """The command that the page shows succeeds; only retries and copies, which the SDK has not, are skipped."""
    (commands,) = [block.text for block in blocks(PAGE) if block.language == "console"]
    module, *arguments = shlex.split(commands.removeprefix("$ "))
    printed = run(project, [module, *arguments])
    assert re.search(r"^(1[2-9]|[2-9]\d) passed, 2 skipped", printed, flags=re.MULTILINE), printed


def test_the_page_would_fail_without_its_line(project: Path) -> None:
    """It is the registry that makes the vendor known: without the line, its client cannot be wrapped."""
    file = project / REGISTRY
    file.write_text(re.sub(r'^ +"fjord": .*\n', "", file.read_text(), flags=re.MULTILINE))
    with pytest.raises(AssertionError, match="UnsupportedClient"):
        run(project, ["pytest", "-q", "-x", "tests/providers/fjord"])
