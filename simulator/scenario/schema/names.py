"""Names of profiles in sections: checked with the section, and replaced by those of profiles."""

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from simulator.errors import InputError
from simulator.scenario.catalog.profiles import accelerator_name, model_name
from simulator.scenario.catalog.serving_profile import engine_name


def _known(find: Callable[[str], str]) -> AfterValidator:
    """Return a validator that replaces a name by that of its profile."""

    def check(text: str) -> str:
        try:
            return find(text)
        except InputError as error:
            problem = "{problem}"
            raise PydanticCustomError("unknown_name", problem, {"problem": str(error)}) from None

    return AfterValidator(check)


ModelName = Annotated[str, _known(model_name)]
AcceleratorName = Annotated[str, _known(accelerator_name)]
EngineName = Annotated[str, _known(engine_name)]
