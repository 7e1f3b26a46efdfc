"""The self-check finds what would make a packed forward differ, and reads few tokens for it."""

import pytest
import torch

from vidalign.families import FAMILIES
from vidalign.prefix import RowBatch, SelfCheckError, SharedPrefix, attention, self_check, token_logps

SEEING = [name for name, family in FAMILIES.items() if family.vision_tower]


@pytest.fixture
def counted():
    """Tokens of each forward of a model's language model, and how often its towers ran."""

    def count(model):
        tokens, towers = [], []
        family = FAMILIES[model.config.model_type]
        model.get_input_embeddings().register_forward_hook(
            lambda m, a, output: tokens.append(output[..., 0].numel())
        )
        for path in family.vision_tower[:1]:
            model.base_model.get_submodule(path).register_forward_hook(lambda *_: towers.append(1))
        return tokens, towers

    return count


@pytest.mark.parametrize("name", list(FAMILIES))
def test_every_family_passes_and_one_line_says_so(name, row_batch):
    model, rows = row_batch(name, responses=((25, 30), (40, 9), (6, 2)))
    lines = []
    prefix = SharedPrefix(model, report=lines.append)
    token_logps(model, rows, prefix=prefix)
    assert (
        len(lines) == 1 and "equal to separate rows" in lines[0] and " s. prefix_self_check=False" in lines[0]
    )
    assert prefix._check is None
    token_logps(model, rows, prefix=prefix)
    assert len(lines) == 1


