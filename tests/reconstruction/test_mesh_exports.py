"""A mesh as other programs want it, each file opened again by a reader that did not write it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import meshio
import numpy as np
import pygltflib
import pytest
import trimesh
import yourdfpy
from numpy.testing import assert_allclose
from PIL import Image

from reconstruction.errors import SurfaceError
from reconstruction.exports.atlas import lighter, unwrap
from reconstruction.exports.glb import write_glb
from reconstruction.exports.obj import write_obj
from reconstruction.exports.solid import body_of, collision_hull, convex_hull, is_closed
from reconstruction.exports.texture import bake, spread
from reconstruction.exports.urdf import write_urdf
from reconstruction.generated.shapes import jug
from reconstruction.scene import Mesh, View

PX = 512


class Paint:
    """Stands in for the colour field: any place has a known colour, and one of the channels tells from where it is seen."""

    def shade(self, points: np.ndarray, directions: np.ndarray, normals: np.ndarray) -> np.ndarray:
        np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, atol=1e-4)
        facing = -np.einsum("ni,ni->n", directions, normals)
        return np.column_stack([*(0.5 + 0.4 * np.sin(60 * points[:, :2])).T, facing.clip(0, 1)]).astype(np.float32)


@pytest.fixture(scope="module")
def painted(posed_views: list[View], tmp_path_factory: pytest.TempPathFactory) -> trimesh.Trimesh:
    """The generated capture's jug, exported and read by trimesh."""
    path = tmp_path_factory.mktemp("obj") / "object.obj"
    atlas = unwrap(lighter(jug(0.004), 4000), PX)
    told: list[int] = []
    picture = bake(Paint(), atlas, posed_views, PX, lambda step, steps, message="": told.append(step))  # type: ignore[arg-type]
    assert told == sorted(told)
    assert len(told) > 1
    assert [p.name for p in write_obj(path, atlas, picture)] == ["object.obj", "object.mtl", "object.png"]
    loaded = trimesh.load(path, force="mesh", process=False)
    assert isinstance(loaded, trimesh.Trimesh)
    return loaded


