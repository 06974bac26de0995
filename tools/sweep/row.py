"""One line of the sweep's table: what became of one model."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

Status = Literal["verified", "wrong", "refused", "failed"]
STATUSES: tuple[Status, ...] = ("verified", "wrong", "refused", "failed")


@dataclass(frozen=True)
class Row:
    """What became of one model.

    name: `library/model`. status: "verified": every check holds. "wrong": there is a graph but a
    check says no. "refused": there is no graph, and an error of ours says why. "failed": the
    model cannot be built, or its process crashed or ran out of time. rung: how it was captured.
    reason: why it is not verified. seconds: of the extraction; total: of everything. peak_mb:
    growth of the resident memory while extracting, in MiB. signature: of the graph.
    """

    name: str
    status: Status = "failed"
    rung: str = ""
    parameters: int = 0
    nodes: int = 0
    edges: int = 0
    seconds: float = 0.0
    total: float = 0.0
    peak_mb: float = 0.0
    reason: str = ""
    signature: str = ""

    @property
    def library(self) -> str:
        """The part of the name before the slash."""
        return self.name.partition("/")[0]

    @property
    def extracted(self) -> bool:
        """Whether there is a graph, right or wrong."""
        return self.status in ("verified", "wrong")

    def to_json(self) -> dict[str, Any]:
        """Builtin values only."""
        return asdict(self)

    @classmethod
    def of(cls, content: dict[str, Any]) -> Row:
        """The row that `to_json` wrote; fields of other versions are left out."""
        known = {f.name for f in fields(cls)}
        return cls(**{k: v for k, v in content.items() if k in known})
