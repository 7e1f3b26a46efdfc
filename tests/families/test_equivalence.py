"""encode, media_features and positions give the logits of the model's own forward on the stock inputs."""

from __future__ import annotations

import pytest
import torch

CASES = {
    "video": (("video",), 1, 0),
    "image": (("image",), 0, 1),
    "two images": (("image", "image"), 0, 2),
    "two videos": (("video", "video"), 2, 0),
    "video, then image": (("video", "image"), 1, 1),
    "image, then video": (("image", "video"), 1, 1),
}


@pytest.mark.parametrize("case", CASES)
def test_prompt_with_media(video_built, clip, image, case):
    kinds, n_videos, n_images = CASES[case]
    videos = [clip(seed=k) for k in range(n_videos)]
    images = [image(seed=10 + k) for k in range(n_images)]
    text = video_built.prompt(*kinds)
    encoded = video_built.family.encode(video_built.processor, text, videos, images)
    assert encoded.input_ids == video_built.stock_inputs(text, videos, images)["input_ids"][0].tolist()
    stock = video_built.stock_logits(text, videos, images)
    torch.testing.assert_close(video_built.encoded_logits(encoded), stock, atol=1e-5, rtol=0)


def test_prompt_of_text(built):
    text = built.prompt(words="No pictures here.")
    encoded = built.family.encode(built.processor, text)
    assert encoded.media == {}
    assert built.processor.decode(encoded.input_ids) == text
    stock = built.model(input_ids=torch.tensor([encoded.input_ids]), use_cache=False).logits
    torch.testing.assert_close(built.encoded_logits(encoded), stock, atol=1e-5, rtol=0)


def test_no_special_token_is_added(built):
    # The template of Llama-like families writes its own BOS, and their tokenizers would add a second one.
    encoded = built.family.encode(built.processor, built.prompt())
    tokenizer = getattr(built.processor, "tokenizer", built.processor)
    assert encoded.input_ids.count(tokenizer.bos_token_id) == built.prompt().count(tokenizer.bos_token)


