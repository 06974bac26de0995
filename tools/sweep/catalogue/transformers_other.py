"""Models of `transformers` of sound, of several kinds of input, and of time series."""

from __future__ import annotations

from typing import Any

import torch

from tests.zoo.case import Case
from tools.sweep.catalogue.transformers_text import LLAMA, SPECIAL, VOCABULARY, Inputs, case, ids

Options = dict[str, Any]
# model class, configuration class, inputs, options, size, other size
Row = tuple[str, str, Inputs, Options, int, int | None]

WORDS = 7
IMAGE_TOKEN = 3


def _wave(batch: int, size: int) -> dict[str, Any]:
    return {"input_values": torch.randn(batch, size)}


def _codec(batch: int, size: int) -> dict[str, Any]:
    return {"input_values": torch.randn(batch, 1, size)}


def _target(batch: int) -> dict[str, Any]:
    return {"decoder_input_ids": ids(batch, WORDS), "use_cache": False}


def _mel(batch: int, size: int) -> dict[str, Any]:
    return {"input_features": torch.randn(batch, 8, size), **_target(batch)}


def _frames(batch: int, size: int) -> dict[str, Any]:
    return {"input_features": torch.randn(batch, size, 8)}


def _composed(batch: int, size: int) -> dict[str, Any]:
    """Codes of two codebooks, which stand in the batch axis, and five states of a text encoder."""
    states = torch.randn(batch, 5, 16)
    return {"input_ids": ids(2 * batch, size), "encoder_hidden_states": states, "use_cache": False}


def _spectrogram(batch: int, size: int) -> dict[str, Any]:
    return {"input_values": torch.randn(batch, size, 16)}


def _heard(batch: int, size: int) -> dict[str, Any]:
    return {**_wave(batch, size), **_target(batch)}


