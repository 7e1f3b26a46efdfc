"""What every video trainer does around its TRL parent: media rows in, shared prefixes on, parts frozen, a card of its own."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from datasets import Dataset, IterableDataset
from transformers import AutoProcessor

from vidalign.encoding import RowEncoder
from vidalign.encoding.named_media import Placeholders, named_problem
from vidalign.encoding.rendering import named_placeholders
from vidalign.encoding.sound import AUDIO_COLUMNS, require_audio, take_over_chunks
from vidalign.families import freeze
from vidalign.prefix import MediaEncoder, SharedPrefix
from vidalign.rows import COMPLETIONS, DIALOGUE, MediaFolder, validate
from vidalign.trainers import _trl
from vidalign.trainers.adapters import expand_preset
from vidalign.trainers.card import example_of, media_kinds, write_card
from vidalign.trainers.checkpoints import is_renamed, load_renamed
from vidalign.trainers.checks import (
    config_of,
    known_family,
    refuse_bypassing,
    refuse_senseless,
    refuse_shared_noise,
)
from vidalign.trainers.collators import ROW
from vidalign.trainers.config import sampling_of
from vidalign.trainers.distributed import leave_ddp_when_alone, search_only_if_needed
from vidalign.trainers.fingerprint import lay_down, reference_fingerprint
from vidalign.trainers.incoming import columns_of, each, refuse_named_media, with_prompt
from vidalign.trainers.look import MediaLook
from vidalign.trainers.media_columns import HIDDEN, has_media, hide_images, refuse_unseen
from vidalign.trainers.streams import UnshardedStream, as_table
from vidalign.trainers.undecoded import undecoded


class VideoTrainer(_trl.TRLTrainer):
    """Mixed into a TRL trainer, before it. Text-only datasets keep TRL's own preparation.

    Class attributes: `_kind`, the kind of rows (`vidalign.rows.COMPLETIONS`); `_parent`, the name of the TRL trainer;
    `_own_rows`, rows of a kind that TRL does not know, so that text-only ones are prepared here as well; `_shares_text`,
    whether text-only rows share prefixes too.
    """

    _kind: ClassVar[str]
    _parent: ClassVar[str]
    _own_rows: ClassVar[bool] = False
    _shares_text: ClassVar[bool] = True
    _tag_names: ClassVar[list[str]]
    _name: ClassVar[str]

    def _media_collator(self, encoder: RowEncoder, pad_token_id: int, args: Any) -> Any:
        raise NotImplementedError

    def _text_collator(self, pad_token_id: int, args: Any) -> Any:
        """None: TRL's own."""
        return None

    def _build(
        self,
        parent_init: Callable[..., None],
        *,
        model: Any,
        args: Any,
        data_collator: Any,
        train_dataset: Any,
        eval_dataset: Any,
        processing_class: Any,
        reference: bool = True,
        **kwargs: Any,
    ) -> None:
        """Prepares what TRL needs, runs its `__init__`, and freezes what is to be frozen."""
        if train_dataset is None:
            raise ValueError("`train_dataset` is required")
        self._has_media, self._media = has_media(train_dataset), media_kinds(train_dataset)
        self._reads_rows = self._has_media or self._own_rows
        refuse_bypassing(args, self._reads_rows)
        if getattr(kwargs.get("peft_config"), "is_prompt_learning", False):
            raise ValueError(
                "peft_config is prompt learning, whose virtual tokens stand before the media; use LoRA (lora_preset())"
            )
        config, load = config_of(model, args, self._parent)
        self._family = known_family(config, needed=self._reads_rows)
        if self._family is not None and (self._reads_rows or self._shares_text):
            refuse_shared_noise(args)
        if args.use_audio_in_video:
            require_audio(self._family, "use_audio_in_video=True asks for the videos' sound")
        self._folder = MediaFolder(args.media_root, tuple(args.media_allow))
        self._look = MediaLook(
            self._folder,
            soundtracks=args.use_audio_in_video and args.missing_audio == "error",
            max_seconds=args.max_video_seconds,
            bad_media=args.bad_media,
            long_videos=args.long_videos,
        )
        self._prepared: set[str] = set()
        self._checked: list[Any] = []
        self._media_encoder = (
            MediaEncoder(self._family, cache_gb=args.feature_cache_gb) if self._family is not None else None
        )
        if processing_class is None:
            processing_class = AutoProcessor.from_pretrained(
                _trl.get_config_model_id(config),
                revision=(args.model_init_kwargs or {}).get("revision"),
                trust_remote_code=args.trust_remote_code,
            )
            take_over_chunks(processing_class, config)
        self._named = self._placeholders(processing_class, config)
        self._text_field = getattr(args, "dataset_text_field", "text")
        train_dataset = self._media_rows(train_dataset, "train")
        self._example = example_of(train_dataset, getattr(args, "chat_template_kwargs", None))
        eval_dataset = each(each(eval_dataset, as_table), self._media_rows)
        if data_collator is None:
            data_collator = self._default_collator(processing_class, config, args)
        searches = args.ddp_find_unused_parameters  # which TRL overwrites
        with _trl.construction(
            self._parent,
            lambda loaded: self._make_prefix(loaded, args),
            expand_adapter=expand_preset,
            reference=reference,
            policy_is_path=isinstance(model, str),
            load=load,
        ):
            parent_init(
                model=model,
                args=args,
                data_collator=data_collator,
                train_dataset=train_dataset,
                eval_dataset=eval_dataset,
                processing_class=processing_class,
                **kwargs,
            )
        if args.freeze:
            freeze(self.model, args.freeze)
            if not any(parameter.requires_grad for parameter in self.model.parameters()):
                raise ValueError(f"freeze={args.freeze} leaves nothing to train; freeze less")
        args.ddp_find_unused_parameters = searches
        leave_ddp_when_alone(self.accelerator)
        if searches is None and self._family is not None and args.share_prefix:
            search_only_if_needed(self.accelerator, self.model, self._family, idle=self._has_media)

    def _placeholders(self, processing_class: Any, config: Any) -> Placeholders | None:
        """None for a model of no known family, of which nothing is known to stand for media."""
        if self._family is None:
            return None
        return named_placeholders(processing_class, self._family, self._family.media_token_ids(config))

    def _row_problem(self, row: Mapping[str, Any]) -> str | None:
        """What else makes a row unfit, as "column: reason"; None for nothing."""
        return named_problem(row, self._kind, self._named) if self._named is not None else None

    def _default_collator(self, processing_class: Any, config: Any, args: Any) -> Any:
        tokenizer = getattr(processing_class, "tokenizer", processing_class)
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        if not self._reads_rows:
            return self._text_collator(tokenizer.pad_token_id, args)
        if self._has_media and processing_class is tokenizer:
            raise ValueError(
                "the dataset has media, but `processing_class` is a tokenizer; pass the model's processor (AutoProcessor)"
            )
        encoder = RowEncoder(
            processing_class,
            self._family,
            sampling=sampling_of(args),
            folder=self._folder,
            cache_gb=args.media_cache_gb,
            media_token_ids=self._family.media_token_ids(config) if self._family else frozenset(),
        )
        return self._media_collator(encoder, tokenizer.pad_token_id, args)

    def _make_prefix(self, model: Any, args: Any) -> SharedPrefix | None:
        if self._family is None or not (self._reads_rows or args.share_prefix):
            return None
        # A reference of the policy's kind runs the same code: one look is enough.
        kind = type(model), {**model.config.to_dict(), "_name_or_path": None, "use_cache": None}
        known = kind in self._checked
        self._checked.append(kind)
        return SharedPrefix(
            model,
            share=args.share_prefix,
            self_check=args.prefix_self_check and not known,
            report=lambda line: self.accelerator.print(line),
            backend=args.prefix_attention,
            encoder=self._media_encoder,
            run_idle_towers=self._has_media and args.world_size > 1,
        )

    def _media_rows(self, dataset: Any, name: str) -> Any:
        """The rows that can be used, named as our collator expects them. Text-only ones pass as they are."""
        if dataset is None:
            return None
        if not (self._own_rows or has_media(dataset)):
            dataset = refuse_named_media(dataset, self._named, self._text_field, name=f"{name} dataset")
            if not isinstance(dataset, IterableDataset):
                self._prepared.add(dataset._fingerprint)
            return dataset
        streaming = isinstance(dataset, IterableDataset)
        columns = columns_of(dataset)
        dataset = undecoded(dataset)
        refuse_senseless(self._family, columns, name)
        if "prompt" not in columns and COMPLETIONS[self._kind] and not self._own_rows:
            dataset = with_prompt(dataset, self._kind, name=f"{name} dataset")
        if streaming:
            dataset = self._look.watched(dataset, f"{name} dataset")
        else:
            validate(
                dataset,
                self._kind,
                self._folder,
                name=f"{name} dataset",
                missing=False,
                also=self._row_problem,
            )
            if ROW not in columns:
                dataset = dataset.add_column(ROW, range(len(dataset)))
            dataset = self._look.usable(dataset, f"{name} dataset")
        dataset = hide_images(dataset, columns)
        if not streaming:
            self._prepared.add(dataset._fingerprint)
        return dataset

    # Overrides of TRL

    def _get_dataloader(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(dataset, IterableDataset) and self.accelerator.num_processes > 1:
            dataset = UnshardedStream(dataset)
        return super()._get_dataloader(dataset, *args, **kwargs)

    def evaluate(self, eval_dataset: Any = None, *args: Any, **kwargs: Any) -> Any:
        return super().evaluate(each(eval_dataset, as_table), *args, **kwargs)

    def get_test_dataloader(self, test_dataset: Any) -> Any:
        return super().get_test_dataloader(as_table(test_dataset, "test"))

    def _prepare_dataset(self, dataset: Any, processing_class: Any, args: Any, *rest: Any) -> Any:
        if self._reads_rows:
            known = getattr(dataset, "_fingerprint", None) in self._prepared or ROW in columns_of(dataset)
            return dataset if known else self._media_rows(dataset, str(rest[-1]))
        refuse_unseen(dataset, str(rest[-1]))
        if getattr(dataset, "_fingerprint", None) not in self._prepared:
            dataset = self._media_rows(dataset, str(rest[-1]))
        return super()._prepare_dataset(dataset, processing_class, args, *rest)

    def _set_signature_columns_if_needed(self) -> None:
        if self._reads_rows:
            self._signature_columns = [
                *("prompt", "chosen", "rejected", "completion", "ranked", "prompts"),
                *("video", "videos", *AUDIO_COLUMNS, *HIDDEN.values(), ROW),
                *("tools", "chat_template_kwargs", "ref_chosen_logps", "ref_rejected_logps"),
                *("ordered", DIALOGUE),
            ]
        else:
            super()._set_signature_columns_if_needed()

    def _fingerprinted(self, dataset: Any) -> Any:
        """A dataset for TRL to compute reference log-probs of: under a fingerprint of all that they depend on."""
        if not isinstance(dataset, Dataset):
            return dataset  # TRL refuses it
        dataset = copy.copy(dataset)
        if self.is_world_process_zero():
            # TRL takes the first process's for all.
            accelerator = self.accelerator
            dataset._fingerprint = reference_fingerprint(
                dataset,
                collator=self.data_collator,
                reference=accelerator.unwrap_model(self.ref_model or self.model),
                args=self.args,
                folder=self._folder,
                precision=accelerator.mixed_precision,
            )
        lay_down(dataset, self.args.output_dir)
        return dataset

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        target = model if model is not None else self.model
        if self._loads_renamed(target, resume_from_checkpoint):
            load_renamed(target, resume_from_checkpoint)
        else:
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_best_model(self) -> None:
        best = self.state.best_model_checkpoint
        if self._loads_renamed(self.model, best):
            load_renamed(self.model, best)
        else:
            super()._load_best_model()

    def _loads_renamed(self, model: Any, folder: str) -> bool:
        sharded = self.is_fsdp_enabled or self.is_deepspeed_enabled
        return not sharded and hasattr(model, "get_output_embeddings") and is_renamed(model, folder)

    def create_model_card(
        self,
        model_name: str | None = None,
        dataset_name: str | None = None,
        tags: str | list[str] | None = None,
        *,
        results: Sequence[Any] = (),
    ) -> None:
        """Writes our card in place of TRL's. dataset_name: on the Hub ("owner/name"), or a local one, which is not linked.
        results: of evaluations, as huggingface_hub's `EvalResult`."""
        if self.is_world_process_zero():
            given = {"model_name": model_name, "dataset_name": dataset_name, "tags": tags, "results": results}
            write_card(self, **given)