def wrong_positions(prefix, monkeypatch):
    right = prefix._positions
    monkeypatch.setattr(prefix, "_positions", lambda *args: right(*args) // 2)


def suffixes_one_position_late(prefix, monkeypatch):
    right = prefix._positions

    def late(backbone, layout, media):
        known = right(backbone, layout, media).clone()
        for group in layout.groups:
            known[..., group.start + group.prefix : group.end] += 1
        return known

    monkeypatch.setattr(prefix, "_positions", late)


def suffixes_behind_each_other(prefix, monkeypatch):
    """The second goes on where the first ends."""
    right = prefix._positions

    def behind(backbone, layout, media):
        known = right(backbone, layout, media).clone()
        for group in layout.groups:
            at = group.start + group.prefix + group.suffixes[0]
            known[..., at : group.end] += group.suffixes[0]
        return known

    monkeypatch.setattr(prefix, "_positions", behind)


def a_suffix_that_sees_the_one_before(prefix, monkeypatch):
    right = attention._suffix_mask

    def leaking(layout, number, group, query):
        mask = right(layout, number, group, query).clone()
        start = group.suffixes[0]
        mask[start:, group.prefix : group.prefix + start] = 0
        return mask

    monkeypatch.setattr(attention, "_suffix_mask", leaking)


def a_suffix_that_does_not_see_the_media(prefix, monkeypatch):
    right = attention._suffix_mask

    def blind(layout, number, group, query):
        mask = right(layout, number, group, query).clone()
        mask[:, : group.prefix // 2] = float("-inf")
        return mask

    monkeypatch.setattr(attention, "_suffix_mask", blind)


def a_prefix_that_sees_what_follows(prefix, monkeypatch):
    right = torch.nn.functional.scaled_dot_product_attention
    acausal = lambda *args, is_causal=False, **options: right(*args, **options)  # noqa: E731
    monkeypatch.setattr(attention.F, "scaled_dot_product_attention", acausal)


def features_in_another_order(prefix, monkeypatch):
    encode = prefix.encoder._run

    def turned(*args):
        features = encode(*args)
        for output in features.values():
            pooled = output.pooler_output
            several = isinstance(pooled, (list, tuple))
            output.pooler_output = type(pooled)(p.flip(0) for p in pooled) if several else pooled.flip(0)
        return features

    monkeypatch.setattr(prefix.encoder, "_run", turned)


def another_token_predicts(prefix, monkeypatch):
    pack = prefix.pack

    def late(rows):
        layout = pack(rows)
        object.__setattr__(layout, "index", (layout.index - 1).clamp(min=0))
        return layout

    monkeypatch.setattr(prefix, "pack", late)


@pytest.mark.parametrize(
    "broken",
    [
        wrong_positions,
        suffixes_one_position_late,
        suffixes_behind_each_other,
        a_suffix_that_sees_the_one_before,
        a_suffix_that_does_not_see_the_media,
        a_prefix_that_sees_what_follows,
        features_in_another_order,
        another_token_predicts,
    ],
)
@pytest.mark.parametrize("name", ["qwen2_5_vl", "qwen3_vl"])
def test_what_is_wrong_is_found(name, broken, row_batch, monkeypatch):
    model, rows = row_batch(name, responses=((25, 30), (40, 9), (6, 2)))
    prefix = SharedPrefix(model)
    broken(prefix, monkeypatch)
    with pytest.raises(SelfCheckError, match="share_prefix=False"):
        token_logps(model, rows, prefix=prefix)


def test_few_tokens_of_the_shortest_video_are_read(row_batch, counted):
    """Groups: 4 frames (the shortest prefix with media), 6 frames, text."""
    model, rows = row_batch("qwen2_5_vl", responses=((200, 150, 180), (90, 80), (60, 20)))
    tokens, towers = counted(model)
    prefix = SharedPrefix(model)
    token_logps(model, rows, prefix=prefix)
    first = prefix.pack(rows).groups[0]
    assert first.prefix == min(group.prefix for group in prefix.pack(rows).groups[:2])
    look = self_check.TOKENS
    assert tokens[:2] == [first.prefix + 2 * look, first.prefix + look]
    assert len(towers) == 3  # packed, by itself, and the batch


def test_the_way_of_attention_is_that_of_the_whole_group(row_batch, monkeypatch):
    model, rows = row_batch("qwen2_5_vl", responses=((200, 150), (90, 80), (60, 20)))
    limit = 200 * 200
    monkeypatch.setattr(attention, "_MASK_LIMIT", limit)
    prefix, seen = SharedPrefix(model), []
    right = attention.causal_lower_right
    monkeypatch.setattr(attention, "causal_lower_right", lambda *sizes: seen.append(sizes) or right(*sizes))
    token_logps(model, rows, prefix=prefix)
    assert (self_check.TOKENS, self_check.TOKENS + prefix.pack(rows).groups[0].prefix) in seen


def test_rows_by_themselves_are_looked_at_too(row_batch, monkeypatch):
    model, rows = row_batch("qwen2_5_vl", responses=((25,), (40,), (6,)))
    lines = []
    token_logps(model, rows, prefix=SharedPrefix(model, report=lines.append))
    assert len(lines) == 1
    prefix = SharedPrefix(model)
    wrong_positions(prefix, monkeypatch)
    with pytest.raises(SelfCheckError):
        token_logps(model, rows, prefix=prefix)


def test_responses_that_begin_alike_are_told_apart(row_batch):
    """The first two go apart far behind the place where the third does."""
    model, rows = row_batch("qwen2_5_vl", responses=((60, 60, 60), (3, 3), (2, 2)))
    ids = rows.input_ids.clone()
    at = [int((row != -100).nonzero()[0]) for row in rows.labels[:3]]
    ids[1, at[1] : at[1] + 50] = ids[0, at[0] : at[0] + 50]
    rows = RowBatch(ids, rows.attention_mask, ids.where(rows.labels != -100, -100), rows.group, rows.media)
    prefix = SharedPrefix(model)
    layout = prefix.pack(rows)
    pair = self_check._shortened(rows, layout.groups[0])
    short = prefix.pack(RowBatch(*pair, torch.zeros(2, dtype=torch.long), rows.media[:1]))
    assert all(short.groups[0].suffixes)
    token_logps(model, rows, prefix=prefix)


def test_a_batch_of_text_does_not_stand_for_media(row_batch, monkeypatch):
    model, rows = row_batch("qwen2_5_vl")
    text = rows.group == 2
    alone = RowBatch(
        *(t[text] for t in (rows.input_ids, rows.attention_mask, rows.labels)),
        torch.zeros(2, dtype=torch.long),
        [{}],
    )
    lines = []
    prefix = SharedPrefix(model, report=lines.append)
    for _ in range(3):
        token_logps(model, alone, prefix=prefix)
    assert len(lines) == 1
    features_in_another_order(prefix, monkeypatch)
    with pytest.raises(SelfCheckError):
        token_logps(model, rows, prefix=prefix)


def test_the_training_mode_comes_back(row_batch):
    model, rows = row_batch("qwen2_5_vl")
    model.train()
    model.model.visual.eval()
    prefix = SharedPrefix(model)
    token_logps(model, rows, prefix=prefix)
    assert model.training and not model.model.visual.training
    runs = prefix.encoder.runs
    token_logps(model, rows, prefix=prefix)
    assert prefix.encoder.runs == runs + 1
