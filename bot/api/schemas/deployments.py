"""Deployments told by pipelines."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bot.api.schemas.common import At, Out


class DeploymentIn(BaseModel):
    """A deployment that a pipeline made."""

    model_config = ConfigDict(extra="forbid")
    service: str = Field(min_length=1, max_length=200)
    version: str = Field(min_length=1, max_length=200)
    previous_version: str = Field("", max_length=200)
    author: str = Field("", max_length=200)
    summary: str = Field("", max_length=500)
    kind: Literal["deploy", "config", "flag", "scale"] = "deploy"
    at: At | None = Field(None, description="When it happened; now if absent")
    id: str = Field("", max_length=200, description="The pipeline's own id; repeats are dropped")


class DeploymentOut(Out):
    """Whether a deployment was new."""

    stored: bool
    service: str
    at: datetime
