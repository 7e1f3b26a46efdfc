"""GRPO on video and on audio interleaved with video: each prompt's media are decoded, encoded and read once a group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from trl import GRPOConfig, GRPOTrainer

from vidalign.encoding import EncodedRow, RowEncoder
from vidalign.judge.environment import notice_unnamed
from vidalign.prefix import HeldMedia, generate
from vidalign.trainers import _trl
from vidalign.trainers.base import VideoTrainer, each, has_media, refuse_unseen
from vidalign.trainers.config import VideoFields
from vidalign.trainers.online.engine import RolloutEngine, forbid, rollout_prompt
from vidalign.trainers.online.micro_batches import (
    micro_batches,
    same_prompts,
    shuffled_groups,
)
from vidalign.trainers.online.resuming import ResumableRollouts
from vidalign.trainers.online.rewarded import RewardedRollouts
from vidalign.trainers.online.rewarding import judges_asked
from vidalign.trainers.online.rollouts import Rollout, distinct_prompts, encode_rollout
from vidalign.trainers.online.scoring import score
from vidalign.trainers.online.sharded import whole_root
from vidalign.trainers.online.stopping import BatchFailure, RandomState, agree


@dataclass
class VideoGRPOConfig(VideoFields, GRPOConfig):
    """TRL's `GRPOConfig` with media settings.

    `max_length`: a prompt that with `max_completion_length` exceeds it stops training with its row; None for no limit.
    `share_prefix`: the rows of a prompt then also stay together in micro-batches, where TRL shuffles single rows.
    """


class VideoGRPOTrainer(VideoTrainer, ResumableRollouts, RewardedRollouts, GRPOTrainer):
    """TRL's `GRPOTrainer` on rows with videos, images, audio, or text alone.

    A prompt's media are decoded and encoded once and held, once, for the generation batch; the prompt is read once for
    all its completions, in generation and in each scoring, and its completions stay together in micro-batches. Frozen
    towers run once for generation, old policy, reference and every training step. Tokens that stand for media are never
    sampled. Awaitable reward functions, such as all of `vidalign.rewards`, run while the completions are scored; if one
    raises, training stops with a checkpoint.

    Rows: `prompt`, `videos` (paths), and any columns for the reward functions, e.g. `keypoints` and `dialogue`. Beside TRL's
    arguments, reward functions get `media_folder`, a `vidalign.rows.MediaFolder`: its `locate` takes an entry of `videos`, which
    reach them as the dataset has them, to the file that the trainer read.
    Arguments as TRL's `GRPOTrainer`; `peft_config` may be `vidalign.lora_preset()`.

    Source: Shao et al. 2024 (GRPO); AVoCaDO, Eq. 1 and 2.
    """

    _kind = "online"
    _parent = "GRPOTrainer"
    _tag_names: ClassVar[list[str]] = ["trl", "vidalign", "grpo", "video"]
    _name = "GRPO on video"
    # Set by TRL's `__init__`.
    _buffered_inputs: list[dict[str, Any]] | None
    _step: int

    def __init__(
        self,
        model: Any,
        reward_funcs: Any = None,
        args: VideoGRPOConfig | None = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: Any = None,
        **kwargs: Any,
    ) -> None:
        if args is None:
            args = VideoGRPOConfig(output_dir="video-grpo")
        self._encoder: RowEncoder | None = None
        self._rollout: Rollout | None = None
        self._scored: tuple[torch.Tensor, HeldMedia] | None = None
        if train_dataset is not None and not has_media(train_dataset):
            each(eval_dataset, refuse_unseen)
        # Here: wrong settings stop before the model is loaded.
        for task, judge in judges_asked(reward_funcs):
            notice_unnamed(judge, [task])
        parent_init = super().__init__

        def init(*, data_collator: Any, **given: Any) -> None:
            self._encoder = data_collator  # TRL's rows stay rows until they are generated from
            parent_init(reward_funcs=reward_funcs, **given)

        self._build(
            init,
            model=model,
            args=args,
            data_collator=None,
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            processing_class=processing_class,
            **kwargs,
        )
        if self._reads_rows:
            self._refuse_with_media(kwargs)
            if self.use_vllm:
                self._take_engine()
        # Whether the models' forward takes rows with groups (`_trl.install_rows_forward`). Text rows without sharing go TRL's
        # own way, to the order of rows.
        self._takes_groups = self._family is not None and (self._reads_rows or args.share_prefix)

    def _media_collator(self, encoder: RowEncoder, pad_token_id: int, args: Any) -> Any:
        return encoder

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        if eval_dataset is not None and not isinstance(eval_dataset, str):
            if self._reads_rows:
                eval_dataset = self._prepare_dataset(eval_dataset, self.processing_class, self.args, "eval")
            else:
                eval_dataset = self._media_rows(refuse_unseen(eval_dataset, "eval"), "eval")
        return super().get_eval_dataloader(eval_dataset)

    def _refuse_with_media(self, given: Mapping[str, Any]) -> None:
        for name in ("tools", "rollout_func", "environment_factory"):
            if given.get(name):
                raise ValueError(f"{name} is not supported for rows with media; leave it unset")
        if not self.use_vllm and self._reads_prompts_otherwise():
            raise ValueError(
                "cache_implementation and num_beams are not supported for rows with media, whose prompts are read once for "
                "all their responses; leave them unset"
            )

    def _reads_prompts_otherwise(self) -> bool:
        beams = (self.args.generation_kwargs or {}).get("num_beams", 1)
        return bool(self.args.cache_implementation) or beams > 1

    def _take_engine(self) -> None:
        """vLLM is given media as well, and may not sample their tokens."""
        if self.vllm_mode != "colocate":
            raise ValueError(
                f"vllm_mode={self.vllm_mode!r} cannot be given decoded media; set vllm_mode='colocate'"
            )
        assert self._encoder is not None and self._family is not None
        self._encoder.keeps_decoded = True
        self.vllm_generation.llm = RolloutEngine(self.vllm_generation.llm)
        forbid(self.vllm_generation, self._family.media_token_ids(self.model.config))

    # Encoding

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], None, dict[str, Any]]:
        if self._rollout is None:
            return super()._tokenize_prompts(prompts)
        ids = [prompt.input_ids for prompt in self._rollout.prompts]
        return [ids[number] for number in self._rollout.numbers], None, {}

    # Generation

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        before = self._resumes_with or RandomState()
        self._rows = inputs
        try:
            if not self._reads_rows:
                output = super()._generate_and_score_completions(inputs)
                if self._takes_groups:
                    output["prefix_group"] = same_prompts(output["prompt_ids"], output["prompt_mask"])
                return output
            self._rollout = self._encoded(inputs)
            group = torch.tensor(self._rollout.numbers, device=self.accelerator.device)
            media = HeldMedia([prompt.media for prompt in self._rollout.prompts])
            self._scored = (group, media)
            output = super()._generate_and_score_completions(inputs)
            return {**output, "prefix_group": group, "media": media}
        except BatchFailure as failure:
            before.restore()  # a resumed run goes on as if this batch had not begun
            self._stop(failure)
            raise  # `_stop` always raises
        finally:
            self._end_rewards()
            self._rollout = self._scored = self._resumes_with = None

    def _encoded(self, inputs: list[dict[str, Any]]) -> Rollout:
        assert self._encoder is not None
        rollout, error = None, None
        try:
            rollout = encode_rollout(
                self._encoder,
                inputs,
                chat_template_kwargs=self.args.chat_template_kwargs or {},
                max_length=self.args.max_length,
                max_completion_length=self.max_completion_length,
                request=self._request if self.use_vllm else None,
            )
        except (ValueError, OSError) as raised:
            error = raised
        agree(self.accelerator, "reading the media of the next batch", error)
        assert rollout is not None
        return rollout

    def _generate_single_turn(
        self,
        prompt_ids: list[list[int]],
        images: Any,
        multimodal_fields: dict[str, Any],
        num_generations: int,
        **given: Any,
    ) -> tuple[list[list[int]], list[list[float]] | None]:
        if self._rollout is not None:
            prompts, numbers = self._rollout.prompts, self._rollout.numbers
            if self.use_vllm:
                # In the place of token ids, for `RolloutEngine`.
                asked: Any = [self._rollout.requests[number] for number in numbers]
                return super()._generate_single_turn(asked, None, {}, num_generations, **given)
        elif self._generates_as_trl(images, multimodal_fields):
            return super()._generate_single_turn(
                prompt_ids, images, multimodal_fields, num_generations, **given
            )
        else:
            prompts, numbers = distinct_prompts(prompt_ids)
        if not self.args.share_prefix:
            prompts, numbers = [prompts[number] for number in numbers], list(range(len(numbers)))
        with (
            _trl.profiling_context(self, "transformers.generate"),
            _trl.unwrap_model_for_generation(
                self.model_wrapped,
                self.accelerator,
                gather_deepspeed3_params=self.args.ds3_gather_for_generation,
                generation_kwargs=self.generation_kwargs,
                gradient_checkpointing_kwargs=self.args.gradient_checkpointing_kwargs,
            ) as model,
            torch.no_grad(),
            self._dist.summon_full_params(self.model_wrapped, recurse=False),
            whole_root(self.model_wrapped),
            # Prompts are read by the backbone, below the forward that accelerate casts.
            self.accelerator.autocast(),
        ):
            samples = [numbers.count(number) for number in range(len(prompts))]
            more = self._most(len(prompts)) - len(prompts)
            responses = generate(
                model,
                [*prompts, *prompts[-1:] * more],
                samples=[*samples, *[0] * more],
                encoder=self._media_encoder,
                share=self.args.share_prefix,
                run_idle_towers=self._reads_rows and self._is_sharded,
                generation_config=self.generation_config,
            )
        return [response for own in responses for response in own], None

    @property
    def _is_sharded(self) -> bool:
        return (self.is_fsdp_enabled or self.is_deepspeed_enabled) and self.accelerator.num_processes > 1

    def _most(self, forwards: int) -> int:
        """Of all processes, where a forward is a collective (sharded weights) and so all must run as many; else `forwards`."""
        if not self._is_sharded:
            return forwards
        return int(self.accelerator.gather(torch.tensor([forwards], device=self.accelerator.device)).max())

    def _generates_as_trl(self, images: Any, multimodal_fields: Any) -> bool:
        """Whether text is generated by TRL's own loop."""
        other = self.use_vllm or self.use_transformers_continuous_batching or self.tools
        alone = not (self._takes_groups and self.args.share_prefix)
        return bool(other or images or multimodal_fields or alone or self._reads_prompts_otherwise())

    def _request(self, row: EncodedRow) -> dict[str, Any]:
        assert row.decoded is not None and self._family is not None
        return rollout_prompt(row.decoded, row.prompt, row.decoded.text_ids, self._family.audio_rate)

    # Scoring

    def _prepare_inputs(self, generation_batch: Any) -> dict[str, Any]:
        if self.model.training and self._buffered_inputs is None and self._step == 0:
            self._step = self._batches_before()
        if not self.model.training or not self._takes_groups:
            return super()._prepare_inputs(generation_batch)
        every = self.args.steps_per_generation * self.num_iterations
        if self._step % every == 0 or self._buffered_inputs is None:
            batch = self._generate_and_score_completions(generation_batch)
            order = shuffled_groups(batch["prefix_group"])
            self._buffered_inputs = micro_batches(batch, order, self.args.steps_per_generation)
        return self._buffered_inputs[self._step % self.args.steps_per_generation]

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        if "media" in inputs:
            self._scored = (inputs["prefix_group"], inputs["media"])
        try:
            return super()._compute_loss(model, inputs)
        finally:
            self._scored = None

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        compute_aux_loss: bool = False,
        **stock_media: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        if not self._takes_groups or any(value is not None for value in stock_media.values()):
            return super()._get_per_token_logps_and_entropies(
                model,
                input_ids,
                attention_mask,
                logits_to_keep,
                batch_size,
                compute_entropy,
                compute_aux_loss,
                **stock_media,
            )
        if self._scored is not None:
            group, media = self._scored
        else:
            group = same_prompts(input_ids[:, :-logits_to_keep], attention_mask[:, :-logits_to_keep])
            media = HeldMedia([{}] * (int(group.max()) + 1))
        return score(
            model,
            input_ids,
            attention_mask,
            logits_to_keep,
            group,
            media,
            rows=batch_size or len(input_ids),
            share=self.args.share_prefix,
            forwards=self._most,
            autocast=self.accelerator.autocast,
            entropy=compute_entropy,
            aux_loss=compute_aux_loss,
        )


def main() -> None:
    from vidalign.trainers.online.reward_names import RewardArguments, reward_functions
    from vidalign.trainers.script import run

    run(
        VideoGRPOTrainer,
        VideoGRPOConfig,
        "grpo",
        script_class=RewardArguments,
        options=lambda script: {
            "reward_funcs": reward_functions(script.reward_funcs, script.reward_settings, script.judges)
        },
    )


if __name__ == "__main__":
    main()
