"""The package as users get it, and the files around it that have to agree with each other."""

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import ai_cost_calc

ROOT = Path(__file__).resolve().parent.parent
SETS_UP_AND_TESTS = "python3 -m venv .venv && .venv/bin/pip install -q nox uv && .venv/bin/nox"
SETS_UP_AND_SHOWS = "python3 -m venv .venv && .venv/bin/pip install -q '.[demo]' && .venv/bin/ai-cost-calc demo"


def read_toml(name: str) -> dict[str, Any]:
    """A file beside the code."""
    return tomllib.loads((ROOT / name).read_text())


def project() -> dict[str, Any]:
    """What pyproject.toml says of the distribution."""
    table: dict[str, Any] = read_toml("pyproject.toml")["project"]
    return table


def requirements(extra: str) -> set[str]:
    """Names of the packages that an extra installs, through the extras it is made of."""
    names = set()
    for requirement in map(Requirement, project()["optional-dependencies"][extra]):
        if requirement.name == project()["name"]:
            names |= {name for part in requirement.extras for name in requirements(part)}
        else:
            names.add(requirement.name)
    return names


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    """A wheel built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return zipfile.Path(built)


def test_the_version_is_the_same_everywhere() -> None:
    """The installed metadata, the module and the project file name one version."""
    assert importlib.metadata.version("ai-cost-calc") == project()["version"] == ai_cost_calc.__version__


def test_the_wheel_ships_every_file_of_the_package(wheel: zipfile.Path) -> None:
    """Nothing under src/ is left out: modules, the typing marker, SQL and scripts."""
    shipped = set(wheel.root.namelist())
    sources = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert sources <= shipped
    assert "ai_cost_calc/py.typed" in shipped
    assert any(name.startswith("ai_cost_calc/ledgers/") and name.endswith(".sql") for name in shipped)


def test_the_wheel_installs_one_package_and_one_command(wheel: zipfile.Path) -> None:
    """Tests, examples and benchmarks do not end up beside other people's modules."""
    info = f"ai_cost_calc-{project()['version']}.dist-info"
    assert {path.name for path in wheel.iterdir()} == {"ai_cost_calc", info}
    assert "ai-cost-calc = ai_cost_calc.cli:main" in (wheel / info / "entry_points.txt").read_text()


def test_all_installs_what_every_extra_installs() -> None:
    """`ai-cost-calc[all]` leaves out nothing."""
    extras = project()["optional-dependencies"]
    assert requirements("all") == {name for extra in extras for name in requirements(extra)}


def test_the_demo_extra_installs_the_command_and_both_clients() -> None:
    """`ai-cost-calc demo` needs nothing beyond its extra."""
    assert requirements("demo") == requirements("cli") | requirements("openai") | requirements("anthropic")


def test_the_lock_comes_from_the_public_index_only() -> None:
    """A lock made on one machine installs on another: no folder, no private index."""
    packages = read_toml("uv.lock")["package"]
    sources = [package["source"] for package in packages if package["name"] != "ai-cost-calc"]
    assert {tuple(source.items()) for source in sources} == {(("registry", "https://pypi.org/simple"),)}
    files = [file["url"] for package in packages for file in (*package.get("wheels", ()), package.get("sdist")) if file]
    assert {url.split("/")[2] for url in files} == {"files.pythonhosted.org"}


def test_supported_pythons_are_named_once_each() -> None:
    """The classifiers, the range that pip reads and the sessions name the same versions of Python."""
    minors = [int(name.rpartition(".")[2]) for name in project()["classifiers"] if re.search(r":: 3\.\d+$", name)]
    assert project()["requires-python"] == f">=3.{min(minors)},<3.{max(minors) + 1}"
    assert f"PYTHONS = {json.dumps([f'3.{minor}' for minor in minors])}\n" in (ROOT / "noxfile.py").read_text()


def test_contributing_explains_every_session() -> None:
    """Someone who reads CONTRIBUTING.md knows all sessions of the noxfile, and no others."""
    sessions = {
        node.name
        for node in ast.parse((ROOT / "noxfile.py").read_text()).body
        if isinstance(node, ast.FunctionDef) and node.decorator_list
    }
    explained = re.findall(r"^\| `(\w+)` \|", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE)
    assert sorted(explained) == sorted(sessions)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", ".ci/run"])
def test_one_line_sets_up_and_tests(name: str) -> None:
    """The README, CONTRIBUTING.md and continuous integration run the very same line."""
    assert SETS_UP_AND_TESTS in (ROOT / name).read_text().splitlines()


def test_one_line_sets_up_and_shows() -> None:
    """The README opens with the line that runs the demo."""
    assert SETS_UP_AND_SHOWS in (ROOT / "README.md").read_text().splitlines()


@pytest.mark.parametrize("page", sorted(path.name for path in ROOT.glob("*.md")))
def test_links_of_the_front_pages_lead_somewhere(page: str) -> None:
    """A link from a page beside the code names a file that exists; the documentation's own are checked by its build."""
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", (ROOT / page).read_text())
    assert [target for target in targets if not (ROOT / target).exists()] == []
