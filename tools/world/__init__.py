"""Nouns of the world: what tools read and what analysis concludes.

    Window --query--> Series --detect--> Verdict --forecast--> Forecast
                      LogLine, ClusterEvent, Change ----+
                                                        +--> Cause --> ProposalDraft

Everything is frozen and knows no I/O. Times are aware UTC datetimes, except inside a
`Series`, where they are float64 epoch seconds for numpy. A missing sample is NaN, never 0.
"""

from __future__ import annotations

from tools.world.catalogue import (
    DEFAULT_MODEL_DATA,
    ROLE,
    USUAL_TIER,
    Call,
    Catalogue,
    MetricSpec,
    ModelData,
    ServiceMode,
    ServiceSpec,
)
from tools.world.conclusions import (
    Baseline,
    Breach,
    Cause,
    CauseStep,
    Forecast,
    ProposalDraft,
    ProposalReceipt,
    SimilarCase,
    StepTest,
    Verdict,
    Vote,
    sigma_beyond,
)
from tools.world.names import (
    DEFAULT_CLUSTER,
    Direction,
    Floats,
    Labels,
    MetricName,
    MetricRole,
    ServiceName,
    Severity,
    Window,
    WorkloadRef,
    is_namespace,
    labels_of,
)
from tools.world.observations import (
    Change,
    ChangeKind,
    ClusterEvent,
    DiffLine,
    FiringAlert,
    LogLine,
    Series,
)
from tools.world.pods import (
    NOT_BEGUN,
    ContainerKind,
    ContainerStatus,
    Ending,
    PodStatus,
    Stated,
)

__all__ = [
    "DEFAULT_CLUSTER",
    "DEFAULT_MODEL_DATA",
    "NOT_BEGUN",
    "ROLE",
    "USUAL_TIER",
    "Baseline",
    "Breach",
    "Call",
    "Catalogue",
    "Cause",
    "CauseStep",
    "Change",
    "ChangeKind",
    "ClusterEvent",
    "ContainerKind",
    "ContainerStatus",
    "DiffLine",
    "Direction",
    "Ending",
    "FiringAlert",
    "Floats",
    "Forecast",
    "Labels",
    "LogLine",
    "MetricName",
    "MetricRole",
    "MetricSpec",
    "ModelData",
    "PodStatus",
    "ProposalDraft",
    "ProposalReceipt",
    "Series",
    "ServiceMode",
    "ServiceName",
    "ServiceSpec",
    "Severity",
    "SimilarCase",
    "Stated",
    "StepTest",
    "Verdict",
    "Vote",
    "Window",
    "WorkloadRef",
    "is_namespace",
    "labels_of",
    "sigma_beyond",
]
