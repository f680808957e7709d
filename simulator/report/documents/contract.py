"""The keys of result documents, which users and other tools read: they are a public contract.

A key is only ever added. Numbers are finite or None; money is in USD, times in seconds.
"""

from typing import NotRequired, TypedDict


class Spread(TypedDict):
    """Mean of a figure, and its interval; None where there is none."""

    mean: float | None
    low: float | None
    high: float | None


class MeanSpread(TypedDict):
    """Mean of a figure over draws, with its 5 % and 95 % quantiles."""

    mean: float
    low: float
    high: float


class Percentiles(TypedDict):
    """Latencies in seconds; all None without requests."""

    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None


class RemedySection(TypedDict):
    """A way in which an option would meet the targets."""

    kind: str
    text: str
    cost_usd_per_month: float
    replicas: int
    spill_in_flight: int | None


class RejectedSection(TypedDict):
    """A candidate of a choice that was not chosen."""

    candidate: str
    reason: str


class PartSection(TypedDict):
    """One part of a composite option."""

    name: str
    workloads: list[str]
    replicas: int
    requests: int
    utilisation: float | None
    cost_usd_per_month: float


class Tokens(TypedDict):
    """Tokens of the simulated requests."""

    uncached_input: float
    cache_read: float
    cache_write: float
    output: float
    reasoning: float


class QuantilesSection(TypedDict):
    """Pairs of a share of the requests and the latency that it does not exceed [s]."""

    ttft_s: list[list[float]]
    tpot_s: list[list[float]]
    e2e_s: list[list[float]]


class Replicas(TypedDict):
    """Replicas of one's own, spare ones included."""

    mean: float
    max: int


class SamplingSection(TypedDict):
    """Extent of the sample, and half-widths of 90 % intervals."""

    windows: int
    scale: float
    why_whole: str | None
    cost_error: float | None
    attainment_error: float | None
    other_horizons_cost_error: float | None
    other_horizons_attainment_error: float | None


class ReplicationsSection(TypedDict):
    """Precision that replications with other seeds have reached."""

    count: int
    precision: float
    reached: bool
    slo_attainment: Spread
    above_cheapest_usd_per_month: Spread


class OptionDocument(TypedDict):
    """One option at its best size, or as written."""

    name: str
    kind: str
    feasible: bool
    excuse: str | None
    remedies: list[RemedySection]
    chosen: str | None
    collapsed_to: str | None
    rejected: list[RejectedSection]
    parts: list[PartSection]
    success_rate: float | None
    calls_per_request: float
    cost_usd_per_month: Spread
    cost_breakdown_usd_per_month: dict[str, float]
    probability_best: float | None
    expected_regret_usd_per_month: float | None
    usd_per_mtok: float | None
    usd_per_correct: float | None
    requests: dict[str, int]
    requests_per_month: float
    tokens: Tokens
    slo_attainment: float
    ttft_s: Percentiles
    tpot_s: Percentiles
    e2e_s: Percentiles
    latency_quantiles: QuantilesSection
    replicas: Replicas
    served_by: dict[str, int]
    attempts: int
    spill_in_flight: int | None
    utilisation: float | None
    preemptions: int
    restarts: int
    self_hosted_share: float
    sampling: SamplingSection
    simulated_hours: float
    replications: NotRequired[ReplicationsSection]


class SavingSection(TypedDict):
    """An option, and a saving relative to it or of it."""

    name: str
    saving: float


class VerdictSection(TypedDict):
    """The cheapest option, and how sure that is."""

    winner: str
    runner_up: str | None
    other_kind: SavingSection | None
    saving: float | None
    saving_interval: list[float] | None
    probability_best: float | None
    least_regret: str | None
    disqualified: list[SavingSection]
    decided_by: list[str]


class NearestMiss(TypedDict):
    """Point at which self-hosting comes closest to the API, and its extra cost as a share."""

    at: float
    dearer_share: float


class CurvePoint(TypedDict):
    """Costs at one point of the axis."""

    volume: float
    cost_usd_per_month: dict[str, float | None]
    cost_band_usd_per_month: dict[str, list[float] | None]
    replicas: dict[str, int]