def test_logits_depend_on_frames_and_on_positions(video_built, clip):
    """The comparisons above would pass on a model that ignores its media; this one does not."""
    text = video_built.prompt("video")
    one = video_built.family.encode(video_built.processor, text, [clip(seed=0)])
    other = video_built.family.encode(video_built.processor, text, [clip(seed=1)])
    assert one.input_ids == other.input_ids
    last = video_built.encoded_logits(one)[0, -1]
    assert (last - video_built.encoded_logits(other)[0, -1]).abs().max() > 0.05
    ids = torch.tensor([one.input_ids])
    right = video_built.family.positions(video_built.backbone, ids, one.media)
    wrong = video_built.logits(ids, right // 2, one.media)[0, -1]
    assert (last - wrong).abs().max() > 0.01


def test_merged_prompts_of_unlike_sizes(video_built, clip, image):
    """One pass of the towers over four prompts, then a padded batch: each row as if it had come alone."""
    rows = [
        (("video",), [clip(5, 60, 84, seed=1)], []),
        (("image",), [], [image(70, 120, seed=2)]),
        ((), [], []),
        (("video",), [clip(8, 84, 56, seed=3)], []),
        (("image",), [], [image(40, 100, seed=4)]),  # fewer tiles than the other
    ]
    encoded, stock = [], []
    for kinds, videos, images in rows:
        text = video_built.prompt(*kinds)
        encoded.append(video_built.family.encode(video_built.processor, text, videos, images))
        stock.append(video_built.stock_logits(text, videos, images))
    lengths = [len(prompt.input_ids) for prompt in encoded]
    ids = torch.zeros(len(rows), max(lengths), dtype=torch.long)
    mask = torch.zeros_like(ids)
    positions = []
    for k, prompt in enumerate(encoded):
        ids[k, : lengths[k]] = torch.tensor(prompt.input_ids)
        mask[k, : lengths[k]] = 1
        own = video_built.family.positions(video_built.backbone, ids[k : k + 1, : lengths[k]], prompt.media)
        positions.append(torch.nn.functional.pad(own, (0, max(lengths) - lengths[k])))
    media = video_built.family.merge([prompt.media for prompt in encoded if prompt.media])
    shapes = {
        tuple(prompt.media["pixel_values"].shape[:2]) for prompt in encoded if "pixel_values" in prompt.media
    }
    assert len(shapes) > 1 or video_built.family.name == "video_llava", "the images need unlike shapes"
    logits = video_built.logits(ids, torch.cat(positions, dim=-2), media, attention_mask=mask)
    for k, length in enumerate(lengths):
        torch.testing.assert_close(logits[k, :length], stock[k][0], atol=1e-5, rtol=0)


def test_merged_media_pass_through_the_stock_forward(video_built, clip):
    """A row repeated with its media, as separate rows are run: merging keeps the names that forward takes."""
    text = video_built.prompt("video")
    videos = [clip()]
    encoded = video_built.family.encode(video_built.processor, text, videos)
    media = video_built.family.merge([encoded.media, encoded.media])
    inputs = video_built.stock_inputs(text, videos)
    twice = {
        key: inputs[key].repeat(2, 1)
        for key in ("input_ids", "attention_mask", "mm_token_type_ids")
        if key in inputs
    }
    with torch.no_grad():
        logits = video_built.model(**twice, **media).logits
    stock = video_built.stock_logits(text, videos)
    torch.testing.assert_close(logits, stock.expand(2, -1, -1), atol=1e-5, rtol=0)


def test_merge_of_nothing(built):
    assert built.family.merge([]) == {}


def test_positions_leave_the_state_of_generation_alone(family_named, clip):
    for name in ("qwen2_5_vl", "qwen3_vl"):
        built = family_named(name)
        encoded = built.family.encode(built.processor, built.prompt("video"), [clip()])
        before = built.backbone.rope_deltas
        built.backbone.rope_deltas = marker = torch.tensor([[7]])
        built.family.positions(built.backbone, torch.tensor([encoded.input_ids]), encoded.media)
        assert built.backbone.rope_deltas is marker
        built.backbone.rope_deltas = before


def test_positions_of_text_are_plain(built):
    ids = torch.tensor([[5, 6, 7, 8]])
    positions = built.family.positions(built.backbone, ids, {})
    mrope = built.family.name in ("qwen2_5_vl", "qwen3_vl", "qwen2_5_omni_thinker", "qwen3_omni_moe_thinker")
    plain = torch.arange(4).expand(3, 1, 4) if mrope else torch.arange(4)[None]
    assert torch.equal(positions, plain.to(positions.dtype))
    assert positions.is_floating_point() == (built.family.name == "qwen3_omni_moe_thinker")


def test_dummy_media_run_every_tower_and_projector(video_built):
    family, backbone = video_built.family, video_built.backbone
    ran = set()
    hooks = [
        backbone.get_submodule(path).register_forward_hook(lambda *_, path=path: ran.add(path))
        for path in (*family.vision_tower, *family.audio_tower)
    ]
    family.media_features(backbone, family.dummy_media(video_built.model.config))
    for hook in hooks:
        hook.remove()
    assert ran == {*family.vision_tower, *family.audio_tower}


def test_media_features_carry_gradients_to_every_tower(video_built):
    model = video_built.family.tiny_model()
    media = video_built.family.dummy_media(model.config)
    for key, tensor in media.items():
        if key.startswith(("pixel", "input_features")):
            # On zeros a tower of normalised layers without biases gives zero gradients.
            media[key] = torch.linspace(-1, 1, tensor.numel()).view_as(tensor)
    features = video_built.family.media_features(model.base_model, media)
    total = 0
    for output in features.values():
        pooled = output.pooler_output
        total = total + sum(part.float().pow(2).sum() for part in pooled)
        for level in getattr(output, "deepstack_features", None) or []:
            total = total + sum(part.float().pow(2).sum() for part in level)
    total.backward()
    family = video_built.family
    for path in (*family.vision_tower, *family.audio_tower, *family.projector):
        parameters = list(model.base_model.get_submodule(path).parameters())
        if parameters:  # a pooling projector may have none
            assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in parameters), path


def test_media_token_ids_are_the_expanded_placeholders(video_built, clip, image, sound):
    hears = {"audios": [sound()]} if video_built.family.audio_tower else {}
    kinds = ("video", "image", "audio") if hears else ("video", "image")
    text = video_built.prompt(*kinds)
    encoded = video_built.family.encode(video_built.processor, text, [clip()], [image()], **hears)
    plain = set(video_built.family.encode(video_built.processor, video_built.prompt()).input_ids)
    ids = video_built.family.media_token_ids(video_built.model.config)
    counts = {token: encoded.input_ids.count(token) for token in ids}
    assert all(count > 4 for count in counts.values()), counts
    assert not ids & plain


def test_plain_string_placeholders_are_what_the_template_writes(video_built, clip, image):
    family, processor = video_built.family, video_built.processor
    text = f"{family.video_placeholder(processor)}and {family.image_placeholder(processor)}Compare."
    encoded = family.encode(processor, text, [clip()], [image()])
    assert encoded.input_ids == video_built.stock_inputs(text, [clip()], [image()])["input_ids"][0].tolist()
    for placeholder in (family.video_placeholder(processor), family.image_placeholder(processor)):
        assert placeholder in video_built.prompt("video", "image")