_SPEECH: Options = {
    "vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 24, "conv_dim": [8, 10], "conv_kernel": [5, 3], "conv_stride": [3, 2],
    "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip
_STABLE: Options = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
_QUANTISED: Options = {
    "num_codevectors_per_group": 6,
    "codevector_dim": 8,
    "proj_codevector_dim": 8,
}
_CONFORMER: Options = {**_SPEECH, "conv_depthwise_kernel_size": 3, "max_source_positions": 64}
_LISTENER: Options = {
    "vocab_size": VOCABULARY, "d_model": 16, "encoder_layers": 2, "decoder_layers": 2,
    "encoder_attention_heads": 2, "decoder_attention_heads": 4, "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 20, "max_target_positions": 16, "decoder_start_token_id": 2, **SPECIAL,
}  # fmt: skip


def _ctc(prefix: str, **options: Any) -> Row:
    return f"{prefix}ForCTC", f"{prefix}Config", _wave, {**_SPEECH, **options}, 120, 132


_SOUND: dict[str, Row] = {
    "wav2vec2": _ctc("Wav2Vec2"),
    "wav2vec2-adapter": _ctc("Wav2Vec2", **_STABLE, add_adapter=True, num_adapter_layers=1,
                             adapter_attn_dim=6),
    "wav2vec2-pretraining": ("Wav2Vec2ForPreTraining", "Wav2Vec2Config", _wave,
        {**_SPEECH, **_QUANTISED}, 120, 132),
    "hubert": _ctc("Hubert", **_STABLE),
    "wavlm": _ctc("WavLM", num_buckets=8, max_bucket_distance=16),
    "sew": _ctc("SEW", squeeze_factor=2),
    "sew-d": _ctc("SEWD", squeeze_factor=2, position_buckets=4, max_position_embeddings=32),
    "unispeech": _ctc("UniSpeech", num_ctc_classes=11, **_QUANTISED),
    "unispeech-sat": _ctc("UniSpeechSat", **_QUANTISED),
    "data2vec-audio": _ctc("Data2VecAudio", conv_pos_kernel_size=3, num_conv_pos_embeddings=2),
    "wav2vec2-conformer": ("Wav2Vec2ConformerForCTC", "Wav2Vec2ConformerConfig", _wave, _CONFORMER,
        120, 132),
    "wav2vec2-conformer-rotary": ("Wav2Vec2ConformerForCTC", "Wav2Vec2ConformerConfig", _wave,
        {**_CONFORMER, "position_embeddings_type": "rotary"}, 120, 132),
    "wav2vec2-bert": ("Wav2Vec2BertForCTC", "Wav2Vec2BertConfig", _frames,
        {**_CONFORMER, "feature_projection_input_dim": 8, "left_max_position_embeddings": 4,
         "right_max_position_embeddings": 2}, 12, 11),
    "parakeet-encoder": ("ParakeetEncoder", "ParakeetEncoderConfig", _frames,
        {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_mel_bins": 8,
         "intermediate_size": 24, "conv_kernel_size": 3, "subsampling_factor": 4,
         "subsampling_conv_channels": 6, "max_position_embeddings": 32}, 32, 24),
    "whisper": ("WhisperForConditionalGeneration", "WhisperConfig", _mel,
        {**_LISTENER, "num_mel_bins": 8, "max_source_positions": 10}, 20, None),
    "speech-to-text": ("Speech2TextForConditionalGeneration", "Speech2TextConfig",
        lambda batch, size: {**_frames(batch, size), **_target(batch)},
        {**_LISTENER, "input_feat_per_channel": 8, "conv_channels": 12, "conv_kernel_sizes": [3, 3],
         "max_source_positions": 32}, 24, 20),
    "speecht5": ("SpeechT5ForSpeechToText", "SpeechT5Config", _heard,
        {**{k: v for k, v in _LISTENER.items() if k != "d_model"}, **_SPEECH,
         "vocab_size": VOCABULARY, "num_mel_bins": 8, "max_text_positions": 32,
         "encoder_max_relative_position": 8, "speech_decoder_prenet_units": 8,
         "speech_decoder_postnet_units": 8, "speaker_embedding_dim": 6}, 120, 132),
    "moonshine": ("MoonshineForConditionalGeneration", "MoonshineConfig", _heard,
        {"vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 24, "use_cache": False,
         "encoder_num_hidden_layers": 2, "decoder_num_hidden_layers": 2,
         "encoder_num_attention_heads": 2, "decoder_num_attention_heads": 2,
         "max_position_embeddings": 32, "pad_token_id": 0}, 3000, None),
    "ast": ("ASTForAudioClassification", "ASTConfig", _spectrogram,
        {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
         "intermediate_size": 24, "patch_size": 8, "frequency_stride": 8, "time_stride": 4,
         "max_length": 24, "num_mel_bins": 16, "num_labels": 3}, 24, None),
    "encodec": ("EncodecModel", "EncodecConfig", _codec,
        {"hidden_size": 8, "num_filters": 2, "codebook_size": 8, "upsampling_ratios": [2, 2],
         "num_lstm_layers": 1, "sampling_rate": 2000, "target_bandwidths": [3.0],
         "kernel_size": 3, "last_kernel_size": 3}, 64, 96),
    "dac": ("DacModel", "DacConfig", _codec,
        {"encoder_hidden_size": 4, "downsampling_ratios": [2, 2], "decoder_hidden_size": 16,
         "n_codebooks": 2, "codebook_size": 8, "codebook_dim": 3}, 64, 96),
    "mimi": ("MimiModel", "MimiConfig", _codec,
        {"hidden_size": 16, "num_filters": 2, "upsampling_ratios": [2, 2], "kernel_size": 3,
         "vector_quantization_hidden_dimension": 8, "codebook_dim": 8, "codebook_size": 8,
         "num_quantizers": 3, "upsample_groups": 16, "num_hidden_layers": 1,
         "num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 24,
         "sampling_rate": 100}, 64, 96),
    "musicgen": ("MusicgenForCausalLM", "MusicgenDecoderConfig",
        _composed,
        {"vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2, "ffn_dim": 24,
         "num_attention_heads": 2, "num_codebooks": 2, "max_position_embeddings": 32,
         "pad_token_id": VOCABULARY, "bos_token_id": VOCABULARY}, 7, 6),
    "univnet": ("UnivNetModel", "UnivNetConfig",
        lambda batch, size: {"input_features": torch.randn(batch, size, 6),
                             "noise_sequence": torch.randn(batch, size, 5)},
        {"model_in_channels": 5, "model_hidden_channels": 4, "num_mel_bins": 6,
         "kernel_predictor_num_blocks": 1, "kernel_predictor_hidden_channels": 5,
         "resblock_kernel_sizes": [3, 3], "resblock_stride_sizes": [2, 2],
         "resblock_dilation_sizes": [[1, 3], [1, 3]]}, 8, 10),
}  # fmt: skip


def _seen(batch: int, size: int) -> dict[str, Any]:
    """A text that ends with the end token, and an image."""
    words = ids(batch, WORDS)
    words[:, -1] = 2
    mask = torch.ones_like(words)
    pixels = torch.randn(batch, 3, size, size)
    return {"input_ids": words, "attention_mask": mask, "pixel_values": pixels}


def _shown(patches: int, frames: int = 0) -> Inputs:
    """Tokens that leave places for an image, and the image (or a list of one)."""

    def inputs(batch: int, size: int) -> dict[str, Any]:
        words = torch.cat([torch.full((batch, patches), IMAGE_TOKEN), ids(batch, WORDS)], 1)
        shape = (batch, frames, 3, size, size) if frames else (batch, 3, size, size)
        return {"input_ids": words, "pixel_values": torch.randn(shape), "use_cache": False}

    return inputs


def _boxes(batch: int, size: int) -> dict[str, Any]:
    """Words and where they stand on the page: left, top, right, bottom."""
    corner, extent = torch.randint(0, 8, (batch, size, 2)), torch.randint(1, 8, (batch, size, 2))
    return {"input_ids": ids(batch, size), "bbox": torch.cat([corner, corner + extent], 2)}


def _page(batch: int, size: int) -> dict[str, Any]:
    return {**_boxes(batch, WORDS), "pixel_values": torch.randn(batch, 3, size, size)}


def _regions(batch: int, size: int) -> dict[str, Any]:
    return {"input_ids": ids(batch, size), "visual_embeds": torch.randn(batch, 3, 10),
            "visual_attention_mask": torch.ones(batch, 3),
            "visual_token_type_ids": torch.ones(batch, 3, dtype=torch.long)}  # fmt: skip


def _objects(batch: int, size: int) -> dict[str, Any]:
    return {"input_ids": ids(batch, size), "visual_feats": torch.randn(batch, 3, 10),
            "visual_pos": torch.rand(batch, 3, 4)}  # fmt: skip


def _patched(batch: int, size: int) -> dict[str, Any]:
    """Flat patches of one image a text; four of them become one token."""
    words = torch.cat([torch.full((batch, 4), IMAGE_TOKEN), ids(batch, WORDS)], 1)
    kinds = (words == IMAGE_TOKEN).long()
    return {"input_ids": words, "pixel_values": torch.randn(batch * 16, 3 * 2 * size * size),
            "image_grid_thw": torch.tensor([[1, 4, 4]] * batch), "mm_token_type_ids": kinds,
            "use_cache": False}  # fmt: skip


def _strip(batch: int, size: int) -> dict[str, Any]:
    """Flat patches with their row and column in front."""
    rows = torch.arange(1, 7).repeat(batch, 1)[..., None].float()
    patches = torch.cat([rows, rows.flip(1), torch.randn(batch, 6, 3 * size * size)], 2)
    return {"flattened_patches": patches, **_target(batch)}


def _captioned(batch: int, size: int) -> dict[str, Any]:
    return {"pixel_values": torch.randn(batch, 3, size, size), **_target(batch)}


_TEXT: Options = {
    "vocab_size": VOCABULARY, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
    "num_attention_heads": 2, "max_position_embeddings": 32, **SPECIAL,
}  # fmt: skip
_VISION: Options = {
    "image_size": 32, "patch_size": 8, "hidden_size": 24, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 20,
}  # fmt: skip
_PAIR: Options = {"text_config": _TEXT, "vision_config": _VISION, "projection_dim": 12}
_SAME: Options = {**_PAIR, "projection_dim": 16}
_DOCUMENT: Options = {**_TEXT, "hidden_size": 24, "num_labels": 3}
_FLAVA: Options = {k: v for k, v in _VISION.items() if k not in ("image_size", "patch_size")}
_SIGLIP: Options = {**_VISION, "model_type": "siglip_vision_model"}
_BLIP_TEXT: Options = {**_TEXT, "encoder_hidden_size": 24, "sep_token_id": 2}
_BLIP: Options = {**_PAIR, "image_text_hidden_size": 10, "text_config": _BLIP_TEXT}
_LLAMA_TEXT: Options = {**LLAMA, "model_type": "llama"}
_GEMMA_TEXT: Options = {**LLAMA, "model_type": "gemma", "head_dim": 8}
_IDEFICS: Options = {
    "image_token_id": IMAGE_TOKEN, "scale_factor": 2, "text_config": _LLAMA_TEXT,
    "vision_config": _VISION, "use_cache": False, "pad_token_id": 0,
}  # fmt: skip

# Pairs of texts and images are compared with each other: the structure follows the batch.
_CONTRASTIVE: dict[str, Row] = {
    "clip": ("CLIPModel", "CLIPConfig", _seen, _PAIR, 32, None),
    "siglip": ("SiglipModel", "SiglipConfig", _seen,
        {**_PAIR, "text_config": {**_TEXT, "projection_size": 24}}, 32, None),
    "chinese-clip": ("ChineseCLIPModel", "ChineseCLIPConfig", _seen, _PAIR, 32, None),
    "altclip": ("AltCLIPModel", "AltCLIPConfig", _seen,
        {**_PAIR, "text_config": {**_TEXT, "project_dim": 14}}, 32, None),
    "groupvit": ("GroupViTModel", "GroupViTConfig", _seen,
        {**_PAIR, "projection_intermediate_dim": 18,
         "vision_config": {**_VISION, "depths": [1, 1, 1], "num_hidden_layers": 3,
                           "num_group_tokens": [6, 4, 0], "num_output_groups": [6, 4, 4]}},
        32, None),
    "blip-retrieval": ("BlipForImageTextRetrieval", "BlipConfig", _seen, _BLIP, 32, None),
    "metaclip-2": ("MetaClip2Model", "MetaClip2Config", _seen, _PAIR, 32, None),
}  # fmt: skip

_MULTIMODAL: dict[str, Row] = {
    "clipseg": ("CLIPSegForImageSegmentation", "CLIPSegConfig", _seen,
        {**_PAIR, "extract_layers": [0, 1], "reduce_dim": 10, "decoder_num_attention_heads": 2,
         "decoder_intermediate_size": 14}, 32, None),
    "owlvit": ("OwlViTForObjectDetection", "OwlViTConfig", _seen, _SAME, 32, None),
    "owlv2": ("Owlv2ForObjectDetection", "Owlv2Config", _seen, _SAME, 32, None),
    "blip-captioning": ("BlipForConditionalGeneration", "BlipConfig", _seen, _BLIP, 32, None),
    "git": ("GitForCausalLM", "GitConfig", _seen, {**_TEXT, "vision_config": _VISION}, 32, None),
    # It shuffles the patches of an image; the head sees the first word only, so not their order.
    "vilt": ("ViltForQuestionAnswering", "ViltConfig", _seen,
        {**_TEXT, "image_size": 32, "patch_size": 8, "num_labels": 3}, 32, None),
    "visual-bert": ("VisualBertModel", "VisualBertConfig", _regions,
        {**_TEXT, "visual_embedding_dim": 10}, 7, 6),
    "lxmert": ("LxmertModel", "LxmertConfig", _objects,
        {**_TEXT, "l_layers": 1, "x_layers": 1, "r_layers": 1, "visual_feat_dim": 10}, 7, 6),
    "layoutlm": ("LayoutLMForTokenClassification", "LayoutLMConfig", _boxes,
        {**_DOCUMENT, "max_2d_position_embeddings": 20}, 7, 6),
    "layoutlmv3": ("LayoutLMv3ForTokenClassification", "LayoutLMv3Config", _page,
        {**_DOCUMENT, "coordinate_size": 5, "shape_size": 2, "input_size": 32, "patch_size": 8,
         "pad_token_id": 1, "rel_pos_bins": 8, "rel_2d_pos_bins": 8}, 32, None),
    "lilt": ("LiltForTokenClassification", "LiltConfig", _boxes,
        {**_DOCUMENT, "channel_shrink_ratio": 2, "max_2d_position_embeddings": 20,
         "pad_token_id": 1}, 7, 6),
    "flava": ("FlavaModel", "FlavaConfig", _seen,
        {"image_config": {**_VISION, "mask_token": True}, "text_config": _TEXT,
         "multimodal_config": _FLAVA, "hidden_size": 24, "projection_dim": 12,
         "init_codebook": False}, 32, None),
    "bridgetower": ("BridgeTowerModel", "BridgeTowerConfig", _seen,
        {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2,
         "text_config": {**_TEXT, "pad_token_id": 1},
         "vision_config": {"hidden_size": 128, "num_hidden_layers": 2, "patch_size": 8,
                           "image_size": 32}}, 32, None),
    "llava": ("LlavaForConditionalGeneration", "LlavaConfig", _shown(16),
        {"vision_config": {**_VISION, "model_type": "clip_vision_model"}, "image_seq_length": 16,
         "text_config": _LLAMA_TEXT, "image_token_index": IMAGE_TOKEN, "vision_feature_layer": -1,
         "use_cache": False}, 32, None),
    "paligemma": ("PaliGemmaForConditionalGeneration", "PaliGemmaConfig", _shown(16),
        {"vision_config": {**_SIGLIP, "vision_use_head": False}, "text_config": _GEMMA_TEXT,
         "image_token_index": IMAGE_TOKEN, "projection_dim": 32, "hidden_size": 32}, 32, None),
    "idefics3": ("Idefics3ForConditionalGeneration", "Idefics3Config", _shown(4, 1), _IDEFICS,
        32, None),
    "smolvlm": ("SmolVLMForConditionalGeneration", "SmolVLMConfig", _shown(4, 1), _IDEFICS,
        32, None),
    "qwen2-vl": ("Qwen2VLForConditionalGeneration", "Qwen2VLConfig", _patched,
        {"image_token_id": IMAGE_TOKEN, "video_token_id": 4, "vision_start_token_id": 1,
         "text_config": {**LLAMA, "rope_parameters": {
             "rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10000.0}},
         "vision_config": {"depth": 2, "embed_dim": 16, "hidden_size": 32, "num_heads": 2,
                           "mlp_ratio": 2, "patch_size": 4}}, 4, None),
    "blip-2": ("Blip2ForConditionalGeneration", "Blip2Config", _shown(3),
        {"num_query_tokens": 3, "image_token_index": IMAGE_TOKEN, "vision_config": _VISION,
         "qformer_config": {**_TEXT, "encoder_hidden_size": 24, "cross_attention_frequency": 2},
         "text_config": {"model_type": "opt", **_TEXT, "ffn_dim": 24,
                         "word_embed_proj_dim": 16}}, 32, None),
    "pix2struct": ("Pix2StructForConditionalGeneration", "Pix2StructConfig", _strip,
        {"vision_config": {"hidden_size": 16, "patch_embed_hidden_size": 48, "d_ff": 24, "d_kv": 8,
                           "num_hidden_layers": 2, "num_attention_heads": 2, "seq_len": 16},
         "text_config": {"vocab_size": VOCABULARY, "hidden_size": 16, "d_kv": 8, "d_ff": 20,
                         "num_layers": 2, "num_heads": 2,
                         "relative_attention_num_buckets": 8}}, 4, None),
    "vision-encoder-decoder": ("VisionEncoderDecoderModel", "VisionEncoderDecoderConfig",
        _captioned,
        {"encoder": {"model_type": "vit", **_VISION},
         "decoder": {"model_type": "bert", **_TEXT, "is_decoder": True,
                     "add_cross_attention": True}}, 32, None),
}  # fmt: skip

_PAST, _FUTURE, _LAGS = 12, 4, [1, 2, 3]


def _series(batch: int, size: int) -> dict[str, Any]:
    """Values with two features of their time; the model looks `lags` further back."""
    past = size + max(_LAGS)
    return {
        "past_values": torch.randn(batch, past), "past_time_features": torch.randn(batch, past, 2),
        "past_observed_mask": torch.ones(batch, past), "future_values": torch.randn(batch, _FUTURE),
        "future_time_features": torch.randn(batch, _FUTURE, 2), "use_cache": False,
    }  # fmt: skip


def _channels(batch: int, size: int) -> dict[str, Any]:
    return {"past_values": torch.randn(batch, size, 2)}


def _play(batch: int, size: int) -> dict[str, Any]:
    return {
        "states": torch.randn(batch, size, 5), "actions": torch.randn(batch, size, 3),
        "rewards": torch.randn(batch, size, 1), "returns_to_go": torch.randn(batch, size, 1),
        "timesteps": torch.arange(size).repeat(batch, 1),
        "attention_mask": torch.ones(batch, size, dtype=torch.long),
    }  # fmt: skip


_SERIES: Options = {
    "prediction_length": _FUTURE, "context_length": _PAST, "lags_sequence": _LAGS,
    "num_time_features": 2, "d_model": 16, "encoder_ffn_dim": 24, "decoder_ffn_dim": 20,
    "encoder_layers": 2, "decoder_layers": 2,
}  # fmt: skip
_PATCHES: Options = {
    "num_input_channels": 2, "context_length": 16, "patch_length": 4, "patch_stride": 4,
    "d_model": 8, "prediction_length": 5,
}  # fmt: skip
_TST: Options = {**_PATCHES, "num_hidden_layers": 2, "num_attention_heads": 2, "ffn_dim": 12}

_TIME: dict[str, Row] = {
    "time-series-transformer": ("TimeSeriesTransformerForPrediction", "TimeSeriesTransformerConfig",
        _series, _SERIES, _PAST, None),
    "autoformer": ("AutoformerForPrediction", "AutoformerConfig", _series,
        {**_SERIES, "label_length": 4, "moving_average": 3, "autocorrelation_factor": 1},
        _PAST, None),
    "informer": ("InformerForPrediction", "InformerConfig", _series,
        {**_SERIES, "attention_type": "full", "distil": True}, _PAST, None),
    "patchtst": ("PatchTSTForPrediction", "PatchTSTConfig", _channels, _TST, 16, None),
    "patchtst-classification": ("PatchTSTForClassification", "PatchTSTConfig", _channels,
        {**_TST, "num_targets": 3, "use_cls_token": True, "channel_attention": True}, 16, None),
    "patchtsmixer": ("PatchTSMixerForPrediction", "PatchTSMixerConfig", _channels,
        {**_PATCHES, "num_layers": 2, "mode": "mix_channel", "loss": "mse"}, 16, None),
    "patchtsmixer-attention": ("PatchTSMixerForPrediction", "PatchTSMixerConfig", _channels,
        {**_PATCHES, "num_layers": 2, "mode": "common_channel", "self_attn": True,
         "self_attn_heads": 2}, 16, None),
    "decision-transformer": ("DecisionTransformerModel", "DecisionTransformerConfig", _play,
        {"state_dim": 5, "act_dim": 3, "hidden_size": 16, "max_ep_len": 20, "n_layer": 2,
         "n_head": 2, "n_positions": 64}, 4, 5),
}  # fmt: skip


def _cases(rows: dict[str, Row], *, batched: bool = True) -> list[Case]:
    return [case(name, *row, batched=batched) for name, row in rows.items()]


CASES: tuple[Case, ...] = (
    *_cases(_SOUND),
    *_cases(_CONTRASTIVE, batched=False),
    *_cases(_MULTIMODAL),
    *_cases(_TIME),
)
