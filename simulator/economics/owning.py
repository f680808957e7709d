"""Monthly cost of running replicas of one's own."""

from dataclasses import dataclass

from simulator.units import HOUR_S, MONTH_HOURS


@dataclass(frozen=True, slots=True)
class OwningCost:
    """Rates of what accrues with time, whatever the load."""

    gpus_per_replica: int
    rent_usd_per_gpu_hour: float
    engineers_fte: float
    """Full-time equivalents that the deployment takes, at any size."""
    engineer_usd_per_year: float
    tooling_usd_per_month: float
    """Observability, storage, egress."""

    def per_month_usd(self, owned_s: float, span_s: float) -> dict[str, float]:
        """Cost by component of a fleet that owned replica-seconds over a span [USD/month]."""
        replica_hours = owned_s / HOUR_S * (MONTH_HOURS * HOUR_S / span_s)
        return {
            "gpu_rent": replica_hours * self.gpus_per_replica * self.rent_usd_per_gpu_hour,
            "engineers": self.engineers_fte * self.engineer_usd_per_year / 12,
            "tooling": self.tooling_usd_per_month,
        }
