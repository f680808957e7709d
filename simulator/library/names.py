"""Names that a user may give: of scenarios, offers, presets, models, accelerators and loads."""

from simulator.analysis.bench.loads import LoadKind as LoadKind


def scenario_names() -> list[str]:
    """Return the names of the shipped scenarios."""
    from simulator.scenario.document.shipped import shipped_scenarios

    return list(shipped_scenarios())


def offer_names() -> list[str]:
    """Return the names of the API offers that can be simulated."""
    from simulator.scenario.catalog.price_book import known_offers

    return list(known_offers())


def preset_names() -> list[str]:
    """Return the names of the traffic presets."""
    from simulator.scenario.resolve import presets

    return presets.preset_names()


def model_names() -> list[str]:
    """Return the names of the shipped model profiles."""
    from simulator.scenario.catalog.profiles import profile_names

    return list(profile_names("models"))


def accelerator_names() -> list[str]:
    """Return the names of the shipped accelerator profiles."""
    from simulator.scenario.catalog.profiles import profile_names

    return list(profile_names("accelerators"))


def log_format_names() -> list[str]:
    """Return the names of the formats of logs."""
    from simulator.traffic.formats.catalog import FORMATS

    return sorted(FORMATS)


def source_format_names() -> list[str]:
    """Return the names of the formats of logs and of usage exports."""
    from simulator.traffic.formats.catalog import ALL_FORMATS

    return sorted(ALL_FORMATS)


def cache_rule_names() -> list[str]:
    """Return the names of the providers' cache rules that a log can be measured by."""
    from simulator.pricing.caching import CACHE_OFFERS

    return sorted(CACHE_OFFERS)
