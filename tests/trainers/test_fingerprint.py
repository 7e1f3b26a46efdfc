"""The key of reference log-probs that are kept on the disk changes with each thing that they depend on."""

from types import SimpleNamespace

import pytest
from datasets import Dataset
from peft import LoraConfig

from vidalign.encoding import RowEncoder, VideoSampling
from vidalign.families import FAMILIES
from vidalign.rows import MediaFolder
from vidalign.trainers import fingerprint
from vidalign.trainers.collators import RankedCollator, TextPreferenceCollator, VideoPreferenceCollator

FAMILY = FAMILIES["qwen2_5_vl"]
SETTINGS = {
    "share_prefix": (True, False),
    "prefix_attention": ("sdpa", "flex"),
    "disable_dropout": (True, False),
    "ld_alpha": (None, 0.5),
    "max_length": (None, 64),
    "truncation_mode": ("keep_start", "keep_end"),
    "tf32": (None, True),
}


class Reference:
    """A model as far as the key reads it."""

    def __init__(self):
        self.config = FAMILY.tiny_model().config
        self.dtype = "float32"
        self.peft_config = {"default": LoraConfig(r=4), "ref": LoraConfig(r=4)}


@pytest.fixture
def parts(media_folder):
    """What a key is made of, afresh, with some of it changed: `parts(precision="bf16")`."""

    def make(**changes):
        table = Dataset.from_list(
            [{"videos": [f"{number}.mp4"], "prompt": "describe"} for number in range(2)]
        )
        table._fingerprint = "rows"
        encoder = RowEncoder(FAMILY.tiny_processor(), FAMILY, folder=MediaFolder(str(media_folder)))
        return {
            "dataset": table,
            "collator": VideoPreferenceCollator(encoder, 0),
            "reference": Reference(),
            "args": SimpleNamespace(**{name: values[0] for name, values in SETTINGS.items()}),
            "folder": MediaFolder(),
            "precision": "no",
            **changes,
        }

    return make


def key(parts):
    return fingerprint.reference_fingerprint(parts.pop("dataset"), **parts)


def test_the_same_is_the_same(parts):
    assert key(parts()) == key(parts())


@pytest.mark.parametrize("name", SETTINGS)
def test_settings(name, parts):
    changed = parts()
    setattr(changed["args"], name, SETTINGS[name][1])
    assert key(changed) != key(parts())


def _template(given):
    given["collator"].encoder.chat_template = "{{ messages }}"


def _sampling(given):
    given["collator"].encoder.sampling = VideoSampling(fps=1.0)


def _processor(given):
    given["collator"].encoder.processor.video_processor.size = {"shortest_edge": 784, "longest_edge": 1568}


def _cut(given):
    given["collator"].max_length = 64


def _kind(given):
    given["collator"] = RankedCollator(given["collator"].encoder, 0)


def _dtype(given):
    given["reference"].dtype = "bfloat16"


def _attention(given):
    given["reference"].config.text_config._attn_implementation = "eager"


def _config(given):
    given["reference"].config.text_config.rms_norm_eps = 1e-3


def _adapter(given):
    given["reference"].peft_config["ref"] = LoraConfig(r=4, lora_alpha=64)


def _precision(given):
    given["precision"] = "bf16"


def _rows(given):
    given["dataset"]._fingerprint = "others"


def _media_order(given):
    given["dataset"] = given["dataset"].select([1, 0])
    given["dataset"]._fingerprint = "rows"


CHANGES = [
    *(_template, _sampling, _processor, _cut, _kind, _dtype, _attention),
    *(_config, _adapter, _precision, _rows, _media_order),
]


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_log_prob_depends_on(change, parts):
    changed = parts()
    change(changed)
    assert key(changed) != key(parts())


@pytest.mark.parametrize(
    "library", ["vidalign", "trl", "transformers", "tokenizers", "torch", "av", "pillow"]
)
def test_versions(library, parts, monkeypatch):
    before, known = key(parts()), fingerprint.versions
    assert library in fingerprint._LIBRARIES
    monkeypatch.setattr(fingerprint, "versions", lambda names: f"{known(names)}, another {library}")
    assert key(parts()) != before


def test_what_it_does_not_depend_on(parts):
    """Where a config was loaded from, the adapter that learns, and where files lie that have the same content."""
    changed = parts()
    changed["reference"].config._name_or_path = "elsewhere"
    changed["reference"].peft_config["default"] = LoraConfig(r=8)
    assert key(changed) == key(parts())


def test_text_goes_by_its_collator(parts):
    """Rows of text are tokens already; how they are padded and cut is the collator's."""
    keys = set()
    for length in (None, 8, 9):
        tokens = Dataset.from_list([{"prompt_ids": [1, 2], "chosen_ids": [3], "rejected_ids": [4]}])
        tokens._fingerprint = "rows"
        collator = TextPreferenceCollator(pad_token_id=0, max_length=length)
        keys.add(key(parts(dataset=tokens, collator=collator)))
    assert len(keys) == 3
