"""The contract of a kind of option: how it is sized, simulated as written, and described.

The parts of an option, and what a scenario must state for it, are the contract of its data:
``analysis.study.options.Option``. The rest of the program knows nothing else about a kind.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.simulate.longrun import Keep, Watch
from simulator.analysis.size.carried import CapacityCurve
from simulator.analysis.size.judging import LIKELY, Sized, speed_at
from simulator.analysis.size.splitting import FINEST
from simulator.analysis.study.options import Option
from simulator.analysis.study.study import Quality

O = TypeVar("O", bound=Option)  # noqa: E741 - the usual name of a type


@dataclass(frozen=True, slots=True)
class KnownSizes:
    """Sizes at one volume, from which sizes at other volumes and speeds are found."""

    sized: Mapping[str, Sized] = field(default_factory=dict)
    """Options at likely speed, by name."""
    curves: Mapping[str, CapacityCurve] = field(default_factory=dict)
    """Capacity curves, by deployment."""
    call_cost_ratios: Mapping[str, float] = field(default_factory=dict)
    """Cost of each option that only calls, by a larger sample relative to that by a smaller one."""
    volume: float = 1.0
    """Volume at which the options were sized, as a multiple of today's."""

    @staticmethod
    def of(sized: Mapping[str, tuple[Sized, ...]]) -> "KnownSizes":
        """Return the likely sizes of options that were sized for slow, likely and fast hardware."""
        return KnownSizes({name: each[LIKELY] for name, each in sized.items()})

    def replicas(self, option: Option, load: float) -> int:
        """Return approximately how many replicas an option needs for a multiple of today's load."""
        own = option.own
        curve = self.curves.get(own.name) if own is not None else None
        if curve is not None:
            return curve.replicas(load) or 1
        name = own.name if own is not None and own.name in self.sized else option.name
        sized = self.sized.get(name)
        load /= self.volume
        return max(1, round(sized.evaluation.size.replicas * load)) if sized else 1


class OptionKind(ABC, Generic[O]):
    """Sizing, simulation as written, and description of the options of one kind."""

    @abstractmethod
    def size(
        self,
        evaluator: Evaluator,
        option: O,
        speed_z: float = 0.0,
        start: int = 1,
        most: int | None = None,
    ) -> Sized:
        """Find the cheapest feasible size of an option.

        Parameters
        ----------
        evaluator : Evaluator
            The study at one volume.
        option : Option
            The option to size.
        speed_z : float
            Speed of the hardware within its error band, as a standard normal score.
        start : int
            Number of replicas at which the search starts.
        most : int, optional
            Largest number of replicas to consider; default: the study's limit.
        """

    def size_near(
        self,
        evaluator: Evaluator,
        option: O,
        known: KnownSizes,
        speed_z: float = 0.0,
        finest: int = FINEST,
    ) -> Sized:
        """Find an option's best size, starting from the sizes at another volume or speed.

        ``finest`` is the resolution of a split; see ``splitting.split_near``.
        """
        load = evaluator.volume / speed_of(option, speed_z)
        return self.size(evaluator, option, speed_z, known.replicas(option, load))

    def settle(self, careful: Evaluator, option: O, rough: Sized, known: KnownSizes) -> Sized:
        """Return the size by a larger sample, starting from the size by a smaller one.

        Options that are made of others keep the size by the smaller sample.
        """
        return rough

    @abstractmethod
    def evaluate_as_written(
        self, evaluator: Evaluator, option: O, keep: Keep | None, watch: Watch | None
    ) -> Evaluation:
        """Simulate an option at the sizes that the scenario states for all of its parts."""

    def correctness(self, evaluation: Evaluation, quality: Quality | None) -> float | None:
        """Return the share of requests with a right answer in the end; None if it is unknown.

        For parts that share the requests, it is their mean weighted by requests.
        """
        right, requests = 0.0, 0.0
        for part in evaluation.parts:
            share = kind_of(part.option).correctness(part, quality)
            if share is None:
                return None
            count = part.outcome.requests["offered"] * part.outcome.month_factor
            count /= part.calls_per_request
            right, requests = right + share * count, requests + count
        return right / requests if requests else None

    @abstractmethod
    def rule(self, evaluation: Evaluation) -> str:
        """Describe in words how an option shares the work."""


KINDS: dict[type[Option], OptionKind[Any]] = {}
"""Kind of every class of options; ``analysis.size.kinds`` fills this table."""


def kind_of(option: Option) -> OptionKind[Any]:
    """Return the kind of an option."""
    return KINDS[type(option)]


def speed_of(option: Option, speed_z: float) -> float:
    """Return the relative speed of an option's hardware; 1 if the option has several parts."""
    parts = option.parts
    return speed_at(parts[0], speed_z) if len(parts) == 1 else 1.0
