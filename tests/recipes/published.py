"""Real processors with the settings that their checkpoints publish, and a tokenizer of one token a byte."""

from transformers import (
    GotOcr2ImageProcessor,
    InternVLProcessor,
    InternVLVideoProcessor,
    LlavaNextImageProcessor,
    LlavaNextVideoProcessor,
    LlavaNextVideoVideoProcessor,
    PerceptionLMImageProcessor,
    PerceptionLMProcessor,
    PerceptionLMVideoProcessor,
    Qwen2_5_VLProcessor,
    Qwen2_5OmniProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
    VideoLlavaImageProcessor,
    VideoLlavaProcessor,
    VideoLlavaVideoProcessor,
    WhisperFeatureExtractor,
)

from vidalign.families import FAMILIES


def _text_of(name):
    """Tokenizer and chat template of the family's tiny processor, which know its placeholders."""
    tiny = FAMILIES[name].tiny_processor()
    return {"tokenizer": tiny.tokenizer, "chat_template": tiny.chat_template}


def qwen2_5_vl():
    size = {"shortest_edge": 3136, "longest_edge": 12_845_056}
    return Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=size, patch_size=14, merge_size=2, temporal_patch_size=2),
        video_processor=Qwen2VLVideoProcessor(size=size, patch_size=14, merge_size=2, temporal_patch_size=2),
        **_text_of("qwen2_5_vl"),
    )


def qwen2_5_omni():
    size = {"shortest_edge": 3136, "longest_edge": 12_845_056}
    text = _text_of("qwen2_5_omni_thinker")
    del text["tokenizer"].init_kwargs["size"]  # published ones leave it to the processor's class
    return Qwen2_5OmniProcessor(
        image_processor=Qwen2VLImageProcessor(size=size, patch_size=14, merge_size=2, temporal_patch_size=2),
        video_processor=Qwen2VLVideoProcessor(size=size, patch_size=14, merge_size=2, temporal_patch_size=2),
        feature_extractor=WhisperFeatureExtractor(feature_size=128, chunk_length=300, hop_length=160),
        **text,
    )


def qwen3_vl():
    image = {"shortest_edge": 65_536, "longest_edge": 16_777_216}
    video = {"shortest_edge": 4096, "longest_edge": 25_165_824}
    return Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=image, patch_size=16, merge_size=2, temporal_patch_size=2),
        video_processor=Qwen3VLVideoProcessor(size=video, patch_size=16, merge_size=2, temporal_patch_size=2),
        **_text_of("qwen3_vl"),
    )


def llava_next_video():
    size = {"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}
    return LlavaNextVideoProcessor(
        video_processor=LlavaNextVideoVideoProcessor(**size),
        image_processor=LlavaNextImageProcessor(**size),
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        **_text_of("llava_next_video"),
    )


def video_llava():
    size = {"size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}}
    return VideoLlavaProcessor(
        image_processor=VideoLlavaImageProcessor(**size),
        video_processor=VideoLlavaVideoProcessor(**size),
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        **_text_of("video_llava"),
    )


def perception_lm():
    return PerceptionLMProcessor(
        video_processor=PerceptionLMVideoProcessor(size={"height": 448, "width": 448}),
        image_processor=PerceptionLMImageProcessor(tile_size=448, max_num_tiles=36),
        patch_size=14,
        pooling_ratio=2,
        **_text_of("perception_lm"),
    )


def internvl():
    size = {"height": 448, "width": 448}
    return InternVLProcessor(
        image_processor=GotOcr2ImageProcessor(size=size),
        video_processor=InternVLVideoProcessor(size=size),
        image_seq_length=256,
        **_text_of("internvl"),
    )


PROCESSORS = {
    "OpenGVLab/InternVL2_5-8B-MPO-hf": ("internvl", internvl),
    "LanguageBind/Video-LLaVA-7B-hf": ("video_llava", video_llava),
    "Qwen/Qwen2.5-Omni-7B": ("qwen2_5_omni_thinker", qwen2_5_omni),
    "Qwen/Qwen2.5-VL-3B-Instruct": ("qwen2_5_vl", qwen2_5_vl),
    "Qwen/Qwen2.5-VL-7B-Instruct": ("qwen2_5_vl", qwen2_5_vl),
    "facebook/Perception-LM-1B": ("perception_lm", perception_lm),
    "llava-hf/LLaVA-NeXT-Video-7B-hf": ("llava_next_video", llava_next_video),
    "out/avocado-sft": ("qwen2_5_omni_thinker", qwen2_5_omni),
    "out/avocado-sft-merged": ("qwen2_5_omni_thinker", qwen2_5_omni),
}
"""Model of a recipe -> its family, and what makes its processor."""
