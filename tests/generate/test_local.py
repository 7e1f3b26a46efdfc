"""Samples of a model on this machine: those that stock generation gives on the same prompt, and what failed by row."""

import copy
import re
from dataclasses import replace

import pytest
import torch

from vidalign.encoding import VideoSampling
from vidalign.families import FAMILIES
from vidalign.generate import LocalModel, Sampling
from vidalign.generate.local import version_of
from vidalign.generate.sample import review_of
from vidalign.prefix import generate
from vidalign.rows import MediaFolder

SHORT = Sampling(max_new_tokens=5)


@pytest.fixture(scope="module")
def local(saved_model, media_folder):
    def load(name="qwen2_5_vl", **options):
        return LocalModel.load(
            saved_model(name), folder=MediaFolder(media_folder), dtype=torch.float32, **options
        )

    return load


def rows_of(*texts, video="0.mp4"):
    return [{"videos": [video], "prompt": [{"role": "user", "content": text}]} for text in texts]


def test_greedy_is_what_the_models_own_generate_says(local):
    model = local()
    [[sample]] = model.samples(rows_of("describe"), sampling=SHORT)
    encoded = model._encoder(rows_of("describe")[0], ()).prompt
    ids, inner = torch.tensor([encoded.input_ids]), model.model
    inner.base_model.rope_deltas = None
    output = inner.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        mm_token_type_ids=torch.where(ids == inner.config.video_token_id, 2, 0),
        suppress_tokens=sorted(FAMILIES["qwen2_5_vl"].media_token_ids(inner.config)),
        do_sample=False,
        max_new_tokens=5,
        **encoded.media,
    )[0, ids.shape[1] :]
    assert sample.text == model.processor.tokenizer.decode(output, skip_special_tokens=True).strip()
    assert (sample.tokens, sample.finish) == (len(output), "length")
    assert sample.logp is None and sample.reason is None


def test_answers_do_not_depend_on_the_batch_and_come_in_the_rows_order(local):
    rows = [*rows_of("describe", "what"), *rows_of("describe", video="1.mp4"), {"prompt": "only text"}]
    together = local(batch_size=4).samples(rows, sampling=SHORT)
    alone = local(batch_size=1).samples(rows, sampling=SHORT)
    assert together == alone


def test_several_prompts_on_a_video_decode_it_once(local, monkeypatch):
    from vidalign.encoding import encoder

    reads = []
    read = encoder.read_video
    monkeypatch.setattr(encoder, "read_video", lambda path, **o: reads.append(path) or read(path, **o))
    model = local()
    model.samples(rows_of("describe", "what", "a b c"), sampling=SHORT)
    assert len(reads) == 1


def test_samples_are_drawn_by_seed_and_carry_their_log_probs(local):
    model = local(logps=True)
    rows = rows_of("describe", "what")
    drawn = model.samples(rows, 4, Sampling(temperature=1.0, max_new_tokens=4, seed=1))
    state = torch.random.get_rng_state()
    assert model.samples(rows, 4, Sampling(temperature=1.0, max_new_tokens=4, seed=1)) == drawn
    assert model.samples(rows, 4, Sampling(temperature=1.0, max_new_tokens=4, seed=2)) != drawn
    assert torch.equal(torch.random.get_rng_state(), state), "the global random state is somebody else's"
    assert [len(samples) for samples in drawn] == [4, 4]
    # Of random weights, each token has about the log-prob of a uniform draw.
    uniform = -torch.log(torch.tensor(float(len(model.processor.tokenizer)))).item()
    for sample in (sample for samples in drawn for sample in samples):
        assert sample.logp == pytest.approx(sample.tokens * uniform, rel=0.5) and sample.logp < 0


def test_a_row_that_cannot_be_read_has_a_reason_and_the_others_go_on(saved_model, make_video, tmp_path):
    (tmp_path / "broken.mp4").write_text("no video")
    make_video(tmp_path / "good.mp4")
    model = LocalModel.load(saved_model("qwen2_5_vl"), folder=MediaFolder(tmp_path), device="cpu")
    rows = [*rows_of("describe", video="broken.mp4"), *rows_of("describe", video="good.mp4")]
    [[lost], [said]] = model.samples(rows, sampling=SHORT)
    assert lost.text is None and "broken.mp4" in lost.reason
    assert said.text is not None and said.reason is None


