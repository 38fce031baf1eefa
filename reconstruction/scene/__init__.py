"""The vocabulary of the whole project: transforms, cameras, meshes, images, views."""

from reconstruction.scene.camera import Camera, Crop, Lens
from reconstruction.scene.mesh import Mesh
from reconstruction.scene.transforms import RigidTransform, Similarity
from reconstruction.scene.view import View

__all__ = ["Camera", "Crop", "Lens", "Mesh", "RigidTransform", "Similarity", "View"]