class BreakEvenSection(TypedDict):
    """Points of an axis at which self-hosting alone is cheaper than the cheapest API alone."""

    axis: str
    unit: str
    current: float | None
    first: float | None
    first_interval: list[float | None]
    permanent: float | None
    intervals: list[list[float]]
    scanned: list[float]
    probability_self_host_wins: list[list[float]]
    probability_best: list[list[float | dict[str, float]]]
    required_utilisation: float | None
    required_load_share: float | None
    current_load_share: float | None
    nearest_miss: NearestMiss | None
    api_meets_targets: bool
    own_meets_targets: bool
    stairs: dict[str, list[list[float | None]]]
    curve: list[CurvePoint]


class OptionOverTime(TypedDict):
    """Present cost of an option over the months."""

    name: str
    npv_cost_usd: MeanSpread
    probability_best: float


class MissingOverTime(TypedDict):
    """An option that is not compared over the months."""

    name: str
    npv_cost_usd: MeanSpread
    stops_month: int | None


class PaybackSection(TypedDict):
    """When an option that owns hardware has paid back against calling."""

    option: str
    against: str
    month: float | None
    month_interval: list[float | None]
    probability_never: float
    saving_usd: dict[str, float]
    fan_usd: dict[str, list[float]]


class OverTimeSection(TypedDict):
    """Costs over the months of the horizon."""

    months: int
    discount_rate: float
    options: list[OptionOverTime]
    missing_targets: list[MissingOverTime]
    paybacks: list[PaybackSection]
    volume_fan: dict[str, list[float]]


class HybridSection(TypedDict):
    """The best hybrid, and how it splits the work."""

    name: str
    rule: str
    replicas: int
    spill_in_flight: int
    self_hosted_share: float


class DriverSection(TypedDict):
    """An uncertain number that moves the winner's advantage."""

    name: str
    advantage_usd_per_month_low: float
    advantage_usd_per_month_high: float
    swing_usd_per_month: float
    sobol_first_order: float | None
    sobol_total: float | None


class FlipSection(TypedDict):
    """A switching value: the change that makes another option the cheapest."""

    name: str
    factor: float
    value: float | None
    unit: str
    winner: str


class EffortSection(TypedDict):
    """Work that the answer took, and the level of effort that repeats it."""

    level: int
    of: int
    sample_requests: int
    spans: int
    volumes: int
    flips_simulated: bool


class SloSection(TypedDict):
    """Latency targets."""

    ttft_s: float | None
    tpot_s: float | None
    e2e_s: float | None
    attainment: float
    percentiles: dict[str, float]


class TimelineSection(TypedDict):
    """Load, servers and spend of an option by time."""

    option: str
    begin_hours: float
    bin_hours: float
    own_per_s: list[float]
    called_per_s: list[float]
    unserved_per_s: list[float]
    waiting: list[float]
    replicas: list[float]
    calls_usd_per_h: list[float]
    own_usd_per_h: list[float]


class CacheMapSection(TypedDict):
    """Cost of owning and of calling by volume and cached share."""

    volumes: list[float]
    kept_shares: list[float]
    cached_shares: list[float]
    own_usd_per_month: list[list[float | None]]
    api_usd_per_month: list[list[float | None]]


class OptionsDocument(TypedDict):
    """The document of ``simulate``: the options alone."""

    options: list[OptionDocument]


class PointDocument(TypedDict):
    """The document of one point of ``sweep``; without options if there is an error."""

    error: str | None
    options: list[OptionDocument]
    verdict: NotRequired[VerdictSection]
    break_even: NotRequired[BreakEvenSection | None]


class ResultDocument(TypedDict):
    """The document of ``run``."""

    schema_version: int
    scenario: str
    seed: int
    as_of: str
    options: list[OptionDocument]
    verdict: VerdictSection
    break_even: BreakEvenSection | None
    over_time: OverTimeSection | None
    hybrid: HybridSection | None
    drivers: list[DriverSection]
    flips: list[FlipSection]
    effort: EffortSection
    slo: SloSection
    timelines: list[TimelineSection]
    cache_map: CacheMapSection | None
    provenance: dict[str, dict[str, str]]
    notes: list[str]
    warnings: list[str]
