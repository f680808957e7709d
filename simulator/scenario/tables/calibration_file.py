"""Calibration files, which ``breakeven calibrate`` writes and scenarios name."""

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
    """Calibration of one deployment: factors on its shipped coefficients."""

    schema_version: Literal[1]
    """Version of the file format."""
    deployment: str
    """Deployment that was measured; the scenario must have the same one."""
    factors: dict[FactorName, Positive]
    """Factors on the shipped times, by name; above 1 is slower."""
    band: Annotated[list[Positive], Field(min_length=2, max_length=2)]
    """Error band: measured over predicted throughput, nine in ten."""
    points: Annotated[int, Field(ge=1)]
    """Number of measurements."""
    source: str
    """Source of the measurements."""


def identity(deployment: Deployment) -> str:
    """Return the identity of a deployment, for which a calibration holds."""
    d = deployment
    return f"{d.gpu.name} {d.spread} {d.engine.name} {d.model.name} {d.weight_precision}"


def calibrated(deployment: Deployment, path: Path) -> Deployment:
    """Return a deployment with the factors and error band of a calibration file.

    Raises
    ------
    InputError
        When the file cannot be used, or calibrates another deployment.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    document = read_yaml(path)
    file = validate(CalibrationFile, document)
    if file.deployment != identity(deployment):
        raise document.fail(
            ("deployment",),
            f"the file calibrates {file.deployment!r}, not {identity(deployment)!r}",
        )
    fitted = with_factors(deployment, {str(name): value for name, value in file.factors.items()})
    low, high = file.band
    coefficients = replace(fitted.coefficients, band_low=low, band_high=high)
    return replace(fitted, coefficients=coefficients)


def calibration_text(deployment: Deployment, calibration: Calibration, source: str) -> str:
    """Return the text of a calibration file, with the errors of the fit as comments."""
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
