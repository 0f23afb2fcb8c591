"""A contract for import-linter: files of one package do not know each other."""

from typing import Any

from grimp import ImportGraph
from importlinter import ContractCheck, fields
from importlinter.contracts.independence import IndependenceContract
from importlinter.domain.helpers import module_expressions_to_modules
from importlinter.domain.imports import ModuleExpression


class Peers(IndependenceContract):
    """Independence of `modules`, but for those they share: named in `shared`, or with a leading underscore."""

    type_name = "peers"
    modules: Any  # a field while the class is read, the expressions of pyproject.toml in an instance
    shared: Any = fields.SetField(subfield=fields.ModuleExpressionField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: FBT001 - import-linter's signature
        """Leave the shared modules out, then check as usual."""
        peers = module_expressions_to_modules(graph, self.modules)
        peers -= module_expressions_to_modules(graph, self.shared or ())
        self.modules = {ModuleExpression(peer.name) for peer in peers if "._" not in peer.name}
        return super().check(graph, verbose)
