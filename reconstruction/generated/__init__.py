"""A capture that the code renders itself, with exact truth: for the demo, the tests and the benchmarks."""

from reconstruction.generated.capture import CaptureConfig, GeneratedCapture, load_or_render, render_capture

__all__ = ["CaptureConfig", "GeneratedCapture", "load_or_render", "render_capture"]
