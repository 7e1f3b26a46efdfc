"""Supervised fine-tuning on video."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from trl import SFTConfig, SFTTrainer

from vidalign.rows import BadRows, chain_of
from vidalign.trainers.base import VideoTrainer, columns_of, each
from vidalign.trainers.collators import VideoSupervisedCollator
from vidalign.trainers.config import VideoFields


@dataclass
class VideoSFTConfig(VideoFields, SFTConfig):
    """TRL's `SFTConfig` with media settings."""


class VideoSFTTrainer(VideoTrainer, SFTTrainer):
    """Changes only what reaches the model: rows with videos; rows of one video and prompt share them.

    Rows: `videos` (paths), `prompt`, `completion`, in TRL's standard or conversational format, or `messages`, whose
    last turn is the completion; `audios` beside videos or without them. Of chains (`RankingTrainer`'s rows) the best item is learnt. Arguments as TRL's
    `SFTTrainer`; `peft_config` may be `vidalign.lora_preset()`.
    """

    _kind = "supervised"
    _parent = "SFTTrainer"
    _shares_text = False
    _tag_names: ClassVar[list[str]] = ["trl", "vidalign", "sft", "video"]
    _name = "SFT on video"

    def __init__(
        self,
        model: Any,
        args: VideoSFTConfig | None = None,
        data_collator: Any = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: Any = None,
        **kwargs: Any,
    ) -> None:
        if args is None:
            args = VideoSFTConfig(output_dir="video-sft")
        self._build(
            super().__init__,
            model=model,
            args=args,
            data_collator=data_collator,
            train_dataset=_best_of_chains(train_dataset, "train"),
            eval_dataset=each(eval_dataset, _best_of_chains),
            processing_class=processing_class,
            **kwargs,
        )
        # Some vision-language classes refuse `num_items_in_batch` because their own loss ignores it. TRL's fused head
        # does not: with it, N accumulated batches weigh every token alike, as one batch of N times the rows would.
        self.model_accepts_loss_kwargs = True

    def _media_collator(self, encoder: Any, pad_token_id: int, args: Any) -> Any:
        return VideoSupervisedCollator(
            encoder,
            pad_token_id,
            args.max_length,
            args.pad_to_multiple_of,
            completion_only=args.completion_only_loss is not False,
        )


def _best_of_chains(dataset: Any, name: str) -> Any:
    if dataset is None or not {"ranked", "prompts"} & set(columns_of(dataset)):
        return dataset

    def best(row: dict[str, Any], index: int) -> dict[str, Any]:
        try:
            item = chain_of(row)[0]
        except ValueError as error:
            raise BadRows(f"{name} dataset: row {index}: {error}") from None
        return {"prompt": item["prompt"], "completion": item["completion"]}

    gone = [column for column in ("ranked", "prompts") if column in columns_of(dataset)]
    return dataset.map(best, with_indices=True, remove_columns=gone)


def main() -> None:
    from vidalign.trainers.script import run

    run(VideoSFTTrainer, VideoSFTConfig, "sft")


if __name__ == "__main__":
    main()
