"""What validation asks: an object partly hidden is partly seen, and where something stands in its place nothing of it is."""

import numpy as np
import pytest
from estimation_oracle import Painted, lumpy_mesh, random_pose

from reconstruction.scene import Camera, View
from reconstruction.scene.images import write_mask, write_photo
from surfemb.estimation.inputs import check_inputs
from surfemb.estimation.search import overlap
from surfemb.judging.questions import QuestionConfig, questions, unseen_pictures

CAMERA = Camera(320, 240, 330, 330, 160, 120)


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    folder, mesh = tmp_path_factory.mktemp("asked"), lumpy_mesh()
    pose = random_pose(np.random.default_rng(0), 5 * mesh.diameter, offset=0.35)
    image = Painted(mesh).picture(CAMERA, pose)
    write_photo(folder / "photo.png", image)
    write_mask(folder / "mask.png", image.max(-1) > 0)
    return View("photo", CAMERA, pose, folder / "photo.png", folder / "mask.png")


def test_each_kind_of_question_shows_what_it_says(view: View) -> None:
    mask, photo = view.mask(), view.photo()
    assert mask is not None
    config = QuestionConfig(hidden=4, strangers=2)
    asked = list(questions(view, unseen_pictures([view], lumpy_mesh().vertices, 0), config, np.random.default_rng(0)))
    assert [q.kind for q in asked] == ["box", "search", *["hidden"] * 8, "empty", "empty", "stranger", "stranger"]
    for question in asked:
        check_inputs(question.photo, question.camera, question.boxes)
        if question.camera != CAMERA:
            x0, y0 = CAMERA.project(question.camera.unproject(np.zeros((1, 2)), np.ones(1)))[0].round().astype(int)
            part = np.s_[y0 : y0 + question.camera.height, x0 : x0 + question.camera.width]
            np.testing.assert_array_equal(question.photo, photo[part])
            assert 0.25 < mask[part].sum() / mask.sum() < 0.85
            continue
        same = (question.photo == photo).all(-1)
        if question.kind == "hidden":
            assert 0.25 < same[mask].mean() < 0.85
        elif question.kind == "stranger":
            assert same[mask].mean() < 0.05
            assert question.boxes is None
        else:
            assert same.all()
        if question.kind == "empty":
            assert question.boxes is not None
            assert all(overlap(question.boxes[0], box) == 0 for q in asked for box in q.boxes or () if q.kind == "box")


def test_the_same_seed_asks_the_same(view: View) -> None:
    pictures = [unseen_pictures([view], lumpy_mesh().vertices, 3) for _ in range(2)]
    once, again = ([q.photo for q in questions(view, p, QuestionConfig(), np.random.default_rng(3))] for p in pictures)
    for a, b in zip(once, again, strict=True):
        np.testing.assert_array_equal(a, b)
