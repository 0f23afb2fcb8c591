"""What the documentation shows works: code runs, it prints what the page says, and links lead somewhere."""

from __future__ import annotations
import __future__

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from anthropic import Anthropic
from openai import OpenAI

from ai_cost_calc import AiCostCalc
from ai_cost_calc.testing import ProviderSimulator
from tests.docs.pages import DOCS, PAGES, ROOT, Block, anchors, blocks, links, name_of, shows

OWN_TESTS: Final = {"docs/how-to/add-a-provider.md"}
"""Pages that change the project itself: `test_add_a_provider.py` does that in a copy."""
WITH_CODE: Final = [
    page
    for page in PAGES
    if name_of(page) not in OWN_TESTS and any(block.language in {"python", "console"} for block in blocks(page))
]
SHOW_FAULTS: Final = {"docs/how-to/see-what-went-wrong.md"}
"""Pages that provoke faults to show where they can be seen."""


class Reader:
    """Somebody who types everything a page shows, in its order and in one folder."""

    def __init__(self, page: Path, folder: Path) -> None:
        self.page = page
        self.folder = folder
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.printed = ""

    def read(self) -> None:
        """Run the page's blocks: code, files, commands, and the output that it shows after them."""
        for block in blocks(self.page):
            place = f"{name_of(self.page)}:{block.line}"
            if block.title:
                (self.folder / block.title).write_text(block.text)
            elif block.language == "python":
                self.printed = self._run(block)
            elif block.language == "text":
                assert shows(block.text, self.printed), (
                    f"{place} shows something else than was printed:\n{self.printed}"
                )
            elif block.language == "console":
                self._command_lines(block, place)

    def _run(self, block: Block) -> str:
        """Run code; its lines are numbered as the page's, so that a traceback names them."""
        source = "\n" * (block.line - 1) + block.text
        code = compile(source, str(self.page), "exec", flags=__future__.annotations.compiler_flag, dont_inherit=True)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(code, self.names)  # noqa: S102 - the page is ours
        return printed.getvalue()

    def _command_lines(self, block: Block, place: str) -> None:
        """Run commands; one that the page shows no output of only has to succeed."""
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            printed = _run_command(shlex.split(command))
            right = not expected.strip() or shows(expected, printed)
            assert right, f"{place} shows something else than {command!r} printed:\n{printed}"

    def leave(self) -> None:
        """Close every client that the page made; none of them may have swallowed a fault."""
        made = {id(value): value for value in self.names.values() if isinstance(value, AiCostCalc)}.values()
        faults = [calc.stats().faults for calc in made]
        for calc in made:
            calc.shutdown()
        for value in self.names.values():
            if isinstance(value, (OpenAI, Anthropic)):
                value.close()
        assert not any(faults) or name_of(self.page) in SHOW_FAULTS, f"faults were swallowed: {faults}"


def _run_command(command: list[str]) -> str:
    """Run a command of this environment, which has to succeed."""
    program = Path(sys.executable).with_name(command[0])
    done = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder, where both SDKs find a provider on loopback; what a page does to prices stays there."""
    for compiled in (data_dir / "prices").glob("*.msgpack"):
        (tmp_path / "data" / "prices").mkdir(parents=True, exist_ok=True)
        shutil.copy(compiled, tmp_path / "data" / "prices")
    with ProviderSimulator() as provider:
        for name, value in {
            "AI_COST_CALC_DATA_DIR": str(tmp_path / "data"),
            "AI_COST_CALC_LEDGER": f"sqlite:///{tmp_path / 'default.db'}",
            "ANTHROPIC_API_KEY": "not-needed",
            "ANTHROPIC_BASE_URL": provider.anthropic_base_url,
            "COLUMNS": "140",
            "NO_COLOR": "1",
            "OPENAI_API_KEY": "not-needed",
            "OPENAI_BASE_URL": provider.openai_base_url,
            "PYTHONPATH": os.pathsep.join(["."]),
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(tmp_path)
        before = set(sys.modules)
        yield tmp_path
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
                del sys.modules[name]


@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_what_a_page_shows_works(page: Path, folder: Path) -> None:
    """Typed in from top to bottom, the code and the commands of a page work and print what it says they print."""
    reader = Reader(page, folder)
    try:
        reader.read()
    finally:
        reader.leave()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """A link names a file that exists and, after `#`, a heading that is in it."""
    broken = []
    for link in links(page):
        target, _, heading = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (heading and heading not in anchors(file)):
            broken.append(link)
    assert broken == []


def test_what_two_pages_show_links_from_both() -> None:
    """What the first page takes from the README names its links; each of the two says where they lead from there."""
    readme, index = ROOT / "README.md", DOCS / "index.md"
    shared = "".join(re.findall(r"\[start:\w+\] -->(.*?)<!--", readme.read_text(), flags=re.DOTALL))
    assert re.findall(r"\]\((?!https?:)", shared) == []
    named = set(re.findall(r"\]\[(\w+)\]", shared))
    assert named
    for page in (readme, index):
        targets = dict(re.findall(r"^\[(\w+)\]: (\S+)$", page.read_text(), flags=re.MULTILINE))
        assert {name for name in named if (page.parent / targets[name]).exists()} == named


def test_a_word_is_explained_in_two_sentences() -> None:
    """An entry of the glossary is one sentence or two, and there is one for each idea that the code names."""
    entries = dict(re.findall(r"^## (.+)\n\n((?:.+\n)+)", (DOCS / "glossary.md").read_text(), flags=re.MULTILINE))
    assert {word for word, text in entries.items() if len(re.findall(r"\.\s", text)) not in {1, 2}} == set()
    ideas = "Attribution, Budget, Budget store, Cost, Journal, Ledger, Model price, Money, Price book, Provider, "
    ideas += "Reservation, Shipper, Usage, Usage event"
    assert set(ideas.split(", ")) <= entries.keys()


def test_every_page_can_be_reached() -> None:
    """Following links from the first page of the documentation, a reader comes to every other one."""
    found, waiting = set(), [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page not in found and page.suffix == ".md":
            found.add(page)
            waiting += [(page.parent / link.partition("#")[0]).resolve() for link in links(page) if link[0] != "#"]
    assert {name_of(page) for page in DOCS.rglob("*.md")} <= {name_of(page) for page in found}
