"""Attributes of spans, by convention: which of them count tokens, and which spans are calls.

Conventions: OpenTelemetry GenAI (``gen_ai.*``), OpenInference (``llm.*``,
``openinference.span.kind``), OpenLLMetry (``llm.usage.*``, ``traceloop.span.kind``), pydantic-ai
(``gen_ai.usage.details.*``), the Vercel AI SDK (``ai.*``) and Langfuse
(``langfuse.observation.type``), all as of 2026.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from simulator.files.jsontext import NotJson, parse_json
from simulator.traffic.formats.records.count_names import Part, flat_counts, part_of

AGENT, TOOL, WORKFLOW = "agent spans", "tool spans", "workflow spans"

MODEL = (
    "gen_ai.request.model", "gen_ai.response.model", "llm.model_name", "embedding.model_name",
    "llm.request.model", "llm.response.model", "ai.model.id", "ai.response.model",
)  # fmt: skip
ANSWERED_BY = ("gen_ai.response.model", "llm.response.model", "ai.response.model")
PROVIDER = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system",
            "ai.model.provider")  # fmt: skip
SESSION = ("gen_ai.conversation.id", "session.id", "langfuse.session.id",
           "traceloop.association.properties.session_id",
           "ai.telemetry.metadata.sessionId")  # fmt: skip
SPEND = ("gen_ai.usage.cost", "gen_ai.usage.total_cost", "llm.cost.total", "operation.cost",
         "gen_ai.cost.total_cost")  # fmt: skip
_USAGE = ("gen_ai.usage.", "llm.usage.", "llm.token_count.", "ai.usage.")
_DETAILS = "gen_ai.usage.details."
_KINDS = ("gen_ai.operation.name", "openinference.span.kind", "traceloop.span.kind",
          "langfuse.observation.type", "ai.operationId", "llm.request.type")  # fmt: skip
_OTHER = ("error.type", "gen_ai.response.id", "gen_ai.request.max_tokens",
          "langfuse.observation.usage_details")  # fmt: skip
_NEEDED = frozenset((*MODEL, *PROVIDER, *SESSION, *SPEND, *_KINDS, *_OTHER))
_NO_CALLS = {
    "gen_ai.operation.name": {
        "invoke_agent": AGENT, "create_agent": AGENT, "execute_tool": TOOL,
        "invoke_workflow": WORKFLOW, "retrieval": "retrieval spans", "evaluate": "evaluator spans",
        "plan": "planning spans", "handoff": AGENT,
    },
    "openinference.span.kind": {
        "agent": AGENT, "tool": TOOL, "chain": WORKFLOW, "retriever": "retrieval spans",
        "reranker": "reranker spans", "guardrail": "guardrail spans",
        "evaluator": "evaluator spans", "prompt": "prompt spans",
    },
    "traceloop.span.kind": {
        "agent": AGENT, "tool": TOOL, "workflow": WORKFLOW, "task": WORKFLOW,
    },
    "langfuse.observation.type": {
        "agent": AGENT, "tool": TOOL, "chain": WORKFLOW, "retriever": "retrieval spans",
        "evaluator": "evaluator spans", "guardrail": "guardrail spans", "span": "other spans",
        "event": "events",
    },
    "ai.operationId": {"ai.toolCall": TOOL},
}  # fmt: skip
"""Spans that are no calls of a model, whatever tokens they have."""
_CALLS = {
    "gen_ai.operation.name": {"chat", "text_completion", "generate_content", "embeddings"},
    "openinference.span.kind": {"llm", "embedding"},
    "langfuse.observation.type": {"generation", "embedding"},
}
_WITHOUT_OUTPUT = ("embed", "moderation", "rerank")
_ROOTS = {
    f"ai.{name}" for name in (
        "generateText", "streamText", "generateObject", "streamObject", "embed", "embedMany",
    )
}  # fmt: skip
"""Operations of the Vercel AI SDK, whose calls are spans named ``.doGenerate`` and the like."""


def is_needed(name: Any) -> bool:
    """Return whether an attribute is needed to read a span."""
    return isinstance(name, str) and (name in _NEEDED or name.startswith(_USAGE))


def usage_of(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the token counts of a span by the full names of their attributes.

    Counts below ``gen_ai.usage.details``, as pydantic-ai writes them, are those of the provider:
    its input and output may exclude what the span's own include, and its further counts are parts.
    """
    for name, value in values.items():
        if not name.startswith(_USAGE) or value is None or isinstance(value, bool | list | dict):
            continue
        short = name[len(next(p for p in _USAGE if name.startswith(p))) :]
        part = part_of(short)
        if name.startswith(_DETAILS) and part in (Part.INPUT, Part.OUTPUT, Part.TOOL_INPUT):
            continue
        if name == "ai.usage.tokens":  # an embedding's
            yield "ai.usage.inputTokens", value
        elif part is not Part.NO_TOKENS and not _is_text(value):
            yield name, value
    yield from _langfuse_usage(values)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not value.strip().lstrip("-").isdigit()


def _langfuse_usage(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the counts that the Langfuse SDK puts into one attribute as JSON."""
    text = values.get("langfuse.observation.usage_details")
    if not isinstance(text, str) or any(name.startswith(_USAGE) for name in values):
        return
    try:
        usage = parse_json(text)
    except NotJson:
        return
    if isinstance(usage, dict):
        yield from flat_counts(usage)


def left_out_kind(values: Mapping[str, Any]) -> str | None:
    """Return what a span is if it is no call of a model, else None."""
    for name, kinds in _NO_CALLS.items():
        value = values.get(name)
        if value in kinds or str(value).lower() in kinds:
            return kinds.get(str(value)) or kinds[str(value).lower()]
    return None


def is_call(values: Mapping[str, Any]) -> bool:
    """Return whether a span says that it is a call of a model."""
    return any(str(values.get(name)).lower() in kinds for name, kinds in _CALLS.items())


def is_framework_root(values: Mapping[str, Any]) -> bool:
    """Return whether a span is an operation of the Vercel AI SDK above the calls it makes."""
    return values.get("ai.operationId") in _ROOTS


def has_output(values: Mapping[str, Any]) -> bool:
    """Return whether the operation of a span has an output."""
    kinds = [str(values[name]).lower() for name in _KINDS if values.get(name) is not None]
    return not any(word in kind for kind in kinds for word in _WITHOUT_OUTPUT)
