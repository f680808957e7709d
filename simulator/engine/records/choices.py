"""Choices that plans name, and their codes in records: the code of a choice is its index here.

The kernel that acts on a choice derives its code from this file, so that a new choice is one name
here, and its meaning in that kernel.
"""

from typing import Literal, get_args

Order = Literal["first-come", "priority", "shortest"]
"""Orders in which a replica's queue is served; see ``spec.plan.Fleet``."""
ORDERS: tuple[Order, ...] = get_args(Order)

Affinity = Literal["none", "session", "prefix"]
"""What binds a request to a replica, other than its load; ``kernels.routing`` acts on it."""
AFFINITIES: tuple[Affinity, ...] = get_args(Affinity)

Strategy = Literal[
    "ordered",
    "least-busy",
    "least-used",
    "latency",
    "cheapest",
    "shuffle",
    "inverse-square",
    "adjusted",
]
"""Strategies of gateways; see ``spec.plan.Gateway``. From ``shuffle`` on, targets are drawn by
weight; ``kernels.api.gateway`` acts on them."""
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
