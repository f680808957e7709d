"""The parts of an offer's name, however a provider, a gateway or a price file writes it."""

import re
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path

from simulator.errors import InputError
from simulator.scenario.document.base_section import Section
from simulator.scenario.document.document import read_yaml, validate

NAMES = Path(__file__).parents[3] / "pricing" / "names.yaml"

_ARN = re.compile(r"arn:aws[a-z-]*:bedrock:([a-z0-9-]*):\d*:([a-z-]+)/(.+)")
_ACCOUNT = re.compile(r"accounts/fireworks/(?:models|routers)/(.+)")
_PUBLISHED = re.compile(
    r"(?:projects/[^/]+/locations/(?P<region>[^/]+)/)?publishers/(?P<maker>[^/]+)/models/(?P<model>.+)"
)
_AWS_REGION = re.compile(r"(us-gov|[a-z]{2})-[a-z]+-\d")
# Geographies of inference profiles, by the first part of the name of a region.
_GEOGRAPHIES = {"ap": "apac"}
_PLAIN = re.compile(r"[a-z0-9._:@/ -]+")
_WORD = re.compile(r"\d+[a-z]*|[a-z]+")
_BEDROCK_VERSION = re.compile(r"-v(\d+)$")
_DAYS = (
    re.compile(r"-(20\d{2}-\d{2}-\d{2}|20\d{6})$"),  # 2024-08-06, 20240806
    re.compile(r"-(\d{2}-20\d{2})$"),  # 03-2025
    re.compile(r"-(2[3-9]\d{4})$"),  # 250414
    re.compile(r"-(\d{4})$"),  # 0709 (a day) or 2512 (a month)
    re.compile(r"(?<=-preview)-(\d{2}-\d{2})$"),  # preview-05-20
    re.compile(r"-(00\d)$"),  # 001, as Google counts its snapshots
)


class NameTables(Section):
    """Other names of providers, makers and regions (``pricing/names.yaml``)."""

    source: str
    """Where the names come from."""
    checked: date
    """Day on which they were looked up."""
    providers: dict[str, list[str]]
    """Other names of a provider, by the book's."""
    elsewhere: list[str]
    """Providers without an offer in the book."""
    huggingface: list[str]
    """Partners through which Hugging Face serves models."""
    makers: dict[str, list[str]]
    """Other names of the organisation that made a model."""
    families: dict[str, list[str]]
    """First words of models' names, by their maker."""
    prefixes: dict[str, list[str]]
    """Words before the name of a family, and these families."""
    routes: dict[str, list[str]]
    """Parts of a path without effect on model and price, by provider."""
    suffixes: dict[str, list[str]]
    """Last words that a provider adds to names of models, by provider."""
    bedrock_makers: list[str]
    """Makers before a dot in Bedrock's names."""
    bedrock_scopes: list[str]
    """Prefixes of Bedrock's inference profiles."""
    priced_by_geography: list[str]
    """Makers whose regional prices on Bedrock differ by geography."""
    contested: dict[str, str]
    """Names that stand for different offers in different sources, and how."""


@dataclass(frozen=True, slots=True)
class OfferName:
    """The parts of a name; None where it does not state one."""

    provider: str | None
    """The book's name of the provider."""
    maker: str | None
    """The maker that the name states, by one name for each."""
    region: str | None
    """Region or geography of the deployment; ``global`` is one of them."""
    words: tuple[str, ...]
    """The model in words and numbers, without the parts below."""
    variant: str = ""
    """What follows a colon: another service of the same model, such as ``free``."""
    day: str | None = None
    """Digits of the day, the month or the number of a snapshot."""
    version: str | None = None
    """Bedrock's version of an identifier."""
    latest: bool = False
    """Whether the name asks for the newest snapshot."""
    left_out: int = 0
    """Number of words that were left out, as what a provider adds to a model's name."""

    @property
    def family(self) -> str:
        """Return the first word of the model."""
        return self.words[0] if self.words else ""

    @property
    def made_by(self) -> str | None:
        """Return the maker, by the family where the name does not state it."""
        return self.maker or makers_by_family().get(self.family)


