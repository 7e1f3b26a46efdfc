"""Pipelines over rows: named stages, each result kept on disk by what it was made from, so that a run that is killed goes on.

with Pipeline("work", [Stage("caption", caption), Stage("score", score, {"judge": "gpt-4.1"})], rows) as pipeline:
    outcome = pipeline.run()
"""

from vidalign.stages.errors import Dropped, MissingRows, PipelineError, Unfinished
from vidalign.stages.estimate import Cost, Estimate
from vidalign.stages.pipeline import Outcome, Pipeline
from vidalign.stages.processes import Processes
from vidalign.stages.run import Run, Running, Summary
from vidalign.stages.splits import split_of
from vidalign.stages.stage import Stage

__all__ = [
    "Cost",
    "Dropped",
    "Estimate",
    "MissingRows",
    "Outcome",
    "Pipeline",
    "PipelineError",
    "Processes",
    "Run",
    "Running",
    "Stage",
    "Summary",
    "Unfinished",
    "split_of",
]
