"""Names of accelerators, models, engines and precisions, as benchmark tables and users write them.

A name in another form is resolved where its meaning is clear. It is not where profiles of a family
differ in what decides a comparison: `A100` may have 40 or 80 GB.
"""

import re
from collections import Counter
from collections.abc import Iterable
from difflib import SequenceMatcher

from simulator.errors import InputError, listed, nearest

# Words that tables add to a name without changing its meaning.
_GPU_NOISE = re.compile(
    r"nvidia|amd|intel|habana|instinct|geforce|tesla|google|aws|grace hopper superchip|nps\d|spx"
    r"|cts|capped|\d+\s?w\b|tensor core|gpu"
)
# Words of a GPU's name beyond its family: form, memory, generation, edition. With any other word,
# such as a misspelt form, the name is not that of the family's usual member.
_GPU_WORDS = re.compile(
    r"sxm\d?|pcie|nvl\d*|oam|tpu|hbm\d?e?|gddr\d\w?|rtx|blackwell|hopper|ampere|ada|lovelace"
    r"|generation|(server|workstation|max-q) edition|datacenter|accelerator|superchip"
    r"|\d+\s?(gib|gb|g|x)?(?![a-z0-9])|\b(gi?b|x\d+)\b"
)
_MODEL_NOISE = re.compile(
    r"\b(instruct|hf|chat|it|base|awq|gptq|fp8|fp4|nvfp4|mxfp4|bf16|fp16|int8|int4|w8a8|w4a16|moe"
    r"|dynamic|quantized|kv|v0\.\d|\d{4}|\d+e|a\d+b|meta|thinking)\b"
)
_GPUS = {  # the first matching pattern is used
    r"gh200.*144": "gh200-144",
    r"gh200": "gh200-96",
    r"gb300": "gb300-nvl72",
    r"gb200": "gb200-nvl72",
    r"h100.*nvl": "h100-nvl",
    r"h100.*pcie": "h100-pcie",
    r"h100": "h100-sxm",
    r"\bh20\b": "h20",
    r"h200": "h200-sxm",
    r"b200": "b200-sxm",
    r"b300": "b300-sxm",
    r"a100.*40.*pcie|a100.*pcie.*40": "a100-pcie-40",
    r"a100.*pcie": "a100-pcie-80",
    r"a100.*40": "a100-sxm-40",
    r"a100.*(sxm\d?|80)": "a100-sxm-80",
    r"l40s": "l40s",
    r"\bl40\b": "l40",
    r"\ba40\b": "a40",
    r"a6000": "rtx-a6000",
    r"\bl4\b": "l4",
    r"a10g": "a10g",
    r"\ba10\b": "a10",
    r"4090": "rtx-4090",
    r"5090": "rtx-5090",
    r"3090": "rtx-3090",
    r"pro.?6000": "rtx-pro-6000",
    r"mi300x": "mi300x",
    r"mi325x": "mi325x",
    r"mi355x": "mi355x",
    r"mi250": "mi250",
    r"gaudi.?2|hl-?225": "gaudi2",
    r"gaudi.?3|hl-?325": "gaudi3",
    r"\bpvc\b|max.?1550": "pvc-1550",
    r"pro.?4500": "rtx-pro-4500",
    r"v5e|v5litepod": "tpu-v5e",
    r"v6e|trillium": "tpu-v6e",
    r"trn2|trainium.?2": "trainium2",
}
_MODELS = {
    r"distill.*llama.*70b": "llama-3.3-70b",
    r"distill.*llama.*8b": "llama-3.1-8b",
    r"distill.*qwen.*32b": "qwen2.5-32b",
    r"distill.*qwen.*14b": "qwen2.5-14b",
    r"distill.*qwen.*7b": "qwen2.5-7b",
    r"distill": "",  # a different model than the name suggests
    r"codellama.*34b": "codellama-34b",
    r"llama.?2.*13b": "llama-2-13b",
    r"llama.?2.*70b": "llama-2-70b",
    r"llama.?2.*7b": "llama-2-7b",
    r"llama.*405b": "llama-3.1-405b",
    r"llama.*3\.3.*70b": "llama-3.3-70b",
    r"llama.*3\.1.*70b": "llama-3.1-70b",
    r"llama.*3(?!\.\d).*70b": "llama-3-70b",
    r"llama.*3\.1.*8b": "llama-3.1-8b",
    r"llama.*3(?!\.\d).*8b": "llama-3-8b",
    r"deepseek.*r1": "deepseek-r1",
    r"deepseek.*v3": "deepseek-v3",
    r"kimi.*k2\.5": "kimi-k2.5",
    r"kimi.*k2": "kimi-k2",
    r"gpt.?j": "gpt-j-6b",
    r"bloom": "bloom-176b",
    r"qwq.*32b|qwen.?2\.5.*32b": "qwen2.5-32b",
    r"qwen.?2\.5.*72b": "qwen2.5-72b",
    r"qwen.?2\.5.*14b": "qwen2.5-14b",
    r"qwen.?2\.5.*7b": "qwen2.5-7b",
    r"qwen.?3\.5.*397b": "qwen3.5-397b",
    r"qwen.?3.*coder.*480b": "qwen3-coder-480b",
    r"qwen.?3.*next": "qwen3-next-80b",
    r"qwen.?3.*embedding.*8b": "qwen3-embedding-8b",
    r"qwen.?3.*235b": "qwen3-235b",
    r"qwen.?3.*30b": "qwen3-30b",
    r"maverick": "llama-4-maverick",
    r"scout": "llama-4-scout",
    r"mixtral.*8x22b": "mixtral-8x22b",
    r"mixtral.*8x7b": "mixtral-8x7b",
    r"mistral.*7b": "mistral-7b",
    r"mistral.*small.*24b|devstral": "mistral-small-24b",
    r"mistral.*large": "mistral-large-123b",
    r"mistral.*nemo": "mistral-nemo-12b",
    r"minimax.*m2\.5": "minimax-m2.5",
    r"minimax.*m2": "minimax-m2",
    r"bge.*large": "bge-large",
    r"bge.*m3": "bge-m3",
}
_ENGINES = {
    r"llama\.?cpp": "llama.cpp",
    r"mii|deepspeed": "deepspeed-mii",
    r"tensorrt|trt|\bnim\b": "trtllm",
    r"sglang": "sglang",
    r"vllm": "vllm",
    r"\btgi\b|text-generation-inference": "tgi",
    r"lmdeploy|turbomind": "lmdeploy",
    r"\btei\b|text-embeddings": "tei",
}
PRECISIONS = {
    "fp16": "fp16",
    "float16": "fp16",
    "bf16": "bf16",
    "bfloat16": "bf16",
    "fp8": "fp8",
    "fp8_block": "fp8",
    "int8": "int8",
    "w8a8": "int8",
    "fp4": "nvfp4",
    "nvfp4": "nvfp4",
    "mxfp4": "mxfp4",
    "int4": "int4",
    "awq": "int4",
    "gptq": "int4",
    "w4a16": "int4",
}