@cache
def tables() -> NameTables:
    """Return the tables of other names."""
    return validate(NameTables, read_yaml(NAMES), ())


@cache
def _provider_names() -> dict[str, str]:
    """Return the book's provider by each of its names."""
    names = _by_any_name(tables().providers)
    partners = {f"huggingface_{partner}" for partner in tables().huggingface}
    others = (*partners, *tables().elsewhere)
    return {**{other: other for other in others}, **names}


@cache
def _maker_names() -> dict[str, str]:
    return _by_any_name(tables().makers)


@cache
def makers_by_family() -> dict[str, str]:
    """Return the maker of each family, by the first word of its models' names."""
    return {word: maker for maker, words in tables().families.items() for word in words}


def _by_any_name(table: dict[str, list[str]]) -> dict[str, str]:
    return {name: own for own, others in table.items() for name in (own, *others)}


def provider_of(name: str) -> str | None:
    """Return the book's name of a provider, given any of its names; None if unknown."""
    return _provider_names().get(name.strip().lower())


def names_of_provider(provider: str) -> list[str]:
    """Return the other names of a provider, given the book's."""
    return tables().providers.get(provider, [])


def names_of_maker(maker: str | None) -> list[str]:
    """Return all names of a maker, given the one that the tables use."""
    return [maker, *tables().makers.get(maker, [])] if maker else []


def is_maker(name: str) -> bool:
    """Return whether a name is that of an organisation that makes models."""
    return name in _maker_names()


def provider_names() -> list[str]:
    """Return all names of all providers."""
    return list(_provider_names())


def name_parts(text: str, provider: str | None = None) -> OfferName:
    """Return the parts of a name, of a known provider's model if one is given.

    Raises
    ------
    InputError
        When the name is an ARN that does not state a model.
    """
    name = text.strip().lower()
    region, maker = None, None
    head, colon, rest = name.partition(":")
    if provider is None and colon and "/" not in head and head in _provider_names():
        name = f"{head}/{rest}"  # as pydantic-ai writes it
    if arn := _ARN.fullmatch(name):
        provider, region, name = "aws", _geography(arn[1]), _model_of_arn(text, arn)
    if account := _ACCOUNT.search(name):
        provider, name = provider or "fireworks", account[1]
    if published := _PUBLISHED.search(name):
        provider, region, maker = "google", published["region"], published["maker"]
        name = published["model"]
    *path, model = name.split("/")
    if provider is None and path:
        provider, path = _leading_provider(path)
    path = [part for part in path if part not in tables().routes.get(provider or "", ())]
    path, region = _without_region(path, provider, region)
    if path:
        maker = "/".join(path)
    if provider == "aws" or (provider is None and not path):
        model, provider, maker, region = _without_bedrock(model, provider, maker, region)
    return _with_model(model, OfferName(provider, _maker(maker), region, ()))


def _leading_provider(path: list[str]) -> tuple[str | None, list[str]]:
    """Return the provider that a path begins with, and the rest of the path."""
    if path[0] == "huggingface" and len(path) > 1 and path[1] in tables().huggingface:
        return f"huggingface_{path[1]}", path[2:]
    if path[0] == "models":
        return "google", path[1:]
    provider = _provider_names().get(path[0])
    if provider is None:
        return None, path
    rest = path[1:]
    return provider, rest[1:] if provider == "google" and rest[:1] == ["models"] else rest


def _model_of_arn(text: str, arn: re.Match[str]) -> str:
    if arn[2] not in ("foundation-model", "inference-profile"):
        raise InputError(
            f"offer {text!r} names a resource of an account, not a model: expected the name of the "
            "model, such as 'anthropic.claude-sonnet-4-5-20250929-v1:0'"
        )
    return arn[3]