def test_batches_do_not_draw_the_same_random_numbers(local):
    """Of a flat model samples are the random numbers: rows of one length must not get the same ones in turn."""
    model = local(batch_size=1)
    with torch.no_grad():
        model.model.lm_head.weight.zero_()
    rows = [row for number in range(4) for row in rows_of("describe", video=f"{number}.mp4")]
    texts = [{"prompt": text} for text in ("text a", "text b", "text c", "text d")]
    for prompts in (rows, texts):
        said = model.samples(prompts, 1, Sampling(temperature=1.0, max_new_tokens=8))
        assert len({sample.text for [sample] in said}) == 4


@pytest.mark.parametrize("narrow", [{"top_k": 1}, {"top_p": 1e-6}])
def test_of_the_likeliest_token_alone_samples_are_greedy(local, narrow):
    model = local()
    [[greedy]] = model.samples(rows_of("describe"), sampling=SHORT)
    [drawn] = model.samples(rows_of("describe"), 3, Sampling(temperature=1.0, max_new_tokens=5, **narrow))
    assert drawn == [greedy] * 3


def test_a_response_that_ends_by_itself_says_so(local):
    model = local()
    encoded = model._encoder(rows_of("describe")[0], ()).prompt
    [[free]] = generate(model.model, [encoded], max_new_tokens=5, do_sample=False)
    assert free[1] not in free[:1]
    config, model.model.generation_config = (
        model.model.generation_config,
        copy.copy(model.model.generation_config),
    )
    try:
        model.model.generation_config.eos_token_id = [free[1]]
        [[sample]] = model.samples(rows_of("describe"), sampling=SHORT)
    finally:
        model.model.generation_config = config
    assert (sample.tokens, sample.finish) == (2, "stop")


def test_how_videos_are_read_is_part_of_what_responses_depend_on(local):
    settings = [
        local(sampling=sampling).settings
        for sampling in (VideoSampling(), VideoSampling(fps=1.0), VideoSampling(max_pixels=3136))
    ]
    assert len({repr(one) for one in settings}) == 3 and settings[2]["video_max_pixels"] == 3136


def test_sound_is_cut_among_the_frames_as_the_model_has_it(tmp_path):
    """transformers does not save the seconds of a chunk with a processor."""
    family = FAMILIES["qwen2_5_omni_thinker"]
    model = family.tiny_model()
    model.config.seconds_per_chunk = 1
    model.save_pretrained(tmp_path)
    family.tiny_processor().save_pretrained(tmp_path)
    loaded = LocalModel.load(str(tmp_path), device="cpu")
    assert loaded.processor.seconds_per_chunk == 1.0


def test_an_adapter_brings_its_base(local, saved_model, tmp_path):
    from peft import LoraConfig, get_peft_model

    base = FAMILIES["qwen2_5_vl"].tiny_model().from_pretrained(saved_model("qwen2_5_vl"))
    adapted = get_peft_model(base, LoraConfig(target_modules=["q_proj"], init_lora_weights=False))
    adapted.peft_config["default"].base_model_name_or_path = saved_model("qwen2_5_vl")
    adapted.save_pretrained(tmp_path)
    FAMILIES["qwen2_5_vl"].tiny_processor().save_pretrained(tmp_path)
    options = {"folder": local()._encoder.folder, "dtype": torch.float32, "logps": True}
    plain, own = (LocalModel.load(str(path), **options) for path in (saved_model("qwen2_5_vl"), tmp_path))
    one, other = (model.samples(rows_of("describe"), sampling=SHORT)[0][0] for model in (plain, own))
    assert one.logp != pytest.approx(other.logp, abs=1e-3), "the adapter is not in use"


def test_a_checkpoint_that_was_trained_further_is_another_model(local, tmp_path):
    model = FAMILIES["qwen2_5_vl"].tiny_model()
    model.save_pretrained(tmp_path)
    FAMILIES["qwen2_5_vl"].tiny_processor().save_pretrained(tmp_path)
    before, again = (LocalModel.load(str(tmp_path), device="cpu").settings for _ in range(2))
    assert before == again
    with torch.no_grad():
        model.lm_head.weight += 1
    model.save_pretrained(tmp_path)
    assert LocalModel.load(str(tmp_path), device="cpu").settings != before


