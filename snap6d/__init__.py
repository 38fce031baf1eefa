"""The Python client of the service: photos of an object in, metric 6-D poses out. Needs httpx and nothing else of ours.

    from snap6d import Snap6D

    service = Snap6D("http://127.0.0.1:8000")
    mug = service.objects.create("photos/", box=("IMG_0042", (812, 330, 1204, 901)), tags=("tag36h11", 0.05))
    mug.wait(progress=True)
    poses = service.estimate("test.jpg", mug, K=(1511.2, 1511.2, 960, 540)).poses

Lengths are metres, pixels those of the upright image, poses `cam_from_obj` with OpenCV axes (x right, y down, z forward).
"""

from snap6d.client import Snap6D
from snap6d.errors import (
    BadInput,
    Busy,
    Changed,
    Conflict,
    DeadlinePassed,
    JobCanceled,
    JobFailed,
    NotFound,
    NotReady,
    QuotaExceeded,
    ServerError,
    Snap6DError,
    StorageFull,
    TooLarge,
    Unauthorized,
    Unreachable,
)
from snap6d.onboarding import Onboarding
from snap6d.results import Artifact, Estimate, Event, Image, Info, Job, Log, Object, Pose, Sent, Webhook

__all__ = [
    "Artifact",
    "BadInput",
    "Busy",
    "Changed",
    "Conflict",
    "DeadlinePassed",
    "Estimate",
    "Event",
    "Image",
    "Info",
    "Job",
    "JobCanceled",
    "JobFailed",
    "Log",
    "NotFound",
    "NotReady",
    "Object",
    "Onboarding",
    "Pose",
    "QuotaExceeded",
    "Sent",
    "ServerError",
    "Snap6D",
    "Snap6DError",
    "StorageFull",
    "TooLarge",
    "Unauthorized",
    "Unreachable",
    "Webhook",
]
