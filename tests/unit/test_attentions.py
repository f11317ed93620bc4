"""What every attention keeps, over the table of attentions, and its agreement with a dense reference."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from attention_references import REFERENCES, chains_of
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from heads.build import build_mixer
from heads.kernels.dispatch import Backend, use_backend
from heads.mixers.attention.base import Attention
from heads.mixers.block import AttentionMixer
from heads.names import ATTENTIONS
from heads.options import make_part
from heads.ragged import Segments


def with_chains(lengths: list[int]) -> Segments:
    return Segments.from_lengths(lengths, chains=[chains_of(length) for length in lengths])


HEADS, WIDTH = 4, 6
#: Shorter and longer than all windows and blocks, and one residue.
LENGTHS = [1, 300, 2, 63, 64, 1, 65, 130, 17]
SEGMENTS = with_chains(LENGTHS)
#: Options that make more of an attention show in short segments.
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "static": [{"reach": 5}],
    "random": [{"reach": 200}],
    "linear": [{"decay": 0.7}],
    "local": [{"window": 32}],
    "power": [{"window": 1}, {"window": 100}],
    "moh": [{"shared": 0, "top_k": 3}, {"shared": 3, "top_k": 1}],
    "gated": [{"gate": "element"}],
    "recalibrated": [
        {"threshold": 1.1, "share": 1.0},
        {"threshold": 1.1, "share": 1.0, "crossing": 0.24},
    ],
    "block-sparse": [{"block": 8, "top_k": 3}, {"block": 16, "top_k": 2, "rectified": False}],
    "flex": [{"block": 8, "least": 2, "most": 6}, {"block": 8, "least": 1, "divergence": 0.9, "gamma": 0.5}],
    "hierarchical": [{"chunk": 8, "top_k": 3}],
    "native-sparse": [{"block": 8, "top_k": 3, "window": 4}],
    "spans": [{"starts": [1, 2, 30, 260], "growths": [0, 0, 0.1, 0]}],
}
CASES = [(name, options) for name in ATTENTIONS for options in [{}, *OPTIONS.get(name, [])]]
every_case = pytest.mark.parametrize(("name", "options"), CASES, ids=str)
every_name = pytest.mark.parametrize("name", ATTENTIONS)


def make(
    name: str, options: dict[str, Any] | None = None, heads: int = HEADS, width: int = WIDTH
) -> Attention:
    """Make an attention whose parameters are no longer those of the start."""
    torch.manual_seed(0)
    attention = make_part(ATTENTIONS, name, heads, width, options=options)
    assert isinstance(attention, Attention)
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return attention.eval()


def inputs(
    segments: Segments = SEGMENTS, heads: int = HEADS, width: int = WIDTH, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(segments.rows, heads, width, generator=generator).to(dtype) for _ in range(3)]


def by_reference(name: str, attention: Attention, parts: list[Tensor], segments: Segments) -> Tensor:
    rows = zip(*(part.split(segments.lengths) for part in parts), strict=True)
    return torch.cat(
        [REFERENCES[name](attention, *(each.transpose(0, 1) for each in row)).transpose(0, 1) for row in rows]
    )


@every_case
def test_results_and_gradients_equal_the_reference(name: str, options: dict[str, Any]) -> None:
    attention, parts = make(name, options).double(), [part.requires_grad_() for part in inputs()]
    weights = [*parts, *attention.parameters()]
    found, expected = attention(*parts, SEGMENTS), by_reference(name, attention, parts, SEGMENTS)
    torch.testing.assert_close(found, expected)
    direction = torch.randn_like(expected)
    gradients, exact = (
        torch.autograd.grad((result * direction).sum(), weights, allow_unused=True)
        for result in (found, expected)
    )
    for one, other in zip(gradients, exact, strict=True):
        zero = torch.zeros(())
        torch.testing.assert_close(
            zero if one is None else one.norm(), zero if other is None else other.norm(), check_dtype=False
        )
        if one is not None and other is not None:
            torch.testing.assert_close(one, other, atol=1e-9, rtol=1e-6)


@every_case
def test_segments_never_mix(name: str, options: dict[str, Any]) -> None:
    attention, parts = make(name, options).double(), inputs()
    together = attention(*parts, SEGMENTS).split(LENGTHS)
    for number, length in enumerate(LENGTHS):
        alone = attention(*(part.split(LENGTHS)[number] for part in parts), with_chains([length]))
        torch.testing.assert_close(together[number], alone, atol=1e-12, rtol=1e-12)


@every_case
def test_weights_are_those_of_the_results(name: str, options: dict[str, Any]) -> None:
    attention, (query, key, value) = make(name, options).double(), inputs()
    weights = attention.weights(query, key, SEGMENTS)
    if weights is None:
        assert not attention.forms_weights
        return
    assert attention.forms_weights
    if name == "gated":  # Its weights are those before the gate.
        attention = make("softmax")
    assert [tuple(each.shape) for each in weights] == [(HEADS, length, length) for length in LENGTHS]
    mixed = [each @ rows.transpose(0, 1) for each, rows in zip(weights, value.split(LENGTHS), strict=True)]
    found = attention(query, key, value, SEGMENTS)
    torch.testing.assert_close(found, torch.cat([each.transpose(0, 1) for each in mixed]))


@every_case
def test_rows_of_zeros_give_finite_values_and_gradients(name: str, options: dict[str, Any]) -> None:
    attention = make(name, options)
    parts = [torch.zeros(SEGMENTS.rows, HEADS, WIDTH, requires_grad=True) for _ in range(3)]
    found = attention(*parts, SEGMENTS)
    found.sum().backward()
    tensors = [found, *(part.grad for part in (*parts, *attention.parameters()) if part.grad is not None)]
    assert all(torch.isfinite(each).all() for each in tensors)


@every_case
def test_one_residue(name: str, options: dict[str, Any]) -> None:
    one = with_chains([1])
    attention, parts = make(name, options).double(), inputs(one)
    torch.testing.assert_close(attention(*parts, one), by_reference(name, attention, parts, one))


@every_case
def test_bfloat16_is_close(name: str, options: dict[str, Any]) -> None:
    attention = make(name, options)
    parts = inputs(dtype=torch.bfloat16)
    found = attention(*parts, SEGMENTS)
    exact = by_reference(name, attention.double(), [part.double() for part in parts], SEGMENTS)
    assert found.dtype == torch.bfloat16
    assert (found - exact).norm() < 0.03 * exact.norm()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("backend", ["reference", "triton"])
@pytest.mark.parametrize(
    ("dtype", "error", "width"), [(torch.float32, 1e-4, WIDTH), (torch.bfloat16, 0.03, 8)], ids=str
)
@every_case
def test_a_gpu_agrees_with_the_reference(
    name: str, options: dict[str, Any], dtype: torch.dtype, error: float, width: int, backend: Backend
) -> None:
    # Flash attention, in bfloat16, needs a width that 8 divides.
    attention, parts = make(name, options, width=width), inputs(width=width, dtype=dtype)
    direction = torch.randn(parts[0].shape, generator=torch.Generator().manual_seed(2)).to(dtype)
    exact = [part.double().requires_grad_() for part in parts]
    result = by_reference(name, attention.double(), exact, SEGMENTS)
    result.backward(direction.double())
    there = [part.cuda().requires_grad_() for part in parts]
    with use_backend(backend):
        found = attention.float().cuda()(*there, SEGMENTS.to("cuda"))
        found.backward(direction.cuda())
    pairs = [(found, result), *((one.grad, other.grad) for one, other in zip(there, exact, strict=True))]
    for one, other in pairs:
        if one is None or other is None:
            assert one is other
            continue
        assert one.dtype == dtype
        assert (one.cpu().double() - other).norm() <= error * other.norm()


@every_name
def test_order_matters_where_it_is_declared(name: str) -> None:
    attention, parts = make(name, OPTIONS.get(name, [{}])[0]).double(), inputs()
    order = torch.cat(
        [torch.randperm(length) + start for length, start in zip(LENGTHS, SEGMENTS.bounds[:-1], strict=True)]
    )
    kept = attention(*parts, SEGMENTS)[order]
    permuted = attention(*(part[order] for part in parts), SEGMENTS)
    assert torch.allclose(kept, permuted) != attention.order_sensitive


@every_name
def test_a_compiled_mixer_equals_the_plain_one(name: str) -> None:
    torch.manual_seed(0)
    mixer = build_mixer("attention", HEADS * WIDTH, {"attention": name, "heads": HEADS}).eval()
    values = inputs(dtype=torch.float32)[0].flatten(1)
    found = torch.compile(mixer, backend="aot_eager")(values, SEGMENTS)
    torch.testing.assert_close(found, mixer(values, SEGMENTS))


@every_name
def test_mixers_run_in_bfloat16_and_train(name: str) -> None:
    torch.manual_seed(0)
    mixer = build_mixer("attention", HEADS * WIDTH, {"attention": name, "heads": HEADS})
    assert isinstance(mixer, AttentionMixer)
    values = inputs(dtype=torch.float32)[0].flatten(1)
    with torch.autocast("cpu", torch.bfloat16):
        loss = mixer(values, SEGMENTS).float().square().mean()
    loss.backward()
    assert all(torch.isfinite(each.grad).all() for each in mixer.parameters() if each.grad is not None)
    assert mixer.attentions[0].about is not None, "ppi info attentions has nothing to say about it"


class LargestTensor(TorchDispatchMode):
    """Keeps the number of elements of the largest tensor that an operation makes."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        for each in made if isinstance(made, tuple | list) else (made,):
            if isinstance(each, Tensor) and each.untyped_storage().nbytes() >= each.nbytes:
                self.elements = max(self.elements, each.numel())
        return made


