"""The real stages with a profile small enough for a test. `SNAP6D_PIPELINE=small_pipeline:PIPELINE` with this folder on PYTHONPATH."""

from __future__ import annotations

from dataclasses import replace

from workers import pipeline

PIPELINE = replace(pipeline.PIPELINE, profiles="small_profiles:PROFILES", profile_names=("small", "standard"))
