"""Where time passes faster than tokens, what follows a video goes on below its last frame's position."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vidalign.families import FAMILIES
from vidalign.prefix import RowBatch, SharedPrefix, generate, token_logps

NAMES = [name for name, family in FAMILIES.items() if family.vision_tower]
SOUND = {name: (None, 1.0, 30.0) if FAMILIES[name].audio_tower else (None,) for name in NAMES}
CASES = [(name, sound) for name in NAMES for sound in SOUND[name]]


@pytest.fixture
def slow_clip():
    """A prompt with a clip of 20 s and one word after it, with that many seconds of sound."""

    def build(name, sound):
        family = FAMILIES[name]
        model, processor = family.tiny_model(), family.tiny_processor()
        rng = np.random.default_rng(0)
        clip = SimpleNamespace(
            frames=rng.integers(0, 255, (10, 56, 56, 3)).astype("uint8"),
            timestamps=np.arange(10) * 2.0,
            duration=20.0,
            fps=0.5,
        )
        given = {}
        if sound:
            given["soundtracks"] = [0.1 * rng.standard_normal(int(16000 * sound)).astype("float32")]
        mark = family.video_placeholder(processor)
        return model, family.encode(processor, f"{mark} a", [clip], **given)

    return build


@pytest.mark.parametrize(("name", "sound"), CASES)
def test_suffixes_go_on_where_whole_rows_do(name, sound, slow_clip):
    model, prompt = slow_clip(name, sound)
    ids = torch.tensor([[*prompt.input_ids, *own] for own in ((65, 66, 67), (70, 71, 72))])
    labels = ids.clone()
    labels[:, : len(prompt.input_ids)] = -100
    rows = RowBatch(ids, torch.ones_like(ids), labels, torch.tensor([0, 0]), [prompt.media])
    shared, separate = (
        token_logps(model, rows, prefix=SharedPrefix(model, self_check=False, share=share))
        for share in (True, False)
    )
    assert float(separate.detach().abs().max()) > 0
    torch.testing.assert_close(shared, separate, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("name", "sound"), CASES)
def test_generated_tokens_are_those_that_scoring_finds_likeliest(name, sound, slow_clip):
    model, prompt = slow_clip(name, sound)
    response = generate(model, [prompt], max_new_tokens=5, do_sample=False)[0][0]
    family = FAMILIES[name]
    ids = torch.tensor([prompt.input_ids + response])
    with torch.no_grad():
        features = family.media_features(model.base_model, prompt.media)
        hidden = model.base_model(
            input_ids=ids,
            position_ids=family.positions(model.base_model, ids, prompt.media),
            use_cache=False,
            **family.backbone_inputs(model.base_model, ids, features),
        ).last_hidden_state
        logits = model.get_output_embeddings()(hidden)[0, len(prompt.input_ids) - 1 : -1]
    logits[:, sorted(family.media_token_ids(model.config))] = -torch.inf
    assert logits.argmax(-1).tolist() == response