_NOTHING = re.compile(r"(?!)")
_ANYTHING = re.compile(r"[a-z0-9]+")
_MOST_COMPARED_CHARS = 200
_MOST_SHOWN = 12
"""Names of a family that a message lists at most."""
_LONG_WORD = 3
"""Fewest letters of a first word that alone names a family: llama and gpt, but not a or h."""
_SIMILAR = 0.6
"""Least similarity of two words of which one may be the other misspelt."""


def known_gpu(text: str, known: list[str]) -> str:
    """Return the profile of an accelerator, given its name in a table.

    Raises
    ------
    InputError
        When the name is unknown, or may be that of several profiles; names the nearest ones.
    """
    return _find_name("accelerator", text, _GPU_NOISE, _GPUS, known, _GPU_WORDS)


def known_model(text: str, known: list[str]) -> str:
    """Return the profile of a model, given its name in a table.

    Raises
    ------
    InputError
        When the name is unknown, or may be that of several profiles; names the nearest ones.
    """
    if text in known:
        return text
    return _find_name("model", text.rsplit("/", 1)[-1], _MODEL_NOISE, _MODELS, known)


def known_engine(text: str, known: list[str]) -> str:
    """Return the engine that is named by a table's text.

    Raises
    ------
    InputError
        When the text names no known engine; names the nearest one.
    """
    return _find_name("engine", text, _NOTHING, _ENGINES, known)


