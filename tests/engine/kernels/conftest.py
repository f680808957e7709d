"""The kernels as plain Python in the tests of this folder, which call them one by one."""

import sys
from collections.abc import Iterator

import numpy as np
import pytest
from numba.extending import is_jitted


@pytest.fixture(scope="module", autouse=True)
def plain_kernels(request: pytest.FixtureRequest) -> Iterator[None]:
    """Replace every compiled function by the Python function that it was compiled from.

    Kernels look each other up in their modules, so that a kernel calls others in their plain form
    as well. The compiled functions are put back at the end of the test module, for tests of other
    folders that run in the same process. All modules are imported before that, when tests are
    collected.
    """
    engine = [module for name, module in sys.modules.items() if name.startswith("simulator.engine")]
    # Compiled code wraps integers around without a warning, and hashing relies on that.
    with pytest.MonkeyPatch.context() as patch, np.errstate(over="ignore"):
        for module in (*engine, request.module):
            for name, value in list(vars(module).items()):
                if is_jitted(value):
                    patch.setattr(module, name, value.py_func)
        yield
