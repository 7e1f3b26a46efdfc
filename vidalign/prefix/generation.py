"""Several samples of each prompt: media encoded once, the prompt read once, its cache expanded to the samples."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache, LogitsProcessorList

from vidalign.families import family_of
from vidalign.families.family import EncodedPrompt, Family
from vidalign.families.modules import unwrap
from vidalign.prefix.contrast import ContrastiveSampling
from vidalign.prefix.encoder import MediaEncoder
from vidalign.prefix.idle import idle_towers


@torch.no_grad()
def generate(
    model: Any,
    prompts: Sequence[EncodedPrompt],
    *,
    samples: int | Sequence[int] = 1,
    encoder: MediaEncoder | None = None,
    share: bool = True,
    run_idle_towers: bool = False,
    against: Sequence[EncodedPrompt] | None = None,
    strength: float = 0.0,
    kept: KeptPrefixes | None = None,
    **options: Any,
) -> list[list[list[int]]]:
    """Generates `samples` responses to each prompt, all together in one decoding loop.

    All but the last token of a prompt are read once and their cache is copied per sample, so the towers and the
    prompt cost what one response would. Several prompts on the same media tensors (as an encoder of rows gives them for
    one video) read what they have in common once, if that holds the media. The tokens are those of full prompts: greedy,
    and sampled from the same random state by one call of the model's own `generate` on the padded batch. Tokens that
    stand for media features cannot be sampled: one of them in a response would break its positions when it is scored.

    Args:
        model: a transformers model with a language-model head, or a PEFT model around one.
        prompts: encoded by `Family.encode`; of any lengths, with media and without.
        samples: responses per prompt; one number for all, or one a prompt, which may be 0: the prompt is only read.
        encoder: keeps the features of frozen towers for who scores the same media.
        share: False reads every prompt by itself.
        run_idle_towers: for sharded weights, whose every forward all processes must run: towers that a prompt has no media
            for run on a dummy, and every prompt is read by itself.
        against: a weaker form of each prompt, such as one with fewer frames, that responses are contrasted with; see
            `vidalign.prefix.contrast`. Both forms of all prompts decode together.
        strength: of the contrast.
        kept: keeps what is read up to the end of a prompt's media, for further prompts on the same media tensors.
        options: for `model.generate`, e.g. `max_new_tokens`, `do_sample`, `temperature`, `generation_config`.

    Returns:
        Token ids by prompt and sample, without the prompt, up to and with the first end-of-sequence token.

    Raises:
        ValueError: a prompt of fewer than two tokens, or one that ends with its media; or as many of `against` as of prompts
            are not there.
    """
    family, inner = family_of(model), unwrap(model)
    number = len(prompts)
    if against is not None:
        if len(against) != number:
            raise ValueError(f"{len(against)} weaker prompts for {number} prompts; give one each")
        prompts = [*prompts, *against]
    for prompt in prompts:
        if len(prompt.input_ids) < 2:
            raise ValueError(
                f"a prompt of {len(prompt.input_ids)} token(s) cannot be continued from a cache; give two or more"
            )
        if prompt.input_ids[-1] in family.media_token_ids(inner.config):
            raise ValueError("a prompt ends with its media; end it with text, or with the assistant's turn")
    counts = [samples] * number if isinstance(samples, int) else list(samples)
    config = _without_media_tokens(options, family, inner)
    contrast = None
    if against is not None:
        counts, contrast = counts * 2, _contrast(config, strength)
    training = model.training
    model.eval()
    try:
        encoder = encoder if encoder is not None else MediaEncoder(family)
        sliding = any(getattr(layer, "is_sliding", False) for layer in _empty_cache(inner).layers)
        if sliding and against is not None:
            raise ValueError(
                "contrastive decoding lays caches of unlike length side by side, and this model's attention has a sliding window; "
                "leave the contrast out"
            )
        # A sliding window has dropped the tokens that a second prompt's own would still see.
        share = share and not run_idle_towers and not sliding
        read = _read_all(inner, family, encoder, prompts, share, run_idle_towers, kept if share else None)
        if len(prompts) > 1 and sliding:
            # ... and caches of unlike length cannot be laid side by side.
            batches = [([one], [count]) for one, count in zip(read, counts, strict=True) if count]
        else:
            batches = [(read, counts)]
        responses = [
            row for part, own in batches for row in _decode(model, inner, part, own, config, contrast)
        ]
    finally:
        model.train(training)
    ends = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    cut = iter([_cut(row, ends) for row in responses])
    return [[next(cut) for _ in range(count)] for count in counts[:number]]


class KeptPrefixes:
    """What has been read of prompts up to the end of their media, by the media's tensors."""

    def __init__(self) -> None:
        # The tensors are held, since they are known by their ids.
        self._kept: dict[tuple[int, ...], tuple[list[torch.Tensor], list[int], DynamicCache]] = {}

    def find(self, prompt: EncodedPrompt) -> tuple[int, DynamicCache] | None:
        """(tokens, a copy of their cache) of a beginning of the prompt."""
        found = self._kept.get(_media_ids(prompt))
        if found is None or prompt.input_ids[: len(found[1])] != found[1]:
            return None
        return len(found[1]), copy.deepcopy(found[2])

    def keep(self, prompt: EncodedPrompt, length: int, cache: DynamicCache) -> None:
        """Keeps a copy of the cache of the prompt's first tokens."""
        held = list(prompt.media.values()), prompt.input_ids[:length], copy.deepcopy(cache)
        self._kept[_media_ids(prompt)] = held


