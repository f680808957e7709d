"""Calibrations as files: what ``breakeven calibrate`` writes and scenarios name."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from simulator.analysis.bench.calibration import Calibration, with_factors
from simulator.errors import InputError
from simulator.scenario.document.base_section import Positive, Section
from simulator.scenario.document.document import read_yaml, validate
from simulator.serving.deployment import Deployment

FactorName = Literal["scale", "overhead", "compute", "memory", "request"]


class CalibrationFile(Section):
    """Factors on the shipped coefficients of one deployment."""

    schema_version: Literal[1]
    deployment: str
    """What was measured; a scenario must serve the same."""
    factors: dict[FactorName, Positive]
    band: Annotated[list[Positive], Field(min_length=2, max_length=2)]
    points: Annotated[int, Field(ge=1)]
    source: str


def identity(deployment: Deployment) -> str:
    """Return what a calibration holds for."""
    d = deployment
    return f"{d.gpu.name} {d.spread} {d.engine.name} {d.model.name} {d.weight_precision}"


def calibrated(deployment: Deployment, path: Path) -> Deployment:
    """Return a deployment with what a file says of it.

    Raises
    ------
    InputError
        When the file cannot be used, or is of another deployment.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    document = read_yaml(path)
    file = validate(CalibrationFile, document)
    if file.deployment != identity(deployment):
        raise document.fail(
            ("deployment",),
            f"is a calibration of {file.deployment!r}, this is {identity(deployment)!r}",
        )
    fitted = with_factors(deployment, {str(name): value for name, value in file.factors.items()})
    low, high = file.band
    coefficients = replace(fitted.coefficients, band_low=low, band_high=high)
    return replace(fitted, coefficients=coefficients)


def calibration_text(deployment: Deployment, calibration: Calibration, source: str) -> str:
    """Return the file of a calibration, residuals as comments."""
    lines = [
        "# Factors on the shipped times, fitted by `breakeven calibrate`; above one is slower.",
        "schema_version: 1",
        f"deployment: {identity(deployment)}",
        "factors:",
        *(f"  {name}: {value:.6g}" for name, value in calibration.factors.items()),
        "band: [{:.4g}, {:.4g}] # measured over predicted throughput, nine in ten".format(
            *calibration.band
        ),
        f"points: {len(calibration.errors)}",
        f'source: "{source}"',
        "# predicted over measured, less one: throughput, TPOT, TTFT",
        *(
            "#   " + "  ".join("     -" if e != e else f"{e:+7.1%}" for e in errors)
            for errors in calibration.errors.tolist()
        ),
    ]
    return "\n".join(lines) + "\n"