@every_name
def test_memory_of_10_000_residues_grows_as_stated(name: str) -> None:
    """Memory is linear but for the compressed scores of some, of which a row has n / 64."""
    attention, largest = make(name, heads=2, width=4), list[int]()
    assert attention.about is not None
    square = "memory" in attention.about.cost
    for length in (1_000, 2_000) if square else (5_000, 10_000):
        segments = with_chains([length])
        with torch.no_grad(), LargestTensor() as made:
            found = attention(*inputs(segments, 2, 4, torch.float32), segments)
        assert torch.isfinite(found).all()
        largest.append(made.elements)
    if square:
        assert largest[1] <= 4 * largest[0]
    elif "n^2 / " in attention.about.cost:
        assert largest[1] <= 2 * 10_000**2 / 32
    else:
        assert largest[1] <= 2.2 * largest[0]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("linear", {"decay": 1}, "decay of attention linear is 1; it must be a number above 0 and below 1"),
        ("linear", {"decay": 0.0}, "it must be a number above 0 and below 1"),
        ("local", {"window": 0}, "window of attention local is 0; it must be a whole number of at least 1"),
        ("local", {"window": 33}, "it must be a whole number of at least 1 and at most 32"),
        ("power", {"window": 0}, "window of attention power is 0; it must be a whole number of at least 1"),
        (
            "spans",
            {"starts": 0},
            "starts of attention spans is .*; it must be a whole number of at least 1 or",
        ),
        ("spans", {"growths": [0.5]}, "growths has 1 values, but there are 8 heads; give one value for each"),
        ("static", {"reach": 0}, "reach of attention static is 0; it must be a whole number of at least 1"),
    ],
)
def test_unfit_options(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_mixer("attention", 48, {"attention": name, "attention_options": options})


def test_wide_windows_of_long_segments_equal_the_reference() -> None:
    segments = Segments.from_lengths([1500, 30, 1100])
    attention = make("spans", {"starts": [3, 300, 20, 1200], "growths": [0.0, 0.1, 0.0, 0.5]}).double()
    parts = inputs(segments)
    expected = by_reference("spans", attention, parts, segments)
    torch.testing.assert_close(attention(*parts, segments), expected)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_the_reach_of_power_attention_doubles_with_each_block(depth: int) -> None:
    """A change of one row reaches every row within 2^depth - 1, as far as the chain is long."""
    blocks = [make("power", {"window": 1}).double() for _ in range(depth)]
    segments = Segments.from_lengths([2**depth])
    query, key, value = inputs(segments)
    value.requires_grad_()
    mixed = value
    for block in blocks:
        mixed = block(query, key, mixed, segments)
    (gradient,) = torch.autograd.grad(mixed[0].sum(), value)
    assert (gradient.abs().sum((1, 2)) > 0).all()


def test_rectified_sparse_attention_is_closer_to_dense_than_plain() -> None:
    """Keys that resemble their neighbours, as those of a chain do."""
    segments = Segments.from_lengths([600])
    query, key, value = inputs(segments)
    regions = torch.randn(60, HEADS, WIDTH, generator=torch.Generator().manual_seed(2)).double()
    key = 0.5 * key + regions.repeat_interleave(10, 0)
    dense = make("softmax")(query, key, value, segments)
    errors = []
    for rectified in (True, False):
        sparse = make("block-sparse", {"block": 10, "top_k": 8, "rectified": rectified})
        errors.append(float((sparse(query, key, value, segments) - dense).norm() / dense.norm()))
    assert errors[0] < 0.7 * errors[1]


def test_moh_takes_half_of_the_heads_and_pays_for_an_uneven_load() -> None:
    attention = make("moh", heads=8)
    parts = inputs(heads=8, dtype=torch.float32)
    gates, _ = attention.route(parts[0])
    assert torch.equal((gates > 0).sum(1), torch.full((SEGMENTS.rows,), 4))
    attention(*parts, SEGMENTS)
    assert attention.auxiliary_loss() is None
    attention.train()(*parts, SEGMENTS)
    uneven = attention.auxiliary_loss()
    with torch.no_grad():
        attention.router.weight.zero_()
    attention(*parts, SEGMENTS)
    even = attention.auxiliary_loss()
    torch.testing.assert_close(even, torch.tensor(attention.balance))
    assert uneven > even


def test_a_wrapper_passes_on_the_loss_of_the_attention_inside() -> None:
    attention = make("gated", {"inner": "moh", "inner_options": {"top_k": 1}}).train()
    attention(*inputs(dtype=torch.float32), SEGMENTS)
    assert attention.auxiliary_loss() > 0


@pytest.mark.parametrize("inner", ["linear", "power", "native-sparse"])
def test_wrappers_take_any_attention(inner: str) -> None:
    segments = Segments.from_lengths([1, 40, 700])
    parts = inputs(segments)
    plain = make(inner).double()
    for wrapper in ("gated", "moh"):
        wrapped = make(wrapper, {"inner": inner}).double()
        wrapped.inner.load_state_dict(plain.state_dict())
        expected = plain(*parts, segments)
        if wrapper == "gated":
            gate = torch.einsum("thd,hdg->thg", parts[0], wrapped.projection).sigmoid()
        else:
            gate = wrapped.route(parts[0])[0].unsqueeze(2)
        torch.testing.assert_close(wrapped(*parts, segments), expected * gate)


def test_recalibration_leaves_training_and_flat_attention_alone() -> None:
    attention, plain, parts = make("recalibrated"), make("softmax"), inputs()
    flat = [torch.zeros_like(parts[0]), *parts[1:]]
    torch.testing.assert_close(attention(*flat, SEGMENTS), plain(*flat, SEGMENTS))
    query, key, value = parts
    key = key.clone()
    key[100] = 30 * query.mean(0)  # A row of the second segment that all others attend.
    sunk = (query.abs(), key.abs(), value)
    assert not torch.allclose(attention(*sunk, SEGMENTS), plain(*sunk, SEGMENTS))
    torch.testing.assert_close(attention.train()(*sunk, SEGMENTS), plain(*sunk, SEGMENTS))


def test_only_partner_centric_heads_are_recalibrated() -> None:
    segments = Segments.from_lengths([60, 60], chains=[((0, 30), (1, 30)), ((0, 60),)])
    query, key, _ = inputs(segments)
    sides = torch.tensor([0.0] * 30 + [1.0] * 30 + [0.0] * 60, dtype=torch.float64)
    signs = (2 * sides - 1).unsqueeze(1).expand(-1, WIDTH)
    query[:, 0], key[:, 0] = 2 * signs, -2 * signs  # The first head looks at the other side.
    query[:, 1], key[:, 1] = 2 * signs, 2 * signs  # The second one looks at its own.
    key[[3, 63]] = key[[3, 63]] + 3 * query.sign()[[50, 110]]
    changes = {}
    for crossing in (None, 0.5):
        wrapped = make("recalibrated", {"threshold": 2.0, "crossing": crossing}).double()
        plain = make("softmax").weights(query, key, segments)
        pairs = zip(wrapped.weights(query, key, segments), plain, strict=True)
        changes[crossing] = torch.stack([(new - old).abs().amax((1, 2)) > 1e-6 for new, old in pairs])
    assert changes[0.5][0].tolist() == [bool(changes[None][0, 0]), False, False, False]
    assert not changes[0.5][1].any()  # This segment has one side.
    assert changes[None].any(1).all()
    with pytest.raises(ValueError, match="with a crossing needs the chains of each segment"):
        make("recalibrated", {"crossing": 0.5})(*inputs(dtype=torch.float32), Segments.from_lengths(LENGTHS))


def test_flex_trusts_the_means_or_the_stripes() -> None:
    """A head whose mean query says nothing of its rows takes stripes; one with flat scores trusts means."""
    segments = Segments.from_lengths([400])
    attention = make("flex", {"block": 8, "least": 2, "most": 8}, heads=2)
    query, key, _ = inputs(segments, heads=2)
    query[:, 0], key[:, 0] = 0.01 * query[:, 0], 0.01 * key[:, 0]
    query[:, 1], key[:, 1] = 6 * query[:, 1], 6 * key[:, 1]
    chosen = attention.selection(query, key, segments).chosen.sum(2)
    assert (chosen[:, 0] <= 9).all()  # As many as are allowed, and the block itself.
    assert (chosen[10:-10, 1] != chosen[10, 1]).any()  # Diagonals leave the segment at its ends.


def test_isolated_attention_needs_to_know_the_chains() -> None:
    unknown = Segments.from_lengths(LENGTHS)
    with pytest.raises(ValueError, match="isolated attention needs the chains of each segment"):
        make("isolated")(*inputs(dtype=torch.float32), unknown)
