"""One forward for a batch of rows: each prefix once (packed), or each row by itself (for comparison)."""

from __future__ import annotations

import inspect
import logging
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from vidalign.families import family_of
from vidalign.families.family import Family, Media
from vidalign.prefix.attention import LAYOUT, install, packed_forward
from vidalign.prefix.encoder import MediaEncoder
from vidalign.prefix.idle import idle_towers
from vidalign.prefix.layout import PackedLayout, SharedPrefixError, pack_rows
from vidalign.prefix.self_check import SelfCheck, SelfCheckError

logger = logging.getLogger(__name__)


class HeldMedia(Sequence[Media]):
    """The media of several prompts. No list: wrappers such as DDP copy the tensors of lists to their device at every
    forward, and features are kept for these very tensors."""

    def __init__(self, prompts: Sequence[Media]) -> None:
        self._prompts = tuple(prompts)

    def __len__(self) -> int:
        return len(self._prompts)

    def __getitem__(self, index: Any) -> Any:
        return self._prompts[index]


@dataclass
class RowBatch:
    """Rows of a batch, each prompt's media once.

    input_ids, attention_mask, labels: [B, L]; labels are -100 where nothing is scored.
    group: [B] number of the media that a row belongs to: an index into `media`.
    media: one dictionary of processor tensors per group; empty for text. They may lie on another device.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    labels: torch.Tensor
    group: torch.Tensor
    media: Sequence[Media]


class SharedPrefix:
    """Runs a model on rows that share prefixes.

    Args:
        model: a transformers model with a language-model head (not wrapped by PEFT; its layers may carry adapters).
        share: False runs every row by itself with the model's own forward, the media repeated for each.
        self_check: at the first forward, compare both ways on a few tokens of one group and raise if they differ (see
            `SelfCheck`); not with weights that are sharded.
        backend: "sdpa", "flex" or "flash" (see `vidalign.prefix.attention`).
        encoder: shared between a policy and its reference, so that a frozen tower runs once for both.
        run_idle_towers: run the towers on a dummy when a batch has no media, as sharded and distributed training
            needs when other ranks have some.
        report: gets one line about the self-check and what it cost; default a logger's `info`.

    Raises:
        UnknownFamilyError: the model's family is not known.
    """

    def __init__(
        self,
        model: Any,
        *,
        share: bool = True,
        self_check: bool = True,
        backend: str = "sdpa",
        encoder: MediaEncoder | None = None,
        run_idle_towers: bool = False,
        report: Callable[[str], None] = logger.info,
    ) -> None:
        # Weak: the model will own us through its forward, and a cycle would keep it in memory after training.
        self._model = weakref.ref(model)
        self.family: Family = family_of(model)
        self.share = share
        self.encoder = encoder if encoder is not None else MediaEncoder(self.family)
        self.run_idle_towers = run_idle_towers
        self._check = SelfCheck(report) if self_check and share else None
        self._media_tokens = self.family.media_token_ids(model.config)
        self._parameters = inspect.signature(type(model.base_model).forward).parameters
        if share:
            install(model.config.get_text_config(), backend)

    def pack(self, rows: RowBatch) -> PackedLayout:
        """The packed layout of the rows, on their device."""
        return pack_rows(rows.input_ids, rows.attention_mask, rows.labels, rows.group, self._media_tokens)

    def packed_hidden_states(
        self, rows: RowBatch, layout: PackedLayout, **options: Any
    ) -> tuple[torch.Tensor, Any]:
        """Hidden states that predict the scored tokens.

        Returns:
            ([S, H] in the order of `layout.index`, the backbone's own output for the packed sequence).
        """
        if self._check is not None:
            check, self._check = self._check, None
            self._check = check(self, self._whole_model(), rows, layout)
        backbone = self._backbone()
        media = [rows.media[number] for number in layout.group_ids]
        features = self.encoder(backbone, media)
        if features is not None:
            options |= self.family.backbone_inputs(backbone, layout.input_ids[None], features)
        idle = idle_towers(self.family, backbone, features or {}) if self.run_idle_towers else None
        with packed_forward():
            output = backbone(
                input_ids=layout.input_ids[None],
                position_ids=self._positions(backbone, layout, media),
                use_cache=False,
                **{LAYOUT: layout},
                **options,
            )
        hidden = output.last_hidden_state[0]
        if idle is not None:
            hidden = hidden + idle.to(hidden.dtype)
        return hidden.index_select(0, layout.index.to(hidden.device)), output

    def separate_inputs(self, rows: RowBatch) -> dict[str, torch.Tensor]:
        """The rows as the model's own forward takes them: every row with a copy of its media."""
        numbers = rows.group.tolist()
        inputs: dict[str, torch.Tensor] = {"input_ids": rows.input_ids, "attention_mask": rows.attention_mask}
        present = [rows.media[number] for number in numbers if rows.media[number]]
        if present:
            merged = self.family.merge(present)
            inputs |= {
                name: tensor.to(rows.input_ids.device)
                for name, tensor in merged.items()
                if name in self._parameters
            }
            if "mm_token_type_ids" in self._parameters:
                inputs["mm_token_type_ids"] = self._token_types(rows.input_ids)
            elif self.family.audio_tower:
                inputs["position_ids"] = self._row_positions(rows)
        return inputs

    def _whole_model(self) -> Any:
        model = self._model()
        if model is None:
            raise RuntimeError("the model of this SharedPrefix has been deleted")
        return model

    def _backbone(self) -> Any:
        return self._whole_model().base_model

    def _token_types(self, input_ids: torch.Tensor) -> torch.Tensor:
        config = self._backbone().config
        types = torch.zeros_like(input_ids)
        types[input_ids == getattr(config, "image_token_id", -1)] = 1
        types[input_ids == getattr(config, "video_token_id", -1)] = 2
        return types

    def _positions(self, backbone: Any, layout: PackedLayout, media: Sequence[Media]) -> torch.Tensor:
        """Position ids [..., 1, N]: a suffix goes on where its prefix ends, as if it stood there alone."""
        pieces = []
        for group, own_media in zip(layout.groups, media, strict=True):
            # With the token that follows, whose position is not always one more than the largest before it: where
            # time passes faster than tokens, text goes on below the last frame's position.
            following = next((length for length in group.suffixes if length), 0)
            ids = layout.input_ids[None, group.start : group.start + group.prefix + bool(following)]
            known = self.family.positions(backbone, ids, own_media)
            pieces.append(known[..., : group.prefix])
            start = known[..., group.prefix :]
            pieces += [
                start + torch.arange(length, device=start.device, dtype=start.dtype)
                for length in group.suffixes
                if length
            ]
        return torch.cat(pieces, dim=-1)

    def _row_positions(self, rows: RowBatch) -> torch.Tensor:
        """Positions [3, B, L] of rows by themselves: where rows with sound and without it meet in a batch, the
        backbone's own forward has one flag for all of them."""
        backbone = self._backbone()
        positions = torch.zeros(3, *rows.input_ids.shape, dtype=torch.long, device=rows.input_ids.device)
        for index, number in enumerate(rows.group.tolist()):
            real = rows.attention_mask[index].bool()
            own = self.family.positions(backbone, rows.input_ids[index][real][None], rows.media[number])
            positions = positions.to(torch.promote_types(positions.dtype, own.dtype))
            positions[:, index, real] = own[:, 0]
        return positions


def token_logps(model: Any, rows: RowBatch, *, prefix: SharedPrefix | None = None) -> torch.Tensor:
    """Per-token log-probabilities in the shifted row layout, without any trainer.

    Args:
        model: a transformers model with a language-model head.
        rows: the batch.
        prefix: reuse one (it remembers its self-check); by default one is made with the defaults.

    Returns:
        [B, L - 1] float32; 0 where `labels` is -100.
    """
    prefix = prefix if prefix is not None else SharedPrefix(model)
    head = model.get_output_embeddings()
    if prefix.share:
        layout = prefix.pack(rows)
        hidden, _ = prefix.packed_hidden_states(rows, layout)
        logps = (
            head(hidden).float().log_softmax(-1).gather(-1, layout.labels[:, None].to(hidden.device))[:, 0]
        )
        return layout.to_rows(logps)
    hidden = model.base_model(**prefix.separate_inputs(rows), use_cache=False).last_hidden_state[:, :-1]
    labels = rows.labels[:, 1:]
    logps = head(hidden).float().log_softmax(-1).gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    return logps.masked_fill(labels == -100, 0)


__all__ = ["HeldMedia", "RowBatch", "SelfCheckError", "SharedPrefix", "SharedPrefixError", "token_logps"]
