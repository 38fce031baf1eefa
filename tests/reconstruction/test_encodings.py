"""Every encoding gives the same features, Jacobians and gradients as the plain torch one.

Triton's kernels run where there is a GPU, or anywhere in its interpreter (`TRITON_INTERPRET=1`, `pip install triton`).
"""

from __future__ import annotations

import copy
import importlib.util
import os

import numba
import pytest
import torch

from reconstruction.encodings import Encoding, HashGridConfig, make_encoding
from reconstruction.errors import BackendMissing, InputError

CONFIG = HashGridConfig(levels=5, coarsest=4, finest=60, log2_entries=12)  # the first levels dense, the last ones hashed


@pytest.fixture
def pair() -> tuple[Encoding, Encoding]:
    torch.manual_seed(0)
    reference, fast = make_encoding(CONFIG, "torch"), make_encoding(CONFIG, "numba")
    torch.nn.init.normal_(reference.table)
    fast.load_state_dict(reference.state_dict())
    return reference, fast


@pytest.fixture
def points() -> torch.Tensor:
    inside = torch.rand(5000, 3, generator=torch.Generator().manual_seed(1))
    return torch.cat([inside, torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [1.0, 0.5, 0.0]])])


@pytest.mark.parametrize("active", [2, 5])
def test_numba_matches_torch(pair: tuple[Encoding, Encoding], points: torch.Tensor, active: int) -> None:
    assert_same(*pair, points, active)


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed: it comes with torch for GPUs")
@pytest.mark.skipif(
    not torch.cuda.is_available() and "TRITON_INTERPRET" not in os.environ, reason="no GPU, and TRITON_INTERPRET is not set"
)
@pytest.mark.parametrize("active", [2, 5])
def test_triton_matches_torch(pair: tuple[Encoding, Encoding], points: torch.Tensor, active: int) -> None:
    device = "cpu" if "TRITON_INTERPRET" in os.environ else "cuda"
    fast = make_encoding(CONFIG, "triton")
    fast.load_state_dict(pair[0].state_dict())
    assert_same(pair[0].to(device), fast.to(device), points.to(device), active)


def assert_same(reference: Encoding, other: Encoding, points: torch.Tensor, active: int) -> None:
    torch.manual_seed(2)
    by_features, by_jacobian = torch.randn(len(points), CONFIG.width), torch.randn(len(points), CONFIG.width, 3)
    by_features, by_jacobian = by_features.to(points), by_jacobian.to(points)
    results = []
    for encoding in (reference, other):
        features, jacobian = encoding.with_jacobian(points, active)
        ((features * by_features).sum() + (jacobian * by_jacobian).sum()).backward()
        from_both = encoding.table.grad.clone()
        encoding.table.grad = None
        plain = encoding(points, active)
        (plain * by_features).sum().backward()
        results.append((features, jacobian, from_both, plain, encoding.table.grad))
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-4 * float(expected.detach().abs().max()) / 10)


def test_gradients_are_the_same_bits_each_time(pair: tuple[Encoding, Encoding], points: torch.Tensor) -> None:
    """Whatever the number of threads: trainings of one seed must agree."""
    grads = []
    for _ in range(3):
        features, jacobian = pair[1].with_jacobian(points, 5)
        grads.append(torch.autograd.grad(features.square().sum() + jacobian.square().sum(), pair[1].table)[0])
    assert torch.equal(grads[0], grads[1])
    assert torch.equal(grads[0], grads[2])


@pytest.mark.parametrize("active", [2, 5])
def test_numba_decodes_as_torch_in_double_precision(pair: tuple[Encoding, Encoding], points: torch.Tensor, active: int) -> None:
    """Value, slope and the gradients of everything that is learnt, from the value alone and from both; 5,003 points fill no block."""
    torch.manual_seed(3)
    by_value, by_slope = torch.randn(len(points)), torch.randn(len(points), 3)
    layers = torch.nn.Linear(3 + CONFIG.width, 32), torch.nn.Linear(32, 1)
    results: list[list[torch.Tensor]] = []
    for encoding, dtype in zip(pair, (torch.float64, torch.float32), strict=True):
        hidden, out = (copy.deepcopy(layer).to(dtype) for layer in layers)
        learnt = [*encoding.to(dtype).parameters(), *hidden.parameters(), *out.parameters()]
        plain = encoding.decoded(points.to(dtype), active, hidden, out)
        value, slope = encoding.decoded_with_slope(points.to(dtype), active, hidden, out)
        both = (value * by_value).sum() + (slope * by_slope).sum()
        found = [plain, value, slope, *torch.autograd.grad((plain * by_value).sum(), learnt), *torch.autograd.grad(both, learnt)]
        results.append([tensor.detach().double() for tensor in found])
    for expected, found in zip(*results, strict=True):
        assert (found - expected).norm() < 2e-5 * expected.norm()


def test_decoding_gives_the_same_bits_on_any_number_of_threads(pair: tuple[Encoding, Encoding], points: torch.Tensor) -> None:
    torch.manual_seed(3)
    hidden, out = torch.nn.Linear(3 + CONFIG.width, 64), torch.nn.Linear(64, 1)
    learnt, threads, found = [pair[1].table, *hidden.parameters(), *out.parameters()], numba.get_num_threads(), []
    try:
        for count in (1, threads):
            numba.set_num_threads(count)
            value, slope = pair[1].decoded_with_slope(points, 5, hidden, out)
            found.append([value, slope, *torch.autograd.grad(value.square().sum() + slope.square().sum(), learnt)])
    finally:
        numba.set_num_threads(threads)
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("name", ["torch", "numba"])
def test_jacobian_is_the_derivative(name: str, pair: tuple[Encoding, Encoding], points: torch.Tensor) -> None:
    encoding = pair[name == "numba"].double() if name == "torch" else pair[1]
    centre = points[:200].to(encoding.table.dtype)
    # Stay clear of cell faces, where a trilinear function has a kink.
    cells = torch.as_tensor(CONFIG.cells)
    place = (centre[:, None] * cells[:, None]) % 1
    centre = centre[((place > 0.02) & (place < 0.98)).all(-1).all(-1)]
    _, jacobian = encoding.with_jacobian(centre, CONFIG.levels)
    step = 5e-3 / CONFIG.finest
    for axis in range(3):
        shift = torch.zeros(3, dtype=centre.dtype)
        shift[axis] = step
        slope = (encoding(centre + shift, CONFIG.levels) - encoding(centre - shift, CONFIG.levels)) / (2 * step)
        torch.testing.assert_close(jacobian[:, :, axis], slope, rtol=0.02, atol=0.3 if name == "numba" else 1e-6)


def test_locked_levels_are_zero(pair: tuple[Encoding, Encoding], points: torch.Tensor) -> None:
    for encoding in pair:
        features, jacobian = encoding.with_jacobian(points, 2)
        assert features[:, 4:].abs().max() == 0
        assert jacobian[:, 4:].abs().max() == 0
        assert features[:, :4].abs().min() > 0


def test_missing_backends_say_so() -> None:
    with pytest.raises(BackendMissing, match="tiny-cuda-nn"):
        make_encoding(CONFIG, "tcnn")
    with pytest.raises(InputError, match="numba"):
        make_encoding(CONFIG, "cuda")