def test_an_adapter_on_the_hub_brings_its_base(local, saved_model, on_hub, tmp_path):
    """At the base's commit that it was made for, whatever the base has become since."""
    from peft import LoraConfig, get_peft_model

    family = FAMILIES["qwen2_5_vl"]
    on_hub("org/base", saved_model("qwen2_5_vl"), "a" * 40)
    base = family.tiny_model().from_pretrained("org/base")
    config = LoraConfig(target_modules=["q_proj"], init_lora_weights=False, revision="a" * 40)
    get_peft_model(base, config).save_pretrained(tmp_path / "adapter")
    family.tiny_processor().save_pretrained(tmp_path / "adapter")
    on_hub("org/adapter", tmp_path / "adapter")
    family.tiny_model(seed=1).save_pretrained(tmp_path / "later")
    options = {"folder": local()._encoder.folder, "dtype": torch.float32, "logps": True}
    said = []
    for name in (str(tmp_path / "adapter"), "org/adapter", "org/adapter"):
        if len(said) == 2:
            on_hub("org/base", tmp_path / "later", "b" * 40)
        said.append(LocalModel.load(name, **options).samples(rows_of("describe"), sampling=SHORT))
    assert said[0] == said[1] == said[2]


def test_a_later_commit_on_the_hub_is_another_model(saved_model, on_hub):
    versions = []
    for commit in ("a" * 40, "b" * 40):
        on_hub("org/tiny", saved_model("qwen2_5_vl"), commit)
        versions.append(LocalModel.load("org/tiny", device="cpu").settings["version"])
    versions.append(LocalModel.load("org/tiny", revision="a" * 40, device="cpu").settings["version"])
    assert versions == ["a" * 40, "b" * 40, "a" * 40]


@pytest.mark.parametrize(
    "settings", [{"temperature": -1.0}, {"top_p": 0.0}, {"top_k": -1}, {"max_new_tokens": 0}]
)
def test_sampling_that_cannot_be(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        Sampling(**settings)


def test_several_greedy_samples_would_be_equal(local):
    with pytest.raises(ValueError, match="n=2 at temperature=0"):
        local().samples(rows_of("describe"), 2)


@pytest.mark.parametrize("contrast", [0.0, 0.5])
def test_a_retrospection_is_a_second_answer_that_sees_the_first(local, contrast, monkeypatch):
    from vidalign.encoding import encoder

    rows = [*rows_of("describe"), {"prompt": "only text"}, *rows_of("what", video="1.mp4")]
    one = Sampling(max_new_tokens=5, contrast=contrast)
    drafts = local().samples(rows, sampling=one)
    second = [
        {**row, "prompt": review_of(row["prompt"], draft.text)}
        for row, [draft] in zip(rows, drafts, strict=True)
    ]
    expected = local().samples(second, sampling=one)
    reads = []
    read = encoder.read_video
    monkeypatch.setattr(encoder, "read_video", lambda path, **o: reads.append(path) or read(path, **o))
    found = local().samples(rows, sampling=replace(one, retrospection=True))
    assert [sample.text for [sample] in found] == [sample.text for [sample] in expected]
    assert [sample.draft for [sample] in found] == [sample.text for [sample] in drafts]
    assert len(reads) == 2, "each video is decoded once"


def test_each_sample_is_put_before_the_model_again(local):
    drawn = Sampling(temperature=1.0, max_new_tokens=4, seed=1, retrospection=True)
    samples = local(logps=True).samples(rows_of("describe", "what"), 3, drawn)
    assert [len(own) for own in samples] == [3, 3]
    assert all(sample.draft and sample.text and sample.logp < 0 for own in samples for sample in own)
    first = local().samples(rows_of("describe", "what"), 3, replace(drawn, retrospection=False))
    assert [[sample.draft for sample in own] for own in samples] == [
        [sample.text for sample in own] for own in first
    ]


def test_fewer_frames_change_what_a_contrast_says_and_not_the_plain_answer(local):
    rows = rows_of("describe")
    model = local()
    plain = model.samples(rows, sampling=SHORT)
    model.samples(rows, sampling=replace(SHORT, contrast=2.0))
    assert model.samples(rows, sampling=SHORT) == plain


@pytest.mark.parametrize("bad", [{"contrast": -0.1}, {"contrast": float("nan")}])
def test_a_contrast_below_0_is_refused(bad):
    with pytest.raises(ValueError, match="contrast="):
        Sampling(**bad)


@pytest.mark.parametrize("name", ["nowhere", "no-one/nothing", "../gone"])
def test_a_model_that_is_not_there_is_named(name):
    with pytest.raises(OSError, match=f"model '{re.escape(name)}': no folder of that name here"):
        version_of(name)
