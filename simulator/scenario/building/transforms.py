"""The prompt transforms of an option: output length, split prompts, retrieval."""

from simulator.analysis.study.options import Reshaping
from simulator.scenario.schema.api import Api
from simulator.scenario.schema.scenario import SelfHost


def reshaping(option: Api | SelfHost) -> Reshaping | None:
    """Return how an option changes the requests of the traffic, or None if it does not."""
    split, search = option.split_prompts, option.retrieve
    transform = Reshaping(
        option.output_factor,
        split.above_tokens if split else None,
        split.part_output_tokens if split else 0,
        search.tokens if search else None,
        search.usd_per_1000_requests / 1000 if search else 0.0,
    )
    return None if transform == Reshaping() else transform
