"""Every command is a thin shell over a public function, which scripts can call as well."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
import typer

import simulator
from simulator.cli.app import app
from tests.support.checkout import ROOT


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from commands(inner, (*path, name))
    else:
        yield " ".join(path), command.callback


CALLBACKS = dict(commands(typer.main.get_command(app)))


def called_names(function: Any) -> set[str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {f.id if isinstance(f, ast.Name) else getattr(f, "attr", "") for f in calls}


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_command_calls_a_public_function(name: str) -> None:
    called = called_names(CALLBACKS[name])
    assert called & set(simulator.__all__) - {"load_scenario"}, "add its function to the library"


def test_every_public_function_is_on_the_page_of_the_library() -> None:
    page = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    table = page[: page.index("\n## ")]
    named = set(re.findall(r"`([a-z_]+)`", table)) | set(re.findall(r"\[`([a-z_]+)`\]", table))
    assert set(simulator.__all__) <= named
    for path in CALLBACKS:
        assert f"`{path}" in table


def test_results_of_all_kinds_have_the_same_methods() -> None:
    results = [simulator.list_models(), simulator.show_offer("openai/gpt-6.1-terra")]
    results += [simulator.agent_chain(10, 0.99), simulator.validate_scenario("quickstart")]
    for result in results:
        assert result.to_dict() is result.document
        assert len(result.to_dataframe()) == len(result.rows)
        assert result.to_json().startswith("{")
        assert result.to_csv().count("\n") >= len(result.rows)
        assert "<table" in result._repr_html_()
