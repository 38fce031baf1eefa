"""The stages of an onboarding up to the surface, for stage processes to find by name."""

from dataclasses import replace

from workers.pipeline import PIPELINE

UP_TO_SURFACE = replace(PIPELINE, stages=tuple(step for step in PIPELINE.stages if step.target.startswith("reconstruction.")))
