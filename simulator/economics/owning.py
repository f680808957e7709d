"""Monthly cost of running replicas of one's own."""

from dataclasses import dataclass

from simulator.units import MONTH_HOURS


@dataclass(frozen=True, slots=True)
class OwningCost:
    """Rates of what accrues with time, whatever the load."""

    engineers_fte: float
    """Full-time equivalents that the deployment takes, at any size."""
    engineer_usd_per_year: float
    monthly_usd: dict[str, float]
    """Further costs by name: tooling, on-call duty, storage, egress."""

    def per_month_usd(self, gpus_usd_per_hour: float) -> dict[str, float]:
        """Cost by component beside accelerators that are paid by the hour [USD/month]."""
        return {
            "gpus": gpus_usd_per_hour * MONTH_HOURS,
            "engineers": self.engineers_fte * self.engineer_usd_per_year / 12,
            **self.monthly_usd,
        }