def _geography(region: str) -> str | None:
    """Return the geography of a region of AWS."""
    match = _AWS_REGION.fullmatch(region)
    return _GEOGRAPHIES.get(match[1], match[1]) if match else None


def _without_region(
    path: list[str], provider: str | None, region: str | None
) -> tuple[list[str], str | None]:
    """Return a path without the region in its first part, and the region."""
    if not path:
        return path, region
    if provider == "aws" and (geography := _geography(path[0])):
        return path[1:], geography
    if provider == "azure" and path[0] not in _maker_names():
        return path[1:], "global" if path[0].startswith("global") else path[0]
    return path, region


def _maker(name: str | None) -> str | None:
    return None if name is None else _maker_names().get(name, name)


def _with_model(model: str, name: OfferName) -> OfferName:
    """Add the parts of the last segment of a path."""
    if not _PLAIN.fullmatch(model):
        return replace(name, words=(model,))
    if model.startswith("ft:"):
        model = "ft-" + model.split(":")[1]  # further parts name the account
    model, _, variant = model.partition(":")
    if name.provider is None and variant in tables().huggingface:
        name, variant = replace(name, provider=f"huggingface_{variant}"), ""
    model = re.sub(r"[@ _]", "-", model).strip("-")
    model, latest = re.subn(r"-(?:latest|default)$", "", model)
    if name.provider == "aws" and (version := _BEDROCK_VERSION.search(model)):
        model, name = model[: version.start()], replace(name, version=version[1])
    left_out = 0
    for suffix in tables().suffixes.get(name.provider or "", ()):
        if model.endswith(f"-{suffix}"):
            model, left_out = model.removesuffix(f"-{suffix}"), 1
    model, day = _without_day(model)
    if name.provider == "fireworks":
        model = re.sub(r"(?<=\d)p(?=\d)", "-", model)
    words = [word for part in re.split(r"[-.]", model) for word in _WORD.findall(part)]
    # The letter before the number of a version is written by some: llama-v3 and llama-3.
    words = [w for w, after in zip(words, [*words[1:], ""][: len(words)], strict=True)
             if w != "v" or not after[:1].isdigit()]  # fmt: skip
    while len(words) > 1 and words[1] in tables().prefixes.get(words[0], ()):
        words, left_out = words[1:], left_out + 1
    return replace(
        name, words=tuple(words), variant=variant, day=day, latest=bool(latest), left_out=left_out
    )


def _without_bedrock(
    model: str, provider: str | None, maker: str | None, region: str | None
) -> tuple[str, str | None, str | None, str | None]:
    """Return a model without what only Bedrock writes, and its provider, maker and region."""
    scope, _, rest = model.partition(".")
    if scope in tables().bedrock_scopes and rest:
        head = rest.partition(".")[0]
        if provider == "aws" or head in tables().bedrock_makers:
            model, provider, region = rest, "aws", scope
    head, _, rest = model.partition(".")
    if rest and head in tables().bedrock_makers:
        model, provider, maker = rest, "aws", head
    if provider == "aws" or (provider is None and re.search(r"-v\d:\d$", model)):
        model, provider = re.sub(r":\d+(?::\w+)?$", "", model), "aws"
    return model, provider, maker, region


def _without_day(model: str) -> tuple[str, str | None]:
    """Return a model without the day of its snapshot, and the digits of the day."""
    for pattern in _DAYS:
        if (match := pattern.search(model)) and _is_day(match[1].replace("-", "")):
            return model[: match.start()], match[1].replace("-", "")
    return model, None


def _is_day(digits: str) -> bool:
    """Return whether digits may be a day or a month; `-4096` and others are sizes."""
    if len(digits) == 3:
        return True
    if len(digits) == 6 and digits[2:4] == "20":
        return 1 <= int(digits[:2]) <= 12
    month, day = int(digits[-4:-2]), int(digits[-2:])
    is_day = 1 <= month <= 12 and 1 <= day <= 31
    return is_day or (len(digits) == 4 and 23 <= month <= 29 and 1 <= day <= 12)
