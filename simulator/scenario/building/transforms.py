"""How an option's application asks, from what a scenario says of it."""

from simulator.analysis.study.options import Reshaping
from simulator.scenario.schema.api import Api
from simulator.scenario.schema.scenario import SelfHost


def reshaping(said: Api | SelfHost) -> Reshaping | None:
    """Return how an option's application asks, None if as the traffic says."""
    split, search = said.split_prompts, said.retrieve
    how = Reshaping(
        said.output_factor,
        split.above_tokens if split else None,
        split.part_output_tokens if split else 0,
        search.tokens if search else None,
        search.usd_per_1000_requests / 1000 if search else 0.0,
    )
    return None if how == Reshaping() else how
