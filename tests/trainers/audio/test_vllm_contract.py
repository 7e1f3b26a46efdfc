"""vLLM rollouts, against a MOCK of the engine: this machine cannot run vLLM. TRL's own `VLLMGeneration` stands between; the
mock expands prompts by a real processor from the frames and samples that it is given, as vLLM does."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from trl.generation import vllm_generation

from vidalign.families import FAMILIES
from vidalign.families.family import EncodedPrompt
from vidalign.trainers.online.engine import EngineMismatch, RolloutEngine, rollout_prompt


class MockEngine:
    """MOCK of `vllm.LLM`: reads prompts with `processor`, and answers with fixed tokens."""

    def __init__(self, processor):
        self.processor, self.requests, self.parameters = processor, [], None

    def generate(self, prompts, sampling_params=None, use_tqdm=True):
        self.requests, self.parameters = prompts, sampling_params
        return [
            SimpleNamespace(
                prompt_token_ids=self._read(prompt),
                outputs=[
                    SimpleNamespace(
                        token_ids=[40 + number % 5, 50, 60 + number % 3],
                        logprobs=[{0: SimpleNamespace(rank=1, logprob=-1.0)}] * 3,
                    )
                ],
            )
            for number, prompt in enumerate(prompts)
        ]

    def _read(self, prompt):
        text = self.processor.tokenizer.decode(prompt["prompt_token_ids"])
        media, options = prompt.get("multi_modal_data", {}), prompt.get("mm_processor_kwargs", {})
        if not media:
            return prompt["prompt_token_ids"]
        given = {}
        if "video" in media:
            given["videos"] = [frames for frames, _ in media["video"]]
            own = {"do_sample_frames": options["do_sample_frames"], **options.get("videos_kwargs", {})}
            own |= {"fps": options["fps"]} if "fps" in options else {}
            metadata = [
                {k: v for k, v in known.items() if k != "do_sample_frames"} for _, known in media["video"]
            ]
            given["videos_kwargs"] = {**own, "video_metadata": metadata, "input_data_format": "channels_last"}
        if "audio" in media:
            assert {rate for _, rate in media["audio"]} == {16000}
            given["audio"] = [samples for samples, _ in media["audio"]]
            if options.get("use_audio_in_video"):
                given |= {
                    "load_audio_from_video": True,
                    "audio_from_video_indices": list(range(len(media["audio"]))),
                }
        batch = self.processor(
            text=[text], text_kwargs={"add_special_tokens": False}, return_tensors="pt", **given
        )
        return batch["input_ids"][0].tolist()


@pytest.fixture
def engine_of(monkeypatch):
    """Puts the MOCK behind TRL's generation; what the engine was asked is in its `requests`."""
    made = []

    def initialise(self):
        made.append(MockEngine(self.processing_class))
        self.llm, self._llm_weights_sleeping = made[-1], False

    monkeypatch.setattr(vllm_generation.VLLMGeneration, "_init_vllm", initialise)
    monkeypatch.setattr(vllm_generation.VLLMGeneration, "sync_weights", lambda self: None)
    monkeypatch.setattr(vllm_generation, "SamplingParams", SimpleNamespace, raising=False)
    return made


@pytest.fixture
def rolling(grpo_of, sound_folder, sound_rows, engine_of):
    def build(*media, rows=None, **settings):
        rows = rows or [
            {k: v for k, v in row.items() if k not in ("chosen", "rejected")} for row in sound_rows(*media)
        ]
        given = {
            "use_vllm": True,
            "vllm_mode": "colocate",
            "media_root": str(sound_folder),
            "model": "qwen2_5_omni_thinker",
        }
        given |= {"use_audio_in_video": True, "per_device_train_batch_size": 4 * len(rows)}
        trainer = grpo_of(rows=rows, **{**given, **settings})
        return trainer, engine_of[-1]

    return build


def first_inputs(trainer):
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    return trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))


