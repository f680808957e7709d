"""Simulations of options as they are: exactly as written, at a given size, and step by step."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from simulator.callbacks import Tell, ignore_progress
from simulator.library.results import Result, SimulationResult
from simulator.library.scenarios import Named, opened
from simulator.scenario.building.study import Loaded
from simulator.units import HOUR_S

if TYPE_CHECKING:
    from simulator.analysis.commands.capacity import Capacity
    from simulator.analysis.sampling.sample import Sample
    from simulator.analysis.simulate.longrun import Watch
    from simulator.analysis.study.study import Study
    from simulator.engine.ledger import Ledger


def simulate(
    scenario: Named,
    *,
    whole: bool = False,
    ledger: str | Path | None = None,
    keep: str | Path | None = None,
    tell: Tell = ignore_progress,
) -> SimulationResult:
    """Simulate the options of a scenario exactly as written, without searching for sizes.

    Parameters
    ----------
    scenario : Loaded, str or Path
        Scenario to simulate.
    whole : bool
        Simulate the whole horizon instead of a sample; ledgers and stored states always do.
    ledger : path, optional
        Folder to which one Parquet row per request is written.
    keep : path, optional
        Folder in which the state is stored, and from which an interrupted run resumes.
    tell : callable
        Callback with the simulated and all hours of the options.

    Raises
    ------
    InputError
        If a size is left open.
    """
    from simulator.analysis.decide.verdict import simulate_as_written
    from simulator.analysis.simulate.longrun import Keep
    from simulator.report.documents.document import simulation_document
    from simulator.report.documents.ledger import ledger_writer
    from simulator.scenario.resolve.load import fingerprint

    loaded = opened(scenario)
    study = _study(loaded, whole or ledger is not None or keep is not None)
    content = fingerprint(loaded.scenario, loaded.document, study.provenance)
    kept = None if keep is None else Keep(Path(keep), content)
    write = None if ledger is None else ledger_writer(Path(ledger), study, content)
    options = simulate_as_written(study, kept, _progress_watch(study, tell, write))
    return SimulationResult.of(simulation_document(options, study))


def _study(scenario: Loaded, whole: bool) -> "Study":
    """Return the study of a scenario, to be simulated over the whole horizon if that is wanted."""
    from simulator.analysis.study.effort import whole_horizon

    return whole_horizon(scenario.study) if whole else scenario.study


def _progress_watch(study: "Study", tell: Tell, write: "Watch | None") -> "Watch":
    """Return a callback that reports simulated hours, and passes ledger pieces to ``write``."""
    indices = {option.name: index for index, option in enumerate(study.options)}
    hours = study.traffic.horizon_s / HOUR_S

    def watch(option: str, number: int, sample: "Sample", piece: "Ledger") -> None:
        if write is not None:
            write(option, number, sample, piece)
        simulated = float(piece.arrival_s[piece.offered].max(initial=0.0)) / HOUR_S
        earlier = indices.get(option, 0) * hours
        tell(round(earlier + min(simulated, hours)), round(len(indices) * hours))

    return watch


def simulate_to_precision(
    scenario: Named,
    precision: float,
    *,
    most: int = 64,
    whole: bool = False,
    tell: Tell = ignore_progress,
) -> SimulationResult:
    """Simulate options as written with other seeds until their costs are known.

    Parameters
    ----------
    scenario : Loaded, str or Path
        Scenario to simulate.
    precision : float
        Half-width of the interval of every cost, as a share of it.
    most : int
        Most replications.
    whole : bool
        Simulate the whole horizon instead of a sample.
    tell : callable
        Callback with the number of replications done.

    Raises
    ------
    InputError
        If a size is left open.
    """
    from simulator.analysis.commands.replications import simulate_until
    from simulator.report.documents.document import replications_document

    study = _study(opened(scenario), whole)
    replications = simulate_until(study, precision, most, tell)
    return SimulationResult.of(replications_document(replications, study))


def find_capacity(
    scenario: Named,
    replicas: Sequence[int] = (1,),
    *,
    option: str | None = None,
    precision: float = 0.02,
    whole: bool = False,
    folder: str | Path | None = None,
    no_cache: bool = False,
    tell: Tell = ignore_progress,
) -> Result:
    """Find the most traffic that fleets of given sizes carry within the latency targets.

    Parameters
    ----------
    scenario : Loaded, str or Path
        Scenario with self-hosted options.
    replicas : sequence of int
        Sizes of the fleets.
    option : str, optional
        Only this self-hosted option.
    precision : float
        Relative width of the interval.
    whole : bool
        Simulate the whole horizon instead of a sample.
    folder : path, optional
        Folder of cached results; default: the user's cache folder.
    no_cache : bool
        Neither read nor write cached results.
    tell : callable
        Callback with the number of fleets done.

    Raises
    ------
    InputError
        If the scenario has no self-hosted option, or none of the given name.
    """
    from simulator.analysis.commands.result_cache import cache_dir, cached_capacity
    from simulator.report.terminal.capacity import capacity_document, print_capacities
    from simulator.scenario.building.deployed import self_hosted_options

    study = _study(opened(scenario), whole)
    options = self_hosted_options(study, option)
    fleets = [(each, count) for each in options for count in sorted(set(replicas))]
    capacities: list[Capacity] = []
    with TemporaryDirectory() as unused:
        cache = Path(unused) if no_cache else Path(folder) if folder else cache_dir()
        for each, count in fleets:
            tell(len(capacities), len(fleets))
            capacities.append(cached_capacity(study, each, count, precision, cache))
    document = capacity_document(capacities, study)
    printer = partial(print_capacities, document)
    return Result(document, document["capacities"], printer=printer)


def explain(scenario: Named, *, whole: bool = False, tell: Tell = ignore_progress) -> Result:
    """Explain, step by step, why the simulated cost differs from a static calculator's.

    Parameters
    ----------
    scenario : Loaded, str or Path
        Scenario with self-hosted options.
    whole : bool
        Simulate the whole horizon instead of a sample.
    tell : callable
        Callback with the number of options done.
    """
    from simulator.analysis.commands.explain import explain_options
    from simulator.analysis.sampling.sampler import Sampler
    from simulator.analysis.simulate.evaluate import Evaluator
    from simulator.report.terminal.explain import explanation_document, print_explanation

    study = _study(opened(scenario), whole)
    evaluator = Evaluator(study, 1.0, Sampler(study, careful=True))
    document = explanation_document(explain_options(evaluator, tell), study)
    rungs = [{"option": o["name"], **rung} for o in document["options"] for rung in o["rungs"]]
    return Result(document, rungs, printer=partial(print_explanation, document))
