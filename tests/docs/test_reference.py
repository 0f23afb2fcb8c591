"""The reference agrees with the code: names, signatures, fields, errors, commands, options and variables."""

from __future__ import annotations
import __future__

import ast
import builtins
import dataclasses
import importlib
import inspect
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from typer.core import TyperArgument, TyperGroup, TyperOption
from typer.main import get_command

import ai_cost_calc
from ai_cost_calc import AiCostCalc, Budget, Cost, CostCalcError, CostResult, ModelPricing, Reading, Usage, providers
from ai_cost_calc import config as configuration
from ai_cost_calc.cli.app import app
from ai_cost_calc.client.budgets import Budgets, BudgetStatus
from ai_cost_calc.client.estimates import CostEstimate
from ai_cost_calc.client.reports import ReportRow
from ai_cost_calc.client.stats import Stats
from ai_cost_calc.providers._http_client import HttpProvider
from ai_cost_calc.providers._sdk import SdkProvider
from ai_cost_calc.providers.not_metered import NOT_METERED
from ai_cost_calc.providers.readers._registry import VENDORS, route, vendor_named
from tests.docs.pages import DOCS, blocks, headings

REFERENCE: Final = DOCS / "reference"
OWNERS: Final = {"AiCostCalc": AiCostCalc, "Budget": Budget, "Budgets": Budgets}
DEFAULT_FACTORY: Final = "<factory>"


