"""Monthly cost of running own replicas."""

from dataclasses import dataclass

from simulator.units import MONTH_HOURS


@dataclass(frozen=True, slots=True)
class OwningCost:
    """Costs that accrue with time, independent of the load."""

    engineers_fte: float
    """Full-time equivalents that run the deployment, independent of its size."""
    engineer_usd_per_year: float
    monthly_usd: dict[str, float]
    """Further monthly costs by name: tooling, on-call duty, storage, egress [USD]."""

    def per_month_usd(self, gpus_usd_per_hour: float) -> dict[str, float]:
        """Return the cost by component, accelerators paid by the hour included [USD/month]."""
        return {
            "gpus": gpus_usd_per_hour * MONTH_HOURS,
            "engineers": self.engineers_fte * self.engineer_usd_per_year / 12,
            **self.monthly_usd,
        }
