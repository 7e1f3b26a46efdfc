"""Every backend against one dense mask in float64, written in another way."""

import pytest
import torch

from vidalign.prefix import attention, pack_rows

HEADS, KV_HEADS, DIM = 4, 2, 8


def layout_of(shapes):
    """shapes: (prefix, suffix lengths) per group; every token gets its own id, so only the prefix is common."""
    rows, group, token = [], [], 1
    for number, (prefix, suffixes) in enumerate(shapes):
        shared = list(range(token, token + prefix))
        token += prefix
        for length in suffixes:
            rows.append(shared + list(range(token, token + length)))
            token += length
            group.append(number)
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return pack_rows(ids, mask, ids.masked_fill(mask == 0, -100), torch.tensor(group))


def dense(query, key, value, layout, scaling):
    owner = {}
    for number, group in enumerate(layout.groups):
        position = group.start
        for _ in range(group.prefix):
            owner[position] = (number, None)
            position += 1
        for suffix, length in enumerate(group.suffixes):
            for _ in range(length):
                owner[position] = (number, suffix)
                position += 1
    n = layout.tokens
    visible = torch.zeros(n, n, dtype=torch.bool)
    for i in range(n):
        for j in range(i + 1):
            visible[i, j] = owner[i][0] == owner[j][0] and owner[j][1] in (None, owner[i][1])
    repeat = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(repeat, 1), value.repeat_interleave(repeat, 1)
    scores = (query @ key.transpose(-1, -2)) * scaling
    return scores.masked_fill(~visible, float("-inf")).softmax(-1) @ value


SHAPES = [
    [(7, (3, 5))],
    [(6, (1, 4, 2)), (1, (2, 2)), (9, (0,)), (3, (0, 4))],
    [(12, (0,))],
    [(0, (3, 2))],
]


def tensors(layout, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(1, heads, layout.tokens, DIM, generator=generator, dtype=dtype).requires_grad_()
        for heads in (HEADS, KV_HEADS, KV_HEADS)
    ]


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("limit", [2**25, 0], ids=["one mask", "suffix by suffix"])
def test_sdpa_equals_a_dense_mask(shapes, limit, monkeypatch):
    monkeypatch.setattr(attention, "_MASK_LIMIT", limit)
    layout = layout_of(shapes)
    inputs = tensors(layout)
    expected = dense(*inputs, layout, 0.3)
    weights = torch.randn_like(expected)
    expected_grads = torch.autograd.grad((expected * weights).sum(), inputs)
    output = attention.sdpa(*inputs, layout, scaling=0.3)
    grads = torch.autograd.grad((output * weights).sum(), inputs)
    torch.testing.assert_close(output, expected, atol=1e-12, rtol=0)
    for grad, expected_grad in zip(grads, expected_grads, strict=True):
        torch.testing.assert_close(grad, expected_grad, atol=1e-12, rtol=0)


@pytest.mark.parametrize("shapes", SHAPES[:3])
def test_flex_equals_a_dense_mask(shapes):
    """Forward only: FlexAttention has no backward on the CPU."""
    layout = layout_of(shapes)
    inputs = [tensor.detach() for tensor in tensors(layout, torch.float32)]
    torch.testing.assert_close(
        attention.flex(*inputs, layout, scaling=0.3), dense(*inputs, layout, 0.3), atol=1e-5, rtol=0
    )


@pytest.mark.gpu
def test_flex_on_cuda_has_the_same_gradients():
    layout = layout_of([(300, (40, 70)), (129, (5, 9, 33))])
    inputs = [tensor.detach().cuda().requires_grad_() for tensor in tensors(layout, torch.float32)]
    expected = attention.sdpa(*inputs, layout, scaling=0.3)
    output = attention.flex(*inputs, layout, scaling=0.3)
    torch.testing.assert_close(output, expected, atol=2e-3, rtol=0)
    for one, other in zip(
        torch.autograd.grad(output.sum(), inputs), torch.autograd.grad(expected.sum(), inputs), strict=True
    ):
        torch.testing.assert_close(one, other, atol=2e-2, rtol=0)


def flash_stand_in(q, k, v, ends_q, ends_k, longest_q, longest_k, *, dropout_p, softmax_scale, causal):
    """MOCK of `flash_attn_varlen_func`, which needs a GPU: its documented contract, sequence by sequence."""
    assert causal and dropout_p == 0 and ends_q.dtype == ends_k.dtype == torch.int32
    assert longest_q == int(ends_q.diff().max()) and longest_k == int(ends_k.diff().max())
    outputs = []
    repeat = q.shape[1] // k.shape[1]
    for i in range(len(ends_q) - 1):
        own = q[ends_q[i] : ends_q[i + 1]]
        keys, values = (x[ends_k[i] : ends_k[i + 1]].repeat_interleave(repeat, 1) for x in (k, v))
        scores = torch.einsum("qhd,khd->hqk", own, keys) * softmax_scale
        hidden = torch.ones(scores.shape[1:], dtype=torch.bool).tril(len(keys) - len(own)).logical_not()
        outputs.append(
            torch.einsum("hqk,khd->qhd", scores.masked_fill(hidden, float("-inf")).softmax(-1), values)
        )
    return torch.cat(outputs)


@pytest.mark.parametrize("shapes", SHAPES)
def test_flash_call_follows_its_contract(shapes, monkeypatch):
    monkeypatch.setattr(attention, "_flash_varlen", lambda: flash_stand_in)
    layout = layout_of(shapes)
    inputs = [tensor.detach() for tensor in tensors(layout)]
    torch.testing.assert_close(
        attention.flash(*inputs, layout, scaling=0.3), dense(*inputs, layout, 0.3), atol=1e-12, rtol=0
    )


def test_no_square_mask_is_built():
    layout = layout_of([(4000, (10, 10))])
    inputs = [tensor.detach() for tensor in tensors(layout, torch.float32)]
    attention.sdpa(*inputs, layout)
    masks = [value for key, value in layout.cache.items() if key[0] == "suffix_mask"]
    assert [tuple(mask.shape) for mask in masks] == [(20, 4020)]


def test_unknown_backend_lists_the_known():
    from vidalign.families import FAMILIES

    with pytest.raises(ValueError, match="sdpa, flex, flash"):
        attention.install(FAMILIES["llama"].tiny_model().config, "fast")
