"""Supervised fine-tuning on video."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from trl import SFTConfig, SFTTrainer

from vidalign.rows import BadRows, chain_of
from vidalign.trainers.base import VideoTrainer
from vidalign.trainers.collators import VideoSupervisedCollator
from vidalign.trainers.config import VideoFields
from vidalign.trainers.incoming import columns_of, each
from vidalign.trainers.media_columns import has_media


@dataclass
class VideoSFTConfig(VideoFields, SFTConfig):
    """TRL's `SFTConfig` with media settings."""


class VideoSFTTrainer(VideoTrainer, SFTTrainer):
    """Changes only what reaches the model: rows with videos; rows of one video and prompt share them.

    Rows: `videos` (paths), `prompt`, `completion`, in TRL's standard or conversational format, or `messages`, whose
    last turn is the completion; `audios` beside videos or without them. Of chains (`RankingTrainer`'s rows) the best item is
    learnt. `assistant_only_loss=True` scores every turn of the assistant's in `messages`, by the `{% generation %}` marks of
    the chat template or of TRL's patched one. Datasets of text alone go TRL's way, which scores whole `messages` by default.
    Arguments as TRL's `SFTTrainer`, but `formatting_func`; `peft_config` may be `vidalign.lora_preset()`.
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
        if train_dataset is not None and has_media(train_dataset):
            _refuse_with_media(train_dataset, args, {**kwargs, "data_collator": data_collator})
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
        if (
            self._reads_rows
            and args.assistant_only_loss
            and isinstance(self.data_collator, VideoSupervisedCollator)
        ):
            # TRL's training template, where the processor's own has no marks.
            self.data_collator.encoder.chat_template = self.chat_template

    def _media_collator(self, encoder: Any, pad_token_id: int, args: Any) -> Any:
        return VideoSupervisedCollator(
            encoder,
            pad_token_id,
            args.max_length,
            args.pad_to_multiple_of,
            completion_only=args.completion_only_loss is not False,
            assistant_only=args.assistant_only_loss,
        )


def _refuse_with_media(dataset: Any, args: VideoSFTConfig, given: dict[str, Any]) -> None:
    if given.get("formatting_func") is not None:
        raise ValueError(
            "formatting_func makes one text of a row, and a row with media is a prompt, where they stand, and a completion. "
            "TRL does not call it for rows with images either. Map the dataset to `prompt` and `completion` beforehand, and "
            "leave it unset."
        )
    if not args.assistant_only_loss:
        return
    collator, columns = given["data_collator"], columns_of(dataset)
    if collator is not None and not getattr(collator, "assistant_only", False):
        raise ValueError(
            "assistant_only_loss=True, but the data_collator that was passed chooses what is scored; give it assistant_only=True"
        )
    if args.completion_only_loss and "messages" in columns and "prompt" not in columns:
        raise ValueError(
            "completion_only_loss=True scores the last turn of `messages`, and assistant_only_loss=True all of the "
            "assistant's; leave one of them unset"
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