def _media_ids(prompt: EncodedPrompt) -> tuple[int, ...]:
    return tuple(id(tensor) for tensor in prompt.media.values())


@dataclass
class _Read:
    """A prompt that has been read but for its last token. offset: scalar, of the positions of that and of what follows
    against the count of tokens. (A model's own `generate` takes the largest position instead of the last, and so goes on
    elsewhere than its forward does on the whole row, where a video is longer in time than in tokens.)"""

    input_ids: torch.Tensor
    cache: DynamicCache
    offset: torch.Tensor


def _read_all(
    inner: Any,
    family: Family,
    encoder: MediaEncoder,
    prompts: Sequence[EncodedPrompt],
    share: bool,
    run_idle_towers: bool,
    kept: KeptPrefixes | None,
) -> list[_Read]:
    """Every prompt; those on the same media together, where they may share."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for number, prompt in enumerate(prompts):
        same = _media_ids(prompt) if share else ()
        groups.setdefault(same or (-number - 1,), []).append(number)
    read: dict[int, _Read] = {}
    for members in groups.values():
        own = [prompts[number] for number in members]
        shared = _shared_length(own, family.media_token_ids(inner.config))
        if not shared:
            found = [
                _read(inner, family, encoder, [prompt], run_idle_towers, len(prompt.input_ids) - 1, kept)[0]
                for prompt in own
            ]
        else:
            found = _read(inner, family, encoder, own, run_idle_towers, shared, kept)
        read |= dict(zip(members, found, strict=True))
    return [read[number] for number in range(len(prompts))]


def _shared_length(prompts: Sequence[EncodedPrompt], media_tokens: frozenset[int]) -> int:
    """Tokens that the prompts begin with alike and that hold all media of each; 0 where they do not, or for one prompt."""
    if len(prompts) == 1:
        return 0
    rows = [prompt.input_ids for prompt in prompts]
    shortest = min(map(len, rows)) - 1  # the last token of each is read by `generate`
    shared = next((place for place in range(shortest) if len({row[place] for row in rows}) > 1), shortest)
    if any(token in media_tokens for row in rows for token in row[shared:]):
        return 0
    return shared


def _read(
    inner: Any,
    family: Family,
    encoder: MediaEncoder,
    prompts: Sequence[EncodedPrompt],
    run_idle_towers: bool,
    shared: int,
    kept: KeptPrefixes | None,
) -> list[_Read]:
    """Prompts on the same media, but for the last token of each. shared: tokens that all begin with, and that hold all media."""
    backbone, first = inner.base_model, prompts[0]
    device = inner.get_input_embeddings().weight.device
    rows = [torch.tensor([prompt.input_ids], device=device) for prompt in prompts]
    positions = [family.positions(backbone, row, first.media) for row in rows]

    def read(cache: DynamicCache, row: int, start: int, end: int, given: dict[str, Any]) -> None:
        if start < end:
            position = positions[row][..., start:end]
            backbone(
                input_ids=rows[row][:, start:end],
                position_ids=position,
                past_key_values=cache,
                use_cache=True,
                **given,
            )

    known = kept.find(first) if kept is not None else None
    if known is not None:
        start, common = known
    else:
        features = encoder(backbone, [first.media])
        if run_idle_towers:
            idle_towers(family, backbone, features or {})
        start, common = (
            _end_of_media(first, family, inner) if kept is not None else shared,
            _empty_cache(inner),
        )
        begun = rows[0][:, :start]
        given = family.backbone_inputs(backbone, begun, features) if features is not None else {}
        read(common, 0, 0, start, given)
        if kept is not None and features is not None:
            kept.keep(first, start, common)
    read(common, 0, start, shared, {})
    found = []
    for number, (row, position) in enumerate(zip(rows, positions, strict=True)):
        cache = common if number == len(rows) - 1 else copy.deepcopy(common)
        read(cache, number, shared, row.shape[1] - 1, {})
        found.append(_Read(row[0], cache, position[..., -1:].amax() + 1 - row.shape[1]))
    return found


def _end_of_media(prompt: EncodedPrompt, family: Family, inner: Any) -> int:
    media = family.media_token_ids(inner.config)
    return max((place for place, token in enumerate(prompt.input_ids) if token in media), default=0) + 1


def _empty_cache(inner: Any) -> DynamicCache:
    return DynamicCache(config=inner.config.get_text_config())


def _decode(
    model: Any,
    inner: Any,
    read: list[_Read],
    counts: list[int],
    config: Any,
    contrast: ContrastiveSampling | None,
) -> list[list[int]]:
    """One response a row, the samples of a prompt one after another; prompts padded on the left."""
    longest = max(len(prompt.input_ids) for prompt in read)
    repeats = torch.tensor(counts, device=read[0].input_ids.device)
    rows = read[0].input_ids.new_full((len(read), longest), config.pad_token_id or 0)
    mask = torch.zeros_like(rows)
    for row, prompt in enumerate(read):
        rows[row, longest - len(prompt.input_ids) :] = prompt.input_ids
        mask[row, longest - len(prompt.input_ids) :] = 1
    if hasattr(inner.base_model, "rope_deltas"):
        # What `generate` adds to the count of tokens; without it the positions of a text prompt would follow the video
        # of whatever was generated before.
        offsets = torch.stack([prompt.offset for prompt in read])[:, None]
        inner.base_model.rope_deltas = offsets.repeat_interleave(repeats, 0)
    output = model.generate(
        input_ids=rows.repeat_interleave(repeats, 0),
        attention_mask=mask.repeat_interleave(repeats, 0),
        past_key_values=_expanded([prompt.cache for prompt in read], counts, longest - 1, inner),
        generation_config=config,
        logits_processor=LogitsProcessorList([] if contrast is None else [contrast]),
    )
    return output[:, longest:].tolist()


def _expanded(caches: list[DynamicCache], counts: list[int], length: int, inner: Any) -> DynamicCache:
    """The caches side by side, `counts` copies of each, zeros before the shorter ones."""
    if len(caches) == 1:
        caches[0].batch_repeat_interleave(counts[0])
        return caches[0]
    cache = _empty_cache(inner)
    for number in range(len(caches[0].layers)):
        states = []
        for name in ("keys", "values"):
            parts = [getattr(own.layers[number], name) for own in caches]
            whole = parts[0].new_zeros(sum(counts), parts[0].shape[1], length, parts[0].shape[3])
            start = 0
            for part, count in zip(parts, counts, strict=True):
                whole[start : start + count, :, length - part.shape[2] :] = part
                start += count
            states.append(whole)
        for own in caches:  # not both at once: caches are as large as models
            own.layers[number].keys = own.layers[number].values = None
        cache.update(*states, number)
    return cache


def _contrast(config: Any, strength: float) -> ContrastiveSampling:
    """The contrast with the config's sampling, which is then no more `generate`'s own."""
    own = ContrastiveSampling(
        strength,
        do_sample=bool(config.do_sample),
        temperature=config.temperature,
        top_k=config.top_k,
        top_p=config.top_p,
    )
    config.do_sample, config.temperature, config.top_k, config.top_p = False, None, None, None
    return own


def _without_media_tokens(options: dict[str, Any], family: Family, inner: Any) -> Any:
    """The generation config of `options`, with the tokens that stand for media forbidden."""
    config = copy.deepcopy(options.pop("generation_config", None) or inner.generation_config)
    for name, value in options.items():
        if not hasattr(config, name):
            raise TypeError(
                f"generate() has no option {name!r}; give what transformers' GenerationConfig has"
            )
        setattr(config, name, value)
    banned = set(config.suppress_tokens or ()) | family.media_token_ids(inner.config)
    config.suppress_tokens = sorted(banned) or None
    for name in ("eos_token_id", "pad_token_id"):
        if getattr(config, name) is None:
            setattr(config, name, getattr(inner.generation_config, name))
    return config


def _cut(tokens: list[int], ends: list[int | None]) -> list[int]:
    stop = next((place for place, token in enumerate(tokens) if token in ends), None)
    return tokens if stop is None else tokens[: stop + 1]