def test_the_engine_is_given_the_frames_and_samples_that_are_scored(rolling, monkeypatch):
    from vidalign.encoding import encoder as encoding

    reads, shown = [], []
    read = encoding.read_video
    monkeypatch.setattr(encoding, "read_video", lambda path, **o: reads.append(path) or read(path, **o))
    encode = FAMILIES["qwen2_5_omni_thinker"].encode
    trainer, engine = rolling({"videos": ["0.mp4"]}, {"videos": ["longer.mp4"]})
    family = trainer._encoder.family
    object.__setattr__(
        family,
        "encode",
        lambda p, t, videos=(), *a, **k: shown.append(videos) or encode(p, t, videos, *a, **k),
    )
    try:
        inputs = first_inputs(trainer)
    finally:
        object.__setattr__(family, "encode", encode)
    assert len(reads) == 2 and len(engine.requests) == 8
    given = [request["multi_modal_data"]["video"][0][0] for request in engine.requests[::4]]
    assert all(one is other[0].frames for one, other in zip(given, shown, strict=True))
    for request in engine.requests:
        metadata = request["multi_modal_data"]["video"][0][1]
        assert metadata["do_sample_frames"] is False and metadata["fps"] == 2.0
        assert request["mm_processor_kwargs"] == {
            "do_sample_frames": False,
            "fps": 2.0,
            "use_audio_in_video": True,
            "second_per_grid_ts": [1.0],
        }
        assert request["multi_modal_data"]["audio"][0][0].dtype == np.float32
    assert inputs["completion_ids"].shape[1] == 3
    assert torch.isfinite(inputs["importance_sampling_ratio"]).all()
    assert trainer.compute_loss(trainer.model, inputs).isfinite()


def test_media_tokens_are_forbidden_and_sampling_is_as_set(rolling):
    trainer, engine = rolling({"videos": ["0.mp4"]}, temperature=0.7)
    first_inputs(trainer)
    config = trainer.model.config
    bias = engine.parameters.logit_bias
    assert {config.audio_token_id, config.video_token_id, config.image_token_id} <= set(bias)
    assert set(bias.values()) == {-100.0} and engine.parameters.temperature == 0.7


def test_an_engine_that_reads_otherwise_stops(rolling, monkeypatch):
    trainer, engine = rolling({"videos": ["0.mp4"]})
    read = engine._read
    monkeypatch.setattr(engine, "_read", lambda prompt: read(prompt)[:-1])
    with pytest.raises(
        EngineMismatch, match=r"read a prompt of \d+ tokens, and the trainer scores one of \d+"
    ):
        first_inputs(trainer)


def test_text_goes_to_the_engine_as_trl_sends_it(rolling):
    trainer, engine = rolling({"videos": ["0.mp4"]}, {})
    first_inputs(trainer)
    assert sum("multi_modal_data" in request for request in engine.requests) == 4


def test_servers_are_refused(rolling):
    with pytest.raises(ValueError, match="vllm_mode='server' cannot be given decoded media"):
        rolling({"videos": ["0.mp4"]}, vllm_mode="server", vllm_importance_sampling_correction=False)


def test_sound_of_both_kinds_in_one_prompt_is_refused():
    video = SimpleNamespace(
        frames=np.zeros((2, 56, 56, 3), "uint8"), timestamps=[0.0, 0.5], fps=2.0, duration=1.0
    )
    sound = np.zeros(16000, "float32")
    decoded = SimpleNamespace(text="", videos=[video], soundtracks=[sound], audios=[sound], images=[])
    with pytest.raises(ValueError, match="both a video's sound and sound alone"):
        rollout_prompt(decoded, EncodedPrompt([1]), [1], 16000)


def test_what_cannot_be_asked_of_an_engine_names_its_row_and_stops_with_a_checkpoint(rolling, tmp_path):
    trainer, _ = rolling({"videos": ["0.mp4"], "audios": ["1.mp4"]}, max_steps=1)
    with pytest.raises(ValueError, match="row 0 of the dataset: a prompt with both") as caught:
        trainer.train()
    assert "stopped at step 0: reading the media of the next batch failed" in caught.value.__notes__[0]


@pytest.mark.parametrize("family", ["qwen3_vl", "qwen2_5_vl"])
def test_videos_without_sound(family, rolling, media_folder, online_rows):
    """Odd clips of two lengths, in the trainer's own loop; a prompt's completions are one request, several times."""
    settings = {
        "use_audio_in_video": False,
        "video_fps": None,
        "video_num_frames": 5,
        "video_max_pixels": 3000,
    }
    trainer, engine = rolling(rows=online_rows(2), model=family, media_root=str(media_folder), **settings)
    inputs = first_inputs(trainer)
    assert len(engine.requests) == 8 and len({id(request) for request in engine.requests}) == 2
    assert trainer.compute_loss(trainer.model, inputs).isfinite()


def test_what_is_not_generation_goes_to_the_engine_itself():
    engine = SimpleNamespace(sleep=lambda level: level * 2)
    assert RolloutEngine(engine).sleep(2) == 4
