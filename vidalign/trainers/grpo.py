"""GRPO on video and on audio interleaved with video: each prompt's media are decoded, encoded and read once a group."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from trl import GRPOConfig, GRPOTrainer

from vidalign.encoding import RowEncoder
from vidalign.judge.environment import notice_unnamed
from vidalign.trainers.base import VideoTrainer
from vidalign.trainers.config import VideoFields
from vidalign.trainers.incoming import each
from vidalign.trainers.media_columns import has_media, refuse_unseen
from vidalign.trainers.online.batch import OnlineBatch
from vidalign.trainers.online.engine import take_over
from vidalign.trainers.online.micro_batches import micro_batches, same_prompts, shuffled_groups
from vidalign.trainers.online.resuming import ResumableRollouts
from vidalign.trainers.online.rewarding import begun_rewards, collected, judges_asked
from vidalign.trainers.online.rollouts import begun
from vidalign.trainers.online.sampling import is_left_to_trl, refuse_with_media, sample
from vidalign.trainers.online.scoring import score
from vidalign.trainers.online.sharded import forwards_of_all
from vidalign.trainers.online.stopping import BatchFailure


@dataclass
class VideoGRPOConfig(VideoFields, GRPOConfig):
    """TRL's `GRPOConfig` with media settings.

    `max_length`: a prompt that with `max_completion_length` exceeds it stops training with its row; None for no limit.
    `share_prefix`: the rows of a prompt then also stay together in micro-batches, where TRL shuffles single rows.
    """


class VideoGRPOTrainer(VideoTrainer, ResumableRollouts, GRPOTrainer):
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
    # Of rows that are read here.
    _encoder: RowEncoder

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
        self._batch = OnlineBatch()  # set by `_working_on` alone
        if train_dataset is not None and not has_media(train_dataset):
            each(eval_dataset, refuse_unseen)
        # Here: wrong settings stop before the model is loaded.
        for task, judge in judges_asked(reward_funcs):
            notice_unnamed(judge, [task])
        parent_init = super().__init__
        self._build(
            lambda *, data_collator, **given: parent_init(reward_funcs=reward_funcs, **given),
            model=model,
            args=args,
            data_collator=None,
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            processing_class=processing_class,
            **kwargs,
        )
        if self._reads_rows:
            refuse_with_media(args, kwargs)
            if self.use_vllm:
                take_over(self.vllm_generation, self.vllm_mode, self._encoder)
        self.reward_funcs = collected(self.reward_funcs, lambda: self._batch.outcomes)
        # Whether the models' forward takes rows with groups (`_trl.install_rows_forward`). Text rows without sharing go TRL's
        # own way, to the order of rows.
        self._takes_groups = self._family is not None and (self._reads_rows or args.share_prefix)

    def _media_collator(self, encoder: RowEncoder, pad_token_id: int, args: Any) -> Any:
        self._encoder = encoder  # TRL's rows stay rows until they are generated from

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        if eval_dataset is not None and not isinstance(eval_dataset, str):
            if self._reads_rows:
                eval_dataset = self._prepare_dataset(eval_dataset, self.processing_class, self.args, "eval")
            else:
                eval_dataset = self._media_rows(refuse_unseen(eval_dataset, "eval"), "eval")
        return super().get_eval_dataloader(eval_dataset)

    # The batch under way

    @contextlib.contextmanager
    def _working_on(self, batch: OnlineBatch) -> Iterator[None]:
        self._batch = batch
        try:
            yield
        finally:
            batch.end()
            self._batch = OnlineBatch()

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        before = self._state_to_go_on_with()
        try:
            batch = begun(self, inputs) if self._reads_rows else OnlineBatch(inputs)
            with self._working_on(batch):
                output = super()._generate_and_score_completions(inputs)
        except BatchFailure as failure:
            before.restore()  # a resumed run goes on as if this batch had not begun
            self._stop(failure)
            raise  # `_stop` always raises
        if batch.media is not None:
            output |= {"prefix_group": batch.group, "media": batch.media}
        elif self._takes_groups:
            output["prefix_group"] = same_prompts(output["prompt_ids"], output["prompt_mask"])
        return output

    # Sampling

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], None, dict[str, Any]]:
        batch = self._batch
        if not batch.prompts:
            return super()._tokenize_prompts(prompts)
        return [batch.prompts[number].input_ids for number in batch.numbers], None, {}

    def _generate_single_turn(
        self,
        prompt_ids: list[Any],
        images: Any,
        multimodal_fields: dict[str, Any],
        num_generations: int,
        **given: Any,
    ) -> tuple[list[list[int]], list[list[float]] | None]:
        batch = self._batch
        if batch.requests:  # in the place of token ids, for `RolloutEngine`
            prompt_ids = [batch.requests[number] for number in batch.numbers]
        elif batch.prompts or not is_left_to_trl(self, images, multimodal_fields):
            return sample(self, batch if batch.prompts else OnlineBatch.of_text(prompt_ids)), None
        return super()._generate_single_turn(prompt_ids, images, multimodal_fields, num_generations, **given)

    # Rewards

    def _generate(self, prompts: list[Any]) -> tuple[Any, ...]:
        output = super()._generate(prompts)
        _, completion_ids, _, completions, _, extra_fields, *_ = output
        if not extra_fields:  # which are columns of the rows, but only once the completions have been scored
            rows = self._batch.rows
            self._batch.rewarding = begun_rewards(self, rows, prompts, completions, completion_ids)
        return output

    def _calculate_rewards(
        self, inputs: list[Any], prompts: list[Any], completions: list[Any], completion_ids_list: list[Any]
    ) -> torch.Tensor:
        batch = self._batch
        if batch.rewarding is None:
            batch.rewarding = begun_rewards(self, inputs, prompts, completions, completion_ids_list)
        batch.outcomes = batch.rewarding.collect_everywhere(self.accelerator, self.reward_func_names)
        for name, value in batch.rewarding.times().items():
            self._metrics["train" if self.model.training else "eval"][name].append(value)
        return super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)

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
        with self._working_on(OnlineBatch.of_inputs(inputs)):
            return super()._compute_loss(model, inputs)

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
        rows = model, input_ids, attention_mask, logits_to_keep
        if not self._takes_groups or any(value is not None for value in stock_media.values()):
            return super()._get_per_token_logps_and_entropies(
                *rows, batch_size, compute_entropy, compute_aux_loss, **stock_media
            )
        return score(
            self._batch,
            *rows,
            rows=batch_size or len(input_ids),
            share=self.args.share_prefix,
            forwards=partial(forwards_of_all, self),
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
