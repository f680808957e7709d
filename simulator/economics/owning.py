"""Monthly cost of running replicas of one's own."""

from dataclasses import dataclass

from simulator.units import HOUR_S, MONTH_HOURS


@dataclass(frozen=True, slots=True)
class OwningCost:
    """Rates of what accrues with time, whatever the load."""

    gpus_per_replica: int
    gpu_usd_per_hour: float
    """Rent, or capital, power and room of what was bought."""
    engineers_fte: float
    """Full-time equivalents that the deployment takes, at any size."""
    engineer_usd_per_year: float
    monthly_usd: dict[str, float]
    """Further costs by name: tooling, on-call duty, storage, egress."""

    def per_month_usd(self, owned_s: float, span_s: float) -> dict[str, float]:
        """Cost by component of a fleet that owned replica-seconds over a span [USD/month]."""
        replica_hours = owned_s / HOUR_S * (MONTH_HOURS * HOUR_S / span_s)
        return {
            "gpus": replica_hours * self.gpus_per_replica * self.gpu_usd_per_hour,
            "engineers": self.engineers_fte * self.engineer_usd_per_year / 12,
            **self.monthly_usd,
        }
