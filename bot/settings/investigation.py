"""Who answers questions, and what an answer may cost."""

from __future__ import annotations

from collections.abc import Mapping

from bot.claude.model import ClaudeConfig
from bot.core.ports import Budget
from bot.settings.arguments import configured, converted, usd_micros
from bot.settings.document import ConfigDocument
from tools.world import DEFAULT_MODEL_DATA, ModelData


def claude_config(document: ConfigDocument, found: Mapping[str, str]) -> ClaudeConfig | None:
    """Return how Claude is reached; None without a key."""
    key = document.llm.api_key
    secret = key.get_secret_value() if key is not None else found.get("ANTHROPIC_API_KEY", "")
    if not secret:
        return None
    return ClaudeConfig(
        api_key=secret,
        base_url=found.get("ANTHROPIC_BASE_URL", ""),
        **configured(model=document.llm.model, timeout_seconds=document.llm.timeout_seconds),
    )


def model_data_of(document: ConfigDocument) -> ModelData:
    """Return how much Claude may read of a service that does not say."""
    return document.llm.model_data or DEFAULT_MODEL_DATA


def budget_of(document: ConfigDocument) -> Budget:
    """Return what questions may cost."""
    turn, limits = document.budgets.turn, document.budgets
    return Budget(
        **configured(
            max_steps=turn.max_steps,
            max_tokens=turn.max_tokens,
            seconds=turn.seconds,
            usd_micros_per_turn=converted(usd_micros, turn.usd),
            usd_micros_per_person_day=converted(usd_micros, limits.person_usd_per_day),
            usd_micros_per_team_day=converted(usd_micros, limits.team_usd_per_day),
            usd_micros_per_day=converted(usd_micros, limits.day_usd),
            max_output_tokens=document.llm.max_tokens,
        )
    )
