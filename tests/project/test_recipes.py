"""Recipes of CONTRIBUTING, performed on a copy of the tree: how many files they touch, and a run.

The copies run as plain Python, which saves compiling their kernels.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from tests.support.tiny import tiny, write_tiny

pytestmark = pytest.mark.slow

MENU_KIND = '''"""A menu: the cheapest of several options, chosen by their cost alone."""

from dataclasses import dataclass, replace

from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.simulate.longrun import Keep, Watch
from simulator.analysis.size.judging import Sized
from simulator.analysis.size.kinds.contract import OptionKind, kind_of
from simulator.analysis.study.options import Option, SingleOption


@dataclass(frozen=True, slots=True)
class Menu(Option):
    """Several options, of which one serves everything."""

    name: str
    dishes: tuple[SingleOption, ...]
    kind: str = "api"

    @property
    def parts(self) -> tuple[SingleOption, ...]:
        """All options of the menu."""
        return self.dishes

    def faster(self, factor: float) -> "Menu":
        """Return the menu with faster hardware."""
        return replace(self, dishes=tuple(dish.faster(factor) for dish in self.dishes))

    def require_sizes(self) -> None:
        """Raise InputError if a size is left open."""
        for dish in self.dishes:
            dish.require_sizes()


class MenuKind(OptionKind[Menu]):
    """The cheapest of several options."""

    def size(
        self,
        evaluator: Evaluator,
        option: Menu,
        speed_z: float = 0.0,
        start: int = 1,
        most: int | None = None,
    ) -> Sized:
        """Return the cheapest dish."""
        sized = [kind_of(d).size(evaluator, d, speed_z, start, most) for d in option.dishes]
        return min(sized, key=lambda each: each.evaluation.total_usd(evaluator.study))

    def evaluate_as_written(
        self, evaluator: Evaluator, option: Menu, keep: Keep | None, watch: Watch | None
    ) -> Evaluation:
        """Evaluate the first dish."""
        dish = option.dishes[0]
        return kind_of(dish).evaluate_as_written(evaluator, dish, keep, watch)

    def rule(self, evaluation: Evaluation) -> str:
        """Name the chosen dish."""
        return f"everything goes to {evaluation.option.name}"
'''
KINDS = "simulator/analysis/size/kinds"
A_KIND = {
    f"{KINDS}/menu.py": [("", MENU_KIND)],
    f"{KINDS}/__init__.py": [
        (
            "from simulator.analysis.size.kinds.pools",
            "from simulator.analysis.size.kinds.menu import Menu, MenuKind\n"
            "from simulator.analysis.size.kinds.pools",
        ),
        (
            "        Cascade: CascadeKind(),\n",
            "        Cascade: CascadeKind(),\n        Menu: MenuKind(),\n",
        ),
    ],
    "simulator/scenario/schema/composites.py": [
        (
            "Composite = Pools | Cascade\n",
            'class Menu(Section):\n    """Serve all requests by the cheapest option."""\n\n'
            '    kind: Literal["menu"]\n    dishes: list[str]\n    """Names of the options."""\n'
            "\n\nComposite = Pools | Cascade | Menu\n",
        )
    ],
    "simulator/scenario/building/options.py": [
        (
            "    {Pools: _pools, Cascade: _cascade},\n",
            "    {Pools: _pools, Cascade: _cascade, composites.Menu: _menu},\n",
        ),
        (
            "Build = Callable",
            "def _menu(name: str, section: composites.Menu, site: Site) -> Option:\n"
            "    return Menu(name, tuple(site.built[dish] for dish in section.dishes))\n\n\n"
            "Build = Callable",
        ),
        (
            "from simulator.analysis.study.options import",
            "from simulator.analysis.size.kinds.menu import Menu\n"
            "from simulator.scenario.schema import composites\n"
            "from simulator.analysis.study.options import",
        ),
    ],
}
A_CACHE_RULE = {
    "simulator/pricing/caching.py": [
        ('"breakpoint", "unit"]', '"breakpoint", "unit", "ends"]'),
    ],
    "simulator/engine/kernels/api/cache_rules.py": [
        ("CACHE_UNIT = (", "CACHE_UNIT, CACHE_ENDS = ("),
        ('"breakpoint", "unit")', '"breakpoint", "unit", "ends")'),
        (
            "    return endpoint.cache_rule == CACHE_PREFIX\n",
            "    if endpoint.cache_rule == CACHE_ENDS:\n        return is_end\n"
            "    return endpoint.cache_rule == CACHE_PREFIX\n",
        ),
        ("    return True\n", "    return endpoint.cache_rule != CACHE_ENDS\n"),
    ],
}
ENDS_SCRIPT = """
from dataclasses import replace
import numpy as np
from simulator.engine.run import serve_table
from simulator.pricing.caching import PromptCache
from simulator.traffic.table import PrefixTree
from tests.support.pricing.api_samples import EXACT, calls, direct

tree = PrefixTree.numbered(np.array([-1, 0, 0, 1], np.int32), np.array([500, 900, 900, 1400]))
table = calls(np.arange(4) * 10.0, 2000, 51, np.array([1, 2, 1, 3]), tree)
cache = PromptCache("ends", ttl_s=300.0, min_tok=1, step_tok=1)
print(serve_table(direct(replace(EXACT, cache=cache)), table, 1e6).cached_tok.tolist())
"""


def changed_copy(folder: Path, changes: dict[str, list[tuple[str, str]]]) -> Path:
    """Copy the tree and perform a recipe on it; a text that is not there fails."""
    for name in ("simulator", "scenarios", "hardware_profiles", "tests/support"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "data")
        )
    for name, edits in changes.items():
        path = folder / name
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for old, new in edits:
            assert old in text, f"{name} has changed: the recipe must follow"
            text = text.replace(old, new) if old else new
        path.write_text(text, encoding="utf-8")
    return folder


def run_in(folder: Path, *command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder), "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_kind_of_option_touches_four_files(tmp_path: Path) -> None:
    assert len(A_KIND) <= 4
    folder = changed_copy(tmp_path, A_KIND)
    apis = {name: tiny()["options"][name] for name in ("frontier", "hosted")}
    menu = {"kind": "menu", "dishes": list(apis)}
    scenario = write_tiny(folder / "menu.yaml", options={**apis, "menu": menu}, horizon_hours=1)
    command = ("-c", "from simulator.cli.main import main; main()")
    text = run_in(folder, *command, "run", str(scenario), "--effort", "1", "--output", "json")
    cost = {
        option["name"]: sum(option["cost_breakdown_usd_per_month"].values())
        for option in json.loads(text)["options"]
    }
    assert cost["menu"] == pytest.approx(min(cost[name] for name in apis))
    schema = json.loads(run_in(folder, *command, "schema"))
    assert "Menu" in schema["$defs"]


@pytest.mark.slow
def test_a_cache_rule_touches_three_files_with_its_test(tmp_path: Path) -> None:
    assert len(A_CACHE_RULE) + 1 <= 3
    folder = changed_copy(tmp_path, A_CACHE_RULE)
    # Prompts find what ended at the same place, or where one that they continue ended.
    assert run_in(folder, "-c", ENDS_SCRIPT).strip() == "[0, 0, 900, 900]"
