"""Kinds of options, one file each, and the only table in which they are registered."""

from simulator.analysis.size.kinds.api import ApiKind
from simulator.analysis.size.kinds.cascade import Cascade, CascadeKind
from simulator.analysis.size.kinds.choice import Choice, ChoiceKind
from simulator.analysis.size.kinds.contract import KINDS
from simulator.analysis.size.kinds.hybrid import HybridKind
from simulator.analysis.size.kinds.pools import Pools, PoolsKind
from simulator.analysis.size.kinds.self_hosted import SelfHostKind
from simulator.analysis.study.options import ApiOption, HybridOption, SelfHostOption

KINDS.update(
    {
        ApiOption: ApiKind(),
        SelfHostOption: SelfHostKind(),
        HybridOption: HybridKind(),
        Choice: ChoiceKind(),
        Pools: PoolsKind(),
        Cascade: CascadeKind(),
    }
)