def table(page: str, heading: str) -> list[str]:
    """What stands in code in the first cells of the tables under a heading, one name each."""
    text = (REFERENCE / page).read_text()
    (section,) = re.findall(rf"^#+ {re.escape(heading)}$\n(.*?)(?=^#+ |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    cells = re.findall(r"^\| (`.*?) \|", section, flags=re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def public(names: object) -> list[str]:
    """The attributes of a class or object that are not private."""
    return [name for name in dir(names) if not name.startswith("_")]


# Signatures.


def documented() -> Iterator[tuple[str, str]]:
    """Every signature in the reference: whose it is and its source."""
    for page in sorted(REFERENCE.glob("*.md")):
        for block in blocks(page):
            if block.language != "py":
                continue
            for node in ast.parse(block.text).body:
                if isinstance(node, ast.ClassDef):
                    for method in node.body:
                        yield f"{node.name}.{method.name}", ast.unparse(method)  # type: ignore[attr-defined]
                else:
                    is_method = node.args.args and node.args.args[0].arg == "self"  # type: ignore[attr-defined]
                    yield f"{'AiCostCalc.' * bool(is_method)}{node.name}", ast.unparse(node)  # type: ignore[attr-defined]


def real(name: str) -> Callable[..., Any]:
    """The function or method of this name."""
    owner, _, method = name.rpartition(".")
    found: Callable[..., Any] = inspect.unwrap(getattr(OWNERS[owner] if owner else ai_cost_calc, method))
    return found


def parameters(function: Callable[..., Any]) -> list[tuple[str, str, str, str]]:
    """Name, kind, annotation and default of each parameter, as written."""
    signature = inspect.signature(function)
    found = signature.parameters.values()
    return [(item.name, str(item.kind), str(item.annotation), _default(item.default)) for item in found]


def _default(value: object) -> str:
    return DEFAULT_FACTORY if value is ... else repr(value)


@pytest.mark.parametrize(("name", "source"), [*documented()], ids=lambda value: value if "\n" not in value else "")
def test_a_signature_is_the_real_one(name: str, source: str) -> None:
    """Parameters, their kinds, types and defaults, and the result are as in the code."""
    names: dict[str, Any] = {"time": time}
    code = compile(source, name, "exec", flags=__future__.annotations.compiler_flag, dont_inherit=True)
    exec(code, names)  # noqa: S102 - the page is ours
    written = names[name.rpartition(".")[2]]
    assert parameters(written) == parameters(real(name))
    assert written.__annotations__["return"] == str(real(name).__annotations__["return"]).removeprefix("builtins.")


def test_every_public_method_has_its_signature() -> None:
    """Nothing that a user can call on the client or its budgets is left out."""
    found = [name for name, _ in documented()]
    assert len(found) == len(set(found))
    methods = {f"AiCostCalc.{name}" for name in public(AiCostCalc) if inspect.isfunction(getattr(AiCostCalc, name))}
    methods |= {f"Budgets.{name}" for name in public(Budgets)} - {"Budgets.start"}
    assert set(found) == methods | {"AiCostCalc.__init__", "Budget.__init__", "read_usage"}


def test_every_method_has_its_heading() -> None:
    """Links can name any method of the client."""
    assert set(public(AiCostCalc)) <= set(headings(REFERENCE / "client.md"))


def test_every_exported_name_is_documented() -> None:
    """All of `ai_cost_calc.__all__` has a heading, or is an error in the tree."""
    found = {heading for page in REFERENCE.glob("*.md") for heading in headings(page)}
    assert set(ai_cost_calc.__all__) - {"AiCostCalc"} <= found | set(table("errors.md", "Errors"))


# Fields.


@pytest.mark.parametrize(
    ("page", "heading", "fields"),
    [
        ("usage-and-cost.md", "Usage", list(Usage.__struct_fields__)),
        ("usage-and-cost.md", "Reading", list(Reading.__struct_fields__)),
        ("usage-and-cost.md", "Cost", [*Cost.__struct_fields__, "total", "items", "difference"]),
        ("usage-and-cost.md", "CostEstimate", [item.name for item in dataclasses.fields(CostEstimate)]),
        ("stats.md", "Stats", list(Stats.__struct_fields__)),
        ("budgets.md", "BudgetStatus", [*BudgetStatus.__struct_fields__, "exceeded"]),
        ("budgets.md", "Budget", [item.name for item in dataclasses.fields(Budget) if item.init]),
        ("client.md", "report", list(ReportRow.__slots__)),
        ("client.md", "Client", [*inspect.signature(AiCostCalc).parameters]),
    ],
)
def test_every_field_has_its_line(page: str, heading: str, fields: list[str]) -> None:
    """A table names each field or argument once, and no other."""
    assert sorted(table(page, heading)) == sorted(fields)


@pytest.mark.parametrize("kind", [CostResult, ModelPricing, ai_cost_calc.AiCostCalcError])
def test_fields_of_the_official_values_are_named(kind: type[Any]) -> None:
    """Each is a heading, with its fields in the text below."""
    text = (REFERENCE / "client.md").read_text().partition(f"### {kind.__name__}\n")[2].partition("\n### ")[0]
    assert {item.name for item in dataclasses.fields(kind)} <= set(re.findall(r"`(\w+)`", text))


# Providers.


def rows(heading: str) -> list[list[str]]:
    """The rows of the table under a heading of the page on providers, cell by cell."""
    section = (REFERENCE / "providers.md").read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if "| `" in line]


def test_what_is_not_metered_is_listed() -> None:
    """The page names what the code does, and no more."""
    listed = [
        (found[0].strip("`"), tuple(re.findall(r"`([^`]+)`", found[1])), found[2])
        for found in rows("What spends money and is not metered")
    ]
    known = [(package, each.calls, each.bill) for package, spent in NOT_METERED.items() for each in spent]
    assert listed == known


@pytest.mark.parametrize("name", providers.clients())
def test_every_client_that_can_be_wrapped_is_listed(name: str) -> None:
    """Each class that a provider of an SDK takes stands in the table, unless it is the asynchronous twin of one."""
    module, _, attribute = providers.clients()[name].partition(":")
    provider = getattr(importlib.import_module(module), attribute)
    clients = provider.vendor.clients if isinstance(provider, SdkProvider | HttpProvider) else ()
    listed = {client for found in rows("Clients") for client in re.findall(r"`(\w+)`", found[0])}
    assert {client for client in clients if not client.startswith("Async")} <= listed


def test_every_vendor_is_known_by_its_base_url() -> None:
    """The table names each vendor that responses are read of, with base URLs that tell it."""
    listed = {found[0].strip("`"): re.findall(r"`([^`]+)`", found[1]) for found in rows("Base URLs")}
    for provider, urls in listed.items():
        assert [route(None, None, f"{url}/chat/completions").provider for url in urls] == [provider] * len(urls)
    assert set(listed) == {vendor_named(name).name for name in VENDORS}  # type: ignore[union-attr]  # all are known


# Errors.


def errors() -> list[type[CostCalcError]]:
    """Every error that the package exports."""
    return [kind for kind in vars(ai_cost_calc).values() if inspect.isclass(kind) and issubclass(kind, CostCalcError)]


def test_the_tree_of_errors_is_the_real_one() -> None:
    """Each error stands under its parent, and says which built-in it is as well."""
    drawn = next(block.text for block in blocks(REFERENCE / "errors.md")).splitlines()
    stack: list[str] = []
    for line in drawn:
        name = re.search(r"\w+", line)
        assert name is not None
        depth = name.start() // 4
        stack[depth:] = [name[0]]
        if depth:
            assert getattr(ai_cost_calc, stack[depth]).__bases__[0].__name__ == stack[depth - 1]
    assert {re.findall(r"\w+", line)[0] for line in drawn} == {kind.__name__ for kind in errors()}


def test_the_table_of_errors_names_what_each_is_as_well() -> None:
    """The second column holds a class that each error derives from."""
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", (REFERENCE / "errors.md").read_text(), flags=re.MULTILINE)
    assert {name for name, _ in rows} == {kind.__name__ for kind in errors()}
    for name, base in rows:
        assert issubclass(getattr(ai_cost_calc, name), getattr(ai_cost_calc, base, getattr(builtins, base, ())))


def test_attributes_of_a_refusal_are_named() -> None:
    """The table names what `BudgetExceeded` carries."""
    arguments = list(inspect.signature(ai_cost_calc.BudgetExceeded).parameters)
    assert sorted(table("errors.md", "BudgetExceeded")) == sorted(set(arguments) - {"message"})


# Command line and configuration.


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command with its name as typed."""
    if isinstance(command, TyperGroup):
        for name, inner in command.commands.items():
            yield from commands(inner, (*path, name))
    else:
        yield " ".join(path), command


COMMANDS: Final = dict(commands(get_command(app)))


def test_every_command_has_its_heading() -> None:
    """The page has the commands that exist, and no others."""
    assert sorted(headings(REFERENCE / "command-line.md")[1:]) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_listed(name: str) -> None:
    """Under its heading, a command's list names each option and argument, and no others."""
    text = (REFERENCE / "command-line.md").read_text()
    section = text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    listed = [part for line in re.findall(r"^- (`.*?)[:.;]", section, flags=re.MULTILINE) for part in line.split(", ")]
    options = [option for item in COMMANDS[name].params for option in _typed(item)]
    assert sorted(part.strip("`").split()[0] for part in listed) == sorted(options)


def _typed(item: TyperArgument | TyperOption) -> list[str]:
    """How a parameter is typed: its options, or its name in capitals."""
    if isinstance(item, TyperArgument):
        return [str(item.name).upper()]
    return [] if item.name == "help" else list(item.opts)


def test_every_variable_is_listed() -> None:
    """The table names the environment variables that are read."""
    read = set(re.findall(r'"(AI_COST_CALC_\w+)"', Path(configuration.__file__).read_text()))
    assert set(table("configuration.md", "Environment variables")) & read == read
    assert {name for name in table("configuration.md", "Environment variables") if name.isupper()} == read