def known_precision(text: str) -> str:
    """Return the precision of weights or caches, given its name in a table.

    Raises
    ------
    InputError
        When the name is unknown; names the nearest one.
    """
    word = text.strip().lower()
    if word not in PRECISIONS:
        raise InputError(f"unknown precision {text!r}{nearest(word, sorted(PRECISIONS))}")
    return PRECISIONS[word]


def _bare(text: str, noise: re.Pattern[str]) -> str:
    """Return a name in lower case, without noise and punctuation."""
    return re.sub(r"[^a-z0-9.]+", "", noise.sub(" ", text.lower().replace("_", "-")))


def _find_name(
    what: str,
    text: str,
    noise: re.Pattern[str],
    aliases: dict[str, str],
    known: Iterable[str],
    words: re.Pattern[str] = _ANYTHING,
) -> str:
    """Find a name as it is, then without noise, then by the first alias pattern that matches.

    Apart from the alias, the text may contain ``words`` only.
    """
    names = list(known)
    if text in names:
        return text
    bare = _bare(text, noise)
    for name in names:
        if bare and bare == _bare(name, noise):
            return name
    plain = noise.sub(" ", text.lower().replace("_", "-"))
    for pattern, name in aliases.items():
        if re.search(pattern, text.lower()):
            rest = words.sub(" ", re.sub(pattern, " ", plain, count=1))
            if name in names and not re.search(r"[a-z0-9]", rest):
                return name
            break
    raise unknown_name(what, text, names)


def unknown_name(what: str, text: str, known: list[str]) -> InputError:
    """Return the error of a name that is not known, with the names of its family that are."""
    # A longer text is no misspelt name, and comparing it would take long.
    parts = _parts(text) if len(text) <= _MOST_COMPARED_CHARS else []
    fitting = [name for name in known if parts and not Counter(parts) - Counter(_parts(name))]
    if len(fitting) > 1:
        return InputError(f"{what} {text!r} may be one of several: {listed(fitting, _MOST_SHOWN)}")
    alike = fitting or [name for name in known if _are_alike(parts, _parts(name))]
    family = [name for name in known if parts and _beginning(parts) == _beginning(_parts(name))]
    near = nearest(text, alike) or (
        f"; of its family: {listed(family, _MOST_SHOWN)}" if family else ""
    )
    return InputError(f"unknown {what} {text!r}{near}")


def _parts(text: str) -> list[str]:
    """Return the words and the numbers of a name, in their order."""
    return re.findall(r"[a-z]+|\d+(?:\.\d+)?", text.lower())


def _are_alike(parts: list[str], others: list[str]) -> bool:
    """Return whether a name may be another one misspelt: its first word is, and no number is.

    Numbers tell apart what is not alike at all, such as `a100` and `a10`.
    """
    if not parts or not others:
        return False
    numbers = [Counter(p for p in each if p[0].isdigit()) for each in (parts, others)]
    similarity = SequenceMatcher(None, parts[0], others[0]).ratio()
    return similarity >= _SIMILAR and not numbers[0] - numbers[1]


def _beginning(parts: list[str]) -> list[str]:
    """Return the parts of a name up to its first number, or its first word if it is a long one."""
    if len(parts[0]) >= _LONG_WORD:
        return parts[:1]
    count = next((k for k, part in enumerate(parts) if part[0].isdigit()), len(parts))
    return parts[: count + 1]
