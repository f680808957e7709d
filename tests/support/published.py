"""Published decisions of the kind that breakeven makes: their inputs and their answers.

These are the numbers that their sources print; tests/project/test_papers.py and
notebooks/papers.ipynb recompute them.
"""

from dataclasses import dataclass

import numpy as np

from simulator.economics.screening import Technology
from simulator.units import HOUR_S, MTOK

# --- Screening curves -------------------------------------------------------------------------
# PyPSA/PyPSA@30706e5, examples/generation-investment-screening-curve.py: a load that falls from
# 1000 to 0 in 1001 equal steps; capital cost per MW, marginal cost per MWh.
PYPSA_LOAD = 1000.0 - np.arange(1001.0)
PYPSA_TECHNOLOGIES = {
    "coal": Technology(15.0, 2.0 / HOUR_S),
    "gas": Technology(10.0, 12.0 / HOUR_S),
    "load-shedding": Technology(0.0, 1012.0 / HOUR_S),
}
PYPSA_CAPACITIES = {"coal": 500.0, "gas": 490.0, "load-shedding": 10.0}

# --- Own replicas below an API ----------------------------------------------------------------
# Three costs of a day's sine wave are handed down without their inputs [USD/hour]. These inputs
# give all three; that they are round numbers says that they are the ones, nobody else does.
DIURNAL_USD_PER_HOUR = {"all API": 14.40, "all own": 12.00, "two replicas": 8.75}
DIURNAL_LOAD = 4.0 * (1 + 0.6 * np.sin(2 * np.pi * (np.arange(86400) + 0.5) / 86400))
DIURNAL_REPLICA_PER_S = 2.0
DIURNAL_REPLICA = Technology(3.0 / DIURNAL_REPLICA_PER_S, 0.0)
DIURNAL_API = Technology(0.0, 0.001)

# --- A mix of GPUs (Mélange) ------------------------------------------------------------------
# tyler-griggs/melange-release@ebba701, melange/config/example.json: shares of requests by bucket
# of lengths, requests per second, what one GPU serves of each bucket alone, USD per hour.
MELANGE_SHARES = np.array([0.2, 0.1, 0.5, 0.2])
MELANGE_RATE = 30.0
MELANGE_GPUS = ("A10G", "A100-80GB")
MELANGE_MOST_PER_S = np.array([[2, 1, 5, 2], [20, 20, 40, 20]], dtype=np.float64).T
MELANGE_USD_PER_HOUR = np.array([1.01, 3.67])
MELANGE_ANSWER = ((3, 1), 6.70)

# --- Months until hardware has paid for itself (Pan et al.) -----------------------------------
# G. Pan, V. Chodnekar, A. Roy, H. Wang, arXiv:2509.18101v3. Table I: prices [USD per Mtok]. Table
# II: GPUs [USD]. Table III: what a model runs on, and its tokens per second. Table IV: months.
PAN_APIS = {
    "GPT-5": (1.25, 10.0),
    "Claude-4 Opus": (15.0, 75.0),
    "Claude-4 Sonnet": (3.0, 15.0),
    "Grok-4": (3.0, 15.0),
    "Gemini 2.5 Pro": (1.25, 10.0),
}
PAN_GPU_USD = {"A100": 15000.0, "RTX 5090": 2000.0}
PAN_MODELS = {
    "Kimi-K2": (16, "A100", 800),
    "GLM-4.5": (6, "A100", 400),
    "Qwen3-235B": (4, "A100", 400),
    "gpt-oss-120B": (2, "A100", 220),
    "GLM-4.5-Air": (2, "A100", 200),
    "Llama-3.3-70B": (1, "A100", 190),
    "EXAONE 4.0 32B": (1, "RTX 5090", 200),
    "Qwen3-30B": (1, "RTX 5090", 180),
    "Magistral Small": (1, "RTX 5090", 150),
}
PAN_CAPACITY_MTOK = (506.9, 253.4, 253.4, 139.4, 126.7, 120.4, 126.7, 114.0, 95.0)
PAN_MONTHS = (
    ("69.3", "8.7", "44.0", "44.0", "63.1"),
    ("51.5", "6.5", "32.8", "32.8", "47.0"),
    ("34.0", "4.3", "21.8", "21.8", "31.1"),
    ("30.9", "3.9", "19.8", "19.8", "28.2"),
    ("34.0", "4.3", "21.8", "21.8", "31.1"),
    ("17.8", "2.3", "11.4", "11.4", "16.2"),
    ("2.26", "0.3", "1.4", "1.4", "2.06"),
    ("2.5", "0.3", "1.6", "1.6", "2.3"),
    ("3.0", "0.4", "1.9", "1.9", "2.76"),
)
PAN_USD_PER_KWH = 0.15


@dataclass(frozen=True, slots=True)
class PanProfile:
    """What the months depend on and the paper is not of one mind about."""

    hours_per_month: float
    gpu_kw: dict[str, float]
    gemini_usd_per_mtok: float
    """Blended, one input token to two output tokens."""


PAN_STATED = PanProfile(160.0, {"A100": 0.400, "RTX 5090": 0.575}, (1.25 + 2 * 10.0) / 3)
"""As the text and table II have it: 8 hours on 20 days."""

PAN_FITTED = PanProfile(176.0, {"A100": 0.300, "RTX 5090": 0.450}, 7.75)
"""What table IV follows from. Table III's capacities prove the hours; the rest is a fit, which any
RTX 5090 of 410 to 500 W makes as well. A transcription of the first version (GitHub) has a column
of electricity, 126.72 USD for 16 A100 and 13.20 for an RTX 5090: 300 and 500 W at 176 hours."""


def pan_money(profile: PanProfile) -> tuple[np.ndarray, np.ndarray]:
    """Price of the hardware, (9, 1), and the API's bill less electricity a month, (9, 5) [USD].

    Equations 1, 2, 4 and 5: every model runs at its full speed for all hours.
    """
    gpus, kinds, tok_s = (np.array(column) for column in zip(*PAN_MODELS.values(), strict=True))
    capital = gpus * np.array([PAN_GPU_USD[kind] for kind in kinds])
    kwh = gpus * np.array([profile.gpu_kw[kind] for kind in kinds]) * profile.hours_per_month
    mtok = tok_s * profile.hours_per_month * HOUR_S / MTOK
    usd_per_mtok = np.array([(i + 2 * o) / 3 for i, o in PAN_APIS.values()])
    usd_per_mtok[-1] = profile.gemini_usd_per_mtok
    return capital[:, None], np.outer(mtok, usd_per_mtok) - PAN_USD_PER_KWH * kwh[:, None]


def pan_as_printed(months: np.ndarray) -> np.ndarray:
    """Whether months round to what table IV prints, cell by cell. (9, 5) -> (9, 5)"""
    places = [[len(cell.split(".")[1]) for cell in row] for row in PAN_MONTHS]
    printed = np.array(PAN_MONTHS, dtype=np.float64)
    return np.abs(months - printed) <= 0.5 * 10.0 ** -np.array(places) + 1e-9