def sampled(mesh: trimesh.Trimesh, points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Its texture at points of the surface."""
    corners = trimesh.triangles.points_to_barycentric(mesh.triangles[faces], points)
    uv = np.einsum("nk,nki->ni", corners, mesh.visual.uv[mesh.faces[faces]])
    return trimesh.visual.color.uv_to_interpolated_color(uv, mesh.visual.material.image)[:, :3].astype(float)


def test_the_texture_has_the_fields_colours_everywhere(painted: trimesh.Trimesh) -> None:
    points, faces = trimesh.sample.sample_surface(painted, 20_000, seed=1)
    shown = sampled(painted, points, faces)
    wanted = 255 * (0.5 + 0.4 * np.sin(60 * points[:, :2]))
    error = np.abs(shown[:, :2] - wanted)
    assert error.mean() < 2
    assert np.quantile(error, 0.999) < 12, "nothing bleeds in across seams"
    assert np.median(shown[:, 2]) > 0.8 * 255, "seen squarely"


def test_no_smaller_copy_of_the_texture_mixes_charts(painted: trimesh.Trimesh) -> None:
    """Mipmaps: at a quarter of the size only what one texel mixes is lost."""
    points, faces = trimesh.sample.sample_surface(painted, 20_000, seed=2)
    small = painted.copy()
    image = painted.visual.material.image
    small.visual.material.image = image.resize((PX // 4, PX // 4), resample=4)  # box
    error = np.abs(sampled(small, points, faces) - sampled(painted, points, faces))[:, :2]
    assert error.mean() < 6
    assert np.quantile(error, 0.99) < 40


def test_the_obj_is_the_mesh_without_cuts(painted: trimesh.Trimesh) -> None:
    mesh = jug(0.004)
    welded = trimesh.Trimesh(painted.vertices, painted.faces)
    welded.merge_vertices(merge_tex=True, merge_norm=True)
    assert welded.is_watertight
    assert welded.volume == pytest.approx(trimesh.Trimesh(mesh.vertices, mesh.faces).volume, rel=0.01)
    assert_allclose(welded.bounds, mesh.bounds, atol=1e-3)
    assert painted.visual.uv.min() >= 0
    assert painted.visual.uv.max() <= 1
    assert painted.visual.material.diffuse[:3].tolist() == [255, 255, 255], "the texture is not darkened"
    normals = trimesh.Trimesh(painted.vertices, painted.faces, process=False).face_normals
    assert (np.einsum("mki,mi->mk", painted.vertex_normals[painted.faces], normals) > 0).mean() > 0.99


def test_the_glb_has_the_texture_where_the_mesh_has_it(tmp_path: Path) -> None:
    atlas = unwrap(lighter(jug(0.006), 3000), 256)
    picture = np.random.default_rng(3).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    write_glb(tmp_path / "object.glb", atlas, picture)
    glb = pygltflib.GLTF2().load(str(tmp_path / "object.glb"))
    (primitive,) = glb.meshes[0].primitives
    faces = accessor(glb, primitive.indices, np.uint32, 3)
    y_up = accessor(glb, primitive.attributes.POSITION, np.float32, 3)[faces]
    assert_allclose(np.stack([y_up[..., 0], -y_up[..., 2], y_up[..., 1]], -1), atlas.mesh.vertices[atlas.mesh.faces], atol=1e-6)
    assert_allclose(accessor(glb, primitive.attributes.TEXCOORD_0, np.float32, 2)[faces], atlas.corners[atlas.faces], atol=1e-6)
    image = glb.images[glb.textures[glb.materials[primitive.material].pbrMetallicRoughness.baseColorTexture.index].source]
    view = glb.bufferViews[image.bufferView]
    stored = glb.binary_blob()[view.byteOffset : view.byteOffset + view.byteLength]
    assert (np.asarray(Image.open(BytesIO(stored)).convert("RGB")) == picture).all()
    assert glb.materials[primitive.material].pbrMetallicRoughness.metallicFactor == 0


def test_what_lies_between_charts_takes_the_nearest_colour() -> None:
    picture = np.zeros((4, 8, 3), np.uint8)
    known = np.zeros((4, 8), bool)
    known[:, 0], known[:, 7] = True, True
    picture[:, 0], picture[:, 7] = 10, 200
    assert spread(picture, known)[2, :, 0].tolist() == [10] * 4 + [200] * 4
    assert not spread(picture * 0, known & False).any()


def moved(solid: trimesh.Trimesh, by: tuple[float, float, float] = (0.3, -0.2, 0.1)) -> Mesh:
    return Mesh(np.asarray(solid.vertices) + by, np.asarray(solid.faces, np.int32))


def box_moments(mass: float, x: float, y: float, z: float) -> list[float]:
    return [mass / 12 * (y**2 + z**2), mass / 12 * (x**2 + z**2), mass / 12 * (x**2 + y**2)]


@pytest.mark.parametrize(
    ("solid", "mass", "moments", "rel"),
    [
        (trimesh.creation.box((0.1, 0.2, 0.3)), 4.2, box_moments(4.2, 0.1, 0.2, 0.3), 1e-9),
        (
            trimesh.creation.icosphere(4, 0.05),
            700 * 4 / 3 * np.pi * 0.05**3,
            [0.4 * 700 * 4 / 3 * np.pi * 0.05**3 * 0.05**2] * 3,
            1e-2,
        ),
    ],
    ids=["box", "sphere"],
)
def test_the_urdf_has_the_mass_and_inertia_of_known_solids(
    tmp_path: Path, solid: trimesh.Trimesh, mass: float, moments: list[float], rel: float
) -> None:
    mesh = moved(solid)
    (tmp_path / "object.obj").write_text(trimesh.exchange.obj.export_obj(trimesh.Trimesh(mesh.vertices, mesh.faces)))
    write_urdf(tmp_path / "object.urdf", "mug & co", Path("object.obj"), collision_hull(mesh), body_of(mesh, 700.0))
    robot = yourdfpy.URDF.load(str(tmp_path / "object.urdf"), load_collision_meshes=True, build_collision_scene_graph=True)
    assert robot.validate()
    inertial = robot.link_map["mug & co"].inertial
    assert inertial.mass == pytest.approx(mass, rel=rel)
    assert_allclose(inertial.origin[:3, 3], (0.3, -0.2, 0.1), atol=1e-8)
    assert_allclose(inertial.origin[:3, :3], np.eye(3))
    assert_allclose(inertial.inertia, np.diag(moments), rtol=rel, atol=1e-9)
    assert_allclose(robot.scene.extents, mesh.extents, rtol=1e-6)
    assert_allclose(robot.collision_scene.bounds, mesh.bounds, atol=0.006 * mesh.diameter)


def test_moments_of_a_turned_body_are_the_turned_moments() -> None:
    turn = trimesh.transformations.rotation_matrix(0.7, [1, 2, 3])[:3, :3]
    solid = trimesh.creation.box((0.1, 0.2, 0.3))
    turned = body_of(Mesh(solid.vertices @ turn.T, solid.faces), 1000)
    assert_allclose(turned.inertia, turn @ np.diag(box_moments(6.0, 0.1, 0.2, 0.3)) @ turn.T, rtol=1e-9)


def test_what_is_open_has_no_mass() -> None:
    solid = trimesh.creation.box((0.1, 0.2, 0.3))
    opened = Mesh(np.asarray(solid.vertices), np.asarray(solid.faces[2:], np.int32))
    assert not is_closed(opened)
    with pytest.raises(SurfaceError, match="not closed"):
        body_of(opened, 1000)


def test_the_hull_is_convex_small_and_around_the_mesh() -> None:
    mesh = jug(0.003)
    hull = collision_hull(mesh)
    solid = trimesh.Trimesh(hull.vertices, hull.faces, process=False)
    assert solid.is_convex
    assert solid.is_volume
    assert len(hull.faces) < 400
    planes = np.einsum("ni,ni->n", solid.face_normals, solid.triangles[:, 0])
    outside = (mesh.vertices @ solid.face_normals.T - planes).max()
    assert outside <= 0.006 * mesh.diameter, "half a per cent, and what the planes of slivers are off"
    exact = trimesh.Trimesh(mesh.vertices, mesh.faces).convex_hull
    assert 0.97 * exact.volume < solid.volume <= exact.volume * (1 + 1e-9)
    assert body_of(convex_hull(mesh), 1.0).mass_kg == pytest.approx(exact.volume)


def test_ply_and_glb_are_read_by_others(tmp_path: Path) -> None:
    mesh = jug(0.006)
    mesh = Mesh(mesh.vertices, mesh.faces, np.random.default_rng(0).integers(0, 256, mesh.vertices.shape, dtype=np.uint8))
    mesh.save(tmp_path / "mesh.ply")
    mesh.save(tmp_path / "mesh.glb")
    ply = meshio.read(tmp_path / "mesh.ply")
    assert_allclose(ply.points, mesh.vertices, atol=1e-7)
    assert (ply.cells_dict["triangle"] == mesh.faces).all()
    assert mesh.colors is not None
    # meshio takes uchar for int8
    assert all((ply.point_data[name].view(np.uint8) == mesh.colors[:, i]).all() for i, name in enumerate(("red", "green", "blue")))

    glb = pygltflib.GLTF2().load(str(tmp_path / "mesh.glb"))
    (primitive,) = glb.meshes[0].primitives
    y_up = accessor(glb, primitive.attributes.POSITION, np.float32, 3)
    assert_allclose(np.column_stack([y_up[:, 0], -y_up[:, 2], y_up[:, 1]]), mesh.vertices, atol=1e-7)
    assert (accessor(glb, primitive.attributes.COLOR_0, np.uint8, 4)[:, :3] == mesh.colors).all()
    assert (accessor(glb, primitive.indices, np.uint32, 3) == mesh.faces).all()


def accessor(glb: pygltflib.GLTF2, index: int, kind: type, width: int) -> np.ndarray:
    found = glb.accessors[index]
    view = glb.bufferViews[found.bufferView]
    first = (view.byteOffset or 0) + (found.byteOffset or 0)
    assert found.componentType == {np.float32: 5126, np.uint8: 5121, np.uint32: 5125}[kind]
    count = found.count * (1 if found.type == "SCALAR" else width)
    return np.frombuffer(glb.binary_blob(), kind, count, first).reshape(-1, width)
