"""The networks of `diffusers`: U-nets, autoencoders, diffusion transformers, control nets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from tests.zoo.case import Case, Sample
from tests.zoo.libraries import torchvision_models

Options = Mapping[str, Any]
Inputs = Callable[[int, int], dict[str, Any]]
# class, options, inputs, usual size, another size
Entry = tuple[str, Options, Inputs, int, int | None]

TEXT = 7  # words of a prompt
CONDITION = 24  # width of the prompt


# --- inputs -------------------------------------------------------------------------------------
def _time(batch: int) -> Tensor:
    return torch.randint(0, 1000, (batch,))


def _prompt(batch: int, width: int = CONDITION) -> Tensor:
    return torch.randn(batch, TEXT, width)


def _images(channels: int = 3) -> Inputs:
    return lambda batch, size: {"sample": torch.randn(batch, channels, size, size)}


def _noisy(channels: int, *, prompt: bool = False) -> Inputs:
    """A noisy image and its time; a prompt."""

    def make(batch: int, size: int) -> dict[str, Any]:
        inputs = {"sample": torch.randn(batch, channels, size, size), "timestep": _time(batch)}
        return {**inputs, "encoder_hidden_states": _prompt(batch)} if prompt else inputs

    return make


def _kandinsky(batch: int, size: int) -> dict[str, Any]:
    return {**_noisy(4, prompt=True)(batch, size), "encoder_attention_mask": _mask(batch)}


def _latents(channels: int, *space: int, **more: Callable[[int], Any]) -> Inputs:
    """What most transformers take: latents, their time, a prompt; `more` by name."""

    def make(batch: int, size: int) -> dict[str, Any]:
        return {
            "hidden_states": torch.randn(batch, channels, *space, size, size),
            "timestep": _time(batch),
            "encoder_hidden_states": _prompt(batch),
            **{name: value(batch) for name, value in more.items()},
        }

    return make


def _mask(batch: int) -> Tensor:
    return torch.ones(batch, TEXT, dtype=torch.bool)


def _pooled(batch: int) -> Tensor:
    return torch.randn(batch, 10)


def _class(batch: int, size: int) -> dict[str, Any]:
    return {
        "hidden_states": torch.randn(batch, 4, size, size),
        "timestep": _time(batch),
        "class_labels": torch.randint(0, 5, (batch,)),
    }


def _flux(batch: int, size: int) -> dict[str, Any]:
    """Packed latents; where each patch and word stands."""
    return {
        "hidden_states": torch.randn(batch, size * size, 4),
        "encoder_hidden_states": _prompt(batch),
        "timestep": torch.rand(batch),
        "img_ids": torch.cartesian_prod(*(torch.arange(n).float() for n in (1, size, size))),
        "txt_ids": torch.zeros(TEXT, 3),
    }


def _flux_pooled(batch: int, size: int) -> dict[str, Any]:
    return {**_flux(batch, size), "pooled_projections": _pooled(batch)}


def _motion(batch: int, size: int) -> dict[str, Any]:
    """Three frames of a video."""
    sample = torch.randn(batch, 4, 3, size, size)
    return {**_noisy(4, prompt=True)(batch, size), "sample": sample}


def _frames(batch: int, size: int) -> dict[str, Any]:
    """The same, with a prompt for each frame."""
    return {**_motion(batch, size), "encoder_hidden_states": _prompt(3 * batch)}


def _stable_video(batch: int, size: int) -> dict[str, Any]:
    return {
        "sample": torch.randn(batch, 3, 4, size, size),
        "timestep": _time(batch),
        "encoder_hidden_states": torch.randn(batch, 1, CONDITION),
        "added_time_ids": torch.rand(batch, 3),
    }


def _sound(batch: int, size: int) -> dict[str, Any]:
    return {"sample": torch.randn(batch, 2, size), "timestep": _time(batch)}


def _stable_audio(batch: int, size: int) -> dict[str, Any]:
    angles = torch.rand(size + 1, 2)
    return {
        "hidden_states": torch.randn(batch, 4, size),
        "timestep": torch.rand(batch),
        "encoder_hidden_states": _prompt(batch),
        "global_hidden_states": torch.randn(batch, 1, 10),
        "rotary_embedding": (angles.cos(), angles.sin()),
    }


def _prior(batch: int, size: int) -> dict[str, Any]:
    return {
        "hidden_states": torch.randn(batch, 8),
        "timestep": _time(batch),
        "proj_embedding": torch.randn(batch, 8),
        "encoder_hidden_states": torch.randn(batch, size, 8),
    }


def _control(batch: int, size: int) -> dict[str, Any]:
    inputs = _noisy(4, prompt=True)(batch, size)
    return {**inputs, "controlnet_cond": torch.randn(batch, 3, 8 * size, 8 * size)}


def _sd3_control(batch: int, size: int) -> dict[str, Any]:
    inputs = _latents(4, pooled_projections=_pooled)(batch, size)
    return {**inputs, "controlnet_cond": torch.randn(batch, 4, size, size)}


def _muse(batch: int, size: int) -> dict[str, Any]:
    return {
        "input_ids": torch.randint(0, 11, (batch, size, size)),
        "encoder_hidden_states": _prompt(batch),
        "pooled_text_emb": _pooled(batch),
        "micro_conds": torch.rand(batch, 5),
    }


def _hunyuan(batch: int, size: int) -> dict[str, Any]:
    angles = torch.rand(size * size // 4, 8)
    return {
        "hidden_states": torch.randn(batch, 4, size, size),
        "timestep": _time(batch).float(),
        "encoder_hidden_states": _prompt(batch),
        "text_embedding_mask": torch.ones(batch, TEXT),
        "encoder_hidden_states_t5": torch.randn(batch, 5, 32),
        "text_embedding_mask_t5": torch.ones(batch, 5),
        "image_meta_size": torch.rand(batch, 6),
        "style": torch.zeros(batch, dtype=torch.long),
        "image_rotary_emb": (angles.cos(), angles.sin()),
    }


def _cascade(batch: int, size: int) -> dict[str, Any]:
    return {
        "sample": torch.randn(batch, 4, size, size),
        "timestep_ratio": torch.rand(batch),
        "clip_text_pooled": torch.randn(batch, 1, 10),
        "clip_text": _prompt(batch),
        "clip_img": torch.randn(batch, 1, 9),
    }


def _packed_video(batch: int, size: int) -> dict[str, Any]:
    inputs = {"hidden_states": torch.randn(batch, 2 * size * size, 4), "timestep": _time(batch)}
    prompt = {"encoder_hidden_states": _prompt(batch), "encoder_attention_mask": _mask(batch)}
    return {**inputs, **prompt, "num_frames": 2, "height": size, "width": size}


def _qwen(batch: int, size: int) -> dict[str, Any]:
    return {
        "hidden_states": torch.randn(batch, size * size, 8),
        "encoder_hidden_states": _prompt(batch),
        "encoder_hidden_states_mask": _mask(batch),
        "timestep": torch.rand(batch),
        "img_shapes": [[(1, size, size)]] * batch,
    }


# --- networks -----------------------------------------------------------------------------------
_DOWN, _UP = ("DownBlock2D", "AttnDownBlock2D"), ("AttnUpBlock2D", "UpBlock2D")
_CROSS = dict(in_channels=4, out_channels=3, block_out_channels=(8, 12), layers_per_block=1,
              norm_num_groups=4, cross_attention_dim=CONDITION)  # fmt: skip
_CROSS_2D = dict(_CROSS, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
                 up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
                 attention_head_dim=2)  # fmt: skip
_UNET = dict(in_channels=3, out_channels=3, block_out_channels=(8, 12), layers_per_block=1,
             norm_num_groups=4, attention_head_dim=4, down_block_types=_DOWN,
             up_block_types=_UP)  # fmt: skip

_UNETS: dict[str, Entry] = {
    "unet-2d": ("UNet2DModel", _UNET, _noisy(3), 16, 24),
    "unet-2d-shift": ("UNet2DModel", dict(_UNET, resnet_time_scale_shift="scale_shift",
        down_block_types=("ResnetDownsampleBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "ResnetUpsampleBlock2D")), _noisy(3), 16, 24),
    "unet-2d-skip": ("UNet2DModel", dict(_UNET, time_embedding_type="fourier",
        block_out_channels=(32, 64), norm_num_groups=32,
        down_block_types=("SkipDownBlock2D", "AttnSkipDownBlock2D"),
        up_block_types=("AttnSkipUpBlock2D", "SkipUpBlock2D")), _noisy(3), 16, 24),
    "unet-1d": ("UNet1DModel", dict(in_channels=2, out_channels=2, extra_in_channels=64,
        sample_size=32, block_out_channels=(32, 32, 64),
        down_block_types=("DownBlock1DNoSkip", "DownBlock1D", "AttnDownBlock1D")), _sound, 32, 64),
    "unet-condition": ("UNet2DConditionModel", _CROSS_2D, _noisy(4, prompt=True), 8, 16),
    "unet-condition-linear": ("UNet2DConditionModel", dict(_CROSS_2D, use_linear_projection=True,
        transformer_layers_per_block=(1, 2)), _noisy(4, prompt=True), 8, 16),
    "unet-simple-cross": ("UNet2DConditionModel", dict(
        _CROSS_2D, attention_head_dim=4, mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        down_block_types=("SimpleCrossAttnDownBlock2D", "ResnetDownsampleBlock2D"),
        up_block_types=("ResnetUpsampleBlock2D", "SimpleCrossAttnUpBlock2D")),
        _noisy(4, prompt=True), 8, 16),
    "unet-3d-condition": ("UNet3DConditionModel", dict(
        _CROSS, attention_head_dim=2, down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
        up_block_types=("UpBlock3D", "CrossAttnUpBlock3D")), _motion, 8, 16),
    "unet-motion": ("UNetMotionModel", dict(
        _CROSS, num_attention_heads=2, motion_num_attention_heads=2, motion_max_seq_length=6,
        down_block_types=("CrossAttnDownBlockMotion", "DownBlockMotion"),
        up_block_types=("UpBlockMotion", "CrossAttnUpBlockMotion")), _frames, 8, 16),
    "unet-spatio-temporal": ("UNetSpatioTemporalConditionModel", dict(
        in_channels=4, out_channels=3, block_out_channels=(32, 64), layers_per_block=1,
        cross_attention_dim=CONDITION, num_attention_heads=2, num_frames=3,
        addition_time_embed_dim=8, projection_class_embeddings_input_dim=24,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal")),
        _stable_video, 8, 16),
    "kandinsky3": ("Kandinsky3UNet", dict(
        time_embedding_dim=16, groups=4, attention_head_dim=4, layers_per_block=2,
        block_out_channels=(8, 16), cross_attention_dim=10, encoder_hid_dim=CONDITION),
        _kandinsky, 16, 32),
    "stable-cascade": ("StableCascadeUNet", dict(
        in_channels=4, out_channels=4, timestep_ratio_embedding_dim=8, conditioning_dim=10,
        block_out_channels=(8, 12), num_attention_heads=(2, 2), down_num_layers_per_block=(1, 1),
        up_num_layers_per_block=(1, 1), clip_text_in_channels=CONDITION,
        clip_text_pooled_in_channels=10, clip_image_in_channels=9, clip_seq=2), _cascade, 8, 16),
    "uvit": ("UVit2DModel", dict(
        hidden_size=16, cond_embed_dim=10, micro_cond_encode_dim=4, micro_cond_embed_dim=20,
        encoder_hidden_size=CONDITION, vocab_size=13, codebook_size=11, in_channels=8,
        block_out_channels=8, num_res_blocks=1, downsample=True, upsample=True, block_num_heads=2,
        num_hidden_layers=2, num_attention_heads=2, intermediate_size=24), _muse, 8, 16),
    "controlnet": ("ControlNetModel", dict(
        {k: v for k, v in _CROSS_2D.items() if k not in ("out_channels", "up_block_types")},
        conditioning_embedding_out_channels=(4, 6, 8, 10)), _control, 8, 16),
}  # fmt: skip

_CODER = dict(latent_channels=4, norm_num_groups=4, layers_per_block=1, block_out_channels=(8, 12),
              down_block_types=("DownEncoderBlock2D",) * 2,
              up_block_types=("UpDecoderBlock2D",) * 2)  # fmt: skip

_AUTOENCODERS: dict[str, Entry] = {
    "autoencoder-kl": ("AutoencoderKL", _CODER, _images(), 16, 32),
    "vq-model": ("VQModel", dict(_CODER, num_vq_embeddings=9), _images(), 16, 32),
    "vq-model-spatial": ("VQModel", dict(_CODER, block_out_channels=(32, 64),
        num_vq_embeddings=9, norm_type="spatial", vq_embed_dim=4), _images(), 16, 32),
    "autoencoder-asymmetric": ("AsymmetricAutoencoderKL", dict(
        latent_channels=4, norm_num_groups=4, layers_per_down_block=1, layers_per_up_block=2,
        down_block_out_channels=(8, 12), up_block_out_channels=(12, 16),
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2),
        _images(), 16, 32),
    "autoencoder-tiny": ("AutoencoderTiny", dict(
        encoder_block_out_channels=(8, 8, 8), decoder_block_out_channels=(8, 8, 8),
        num_encoder_blocks=(1, 2, 2), num_decoder_blocks=(2, 2, 1)), _images(), 16, 32),
    "autoencoder-dc": ("AutoencoderDC", dict(
        latent_channels=4, attention_head_dim=4, encoder_block_out_channels=(8, 8, 16),
        decoder_block_out_channels=(8, 8, 16), encoder_layers_per_block=(1, 1, 1),
        decoder_layers_per_block=(1, 1, 1), encoder_qkv_multiscales=((), (), (5,)),
        decoder_qkv_multiscales=((), (), (5,)),
        encoder_block_types=("ResBlock", "ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "ResBlock", "EfficientViTBlock")), _images(), 16, 32),
    "autoencoder-oobleck": ("AutoencoderOobleck", dict(
        encoder_hidden_size=8, downsampling_ratios=[2, 4], channel_multiples=[1, 2],
        decoder_channels=8, decoder_input_channels=4, audio_channels=2),
        lambda batch, size: {"sample": torch.randn(batch, 2, size)}, 64, 96),
    "autoencoder-temporal": ("AutoencoderKLTemporalDecoder", dict(
        latent_channels=4, block_out_channels=(32, 64), layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 2),
        lambda batch, size: {"sample": torch.randn(3 * batch, 3, size, size), "num_frames": 3},
        16, 32),
    "autoencoder-cogvideox": ("AutoencoderKLCogVideoX", dict(
        latent_channels=4, norm_num_groups=4, layers_per_block=1, block_out_channels=(8, 8, 12),
        temporal_compression_ratio=4, down_block_types=("CogVideoXDownBlock3D",) * 3,
        up_block_types=("CogVideoXUpBlock3D",) * 3),
        lambda batch, size: {"sample": torch.randn(batch, 3, 5, size, size)}, 16, 32),
}  # fmt: skip
_HEADS = dict(num_attention_heads=2, num_layers=2, attention_head_dim=8)
_TINY = dict(_HEADS, in_channels=4, out_channels=4, sample_size=8)
_MMDIT = dict(_TINY, joint_attention_dim=CONDITION, caption_projection_dim=16,
              pos_embed_max_size=12)  # fmt: skip
_FLUX = dict(_HEADS, in_channels=4, num_single_layers=2, joint_attention_dim=CONDITION,
             axes_dims_rope=(2, 2, 4))  # fmt: skip

_TRANSFORMERS: dict[str, Entry] = {
    "dit": ("DiTTransformer2DModel", dict(_TINY, norm_num_groups=4, num_embeds_ada_norm=5),
            _class, 8, None),
    "pixart": ("PixArtTransformer2DModel", dict(_TINY, out_channels=8, cross_attention_dim=16,
                                                caption_channels=CONDITION),
               _latents(4, encoder_attention_mask=_mask), 8, None),
    "sd3": ("SD3Transformer2DModel", dict(_MMDIT, pooled_projection_dim=10),
            _latents(4, pooled_projections=_pooled), 8, 12),
    "sd3-dual": ("SD3Transformer2DModel", dict(_MMDIT, pooled_projection_dim=10,
        qk_norm="rms_norm", dual_attention_layers=(0,)),
        _latents(4, pooled_projections=_pooled), 8, 12),
    "sd3-controlnet": ("SD3ControlNetModel", dict(_MMDIT, pooled_projection_dim=10,
                                                  extra_conditioning_channels=0),
                       _sd3_control, 8, 12),
    "flux": ("FluxTransformer2DModel", dict(_FLUX, pooled_projection_dim=10), _flux_pooled, 3, 4),
    "chroma": ("ChromaTransformer2DModel", dict(_FLUX, approximator_num_channels=8,
        approximator_hidden_dim=14, approximator_layers=2), _flux, 3, 4),
    "hunyuan-dit": ("HunyuanDiT2DModel", dict(
        num_attention_heads=2, attention_head_dim=8, in_channels=4, patch_size=2,
        activation_fn="gelu-approximate", sample_size=8, hidden_size=16, num_layers=4,
        mlp_ratio=2.0, cross_attention_dim=CONDITION, cross_attention_dim_t5=32,
        pooled_projection_dim=10, text_len=TEXT, text_len_t5=5), _hunyuan, 8, None),
    "latte": ("LatteTransformer3DModel", dict(
        _TINY, out_channels=8, patch_size=2, cross_attention_dim=16, attention_bias=True,
        activation_fn="gelu-approximate", norm_type="ada_norm_single", video_length=3,
        norm_elementwise_affine=False, caption_channels=CONDITION), _latents(4, 3), 8, None),
    "sana": ("SanaTransformer2DModel", dict(
        _TINY, num_cross_attention_heads=2, cross_attention_head_dim=8, cross_attention_dim=16,
        caption_channels=CONDITION), _latents(4), 8, 12),
    "auraflow": ("AuraFlowTransformer2DModel", dict(
        in_channels=4, out_channels=4, sample_size=8, num_mmdit_layers=1, num_single_dit_layers=1,
        attention_head_dim=8, num_attention_heads=2, joint_attention_dim=CONDITION,
        caption_projection_dim=16, pos_embed_max_size=64), _latents(4), 8, 12),
    "lumina2": ("Lumina2Transformer2DModel", dict(
        in_channels=4, sample_size=8, hidden_size=24, num_layers=2, num_refiner_layers=1,
        num_attention_heads=4, num_kv_heads=2, multiple_of=4, axes_dim_rope=(2, 2, 2),
        axes_lens=(32, 16, 16), cap_feat_dim=CONDITION),
        _latents(4, encoder_attention_mask=_mask), 8, 12),
    "cogview3": ("CogView3PlusTransformer2DModel", dict(
        _TINY, text_embed_dim=CONDITION, time_embed_dim=10, condition_dim=8,
        pos_embed_max_size=8), _latents(4, original_size=lambda n: torch.rand(n, 2),
        target_size=lambda n: torch.rand(n, 2), crop_coords=lambda n: torch.rand(n, 2)), 8, 12),
    "cogvideox": ("CogVideoXTransformer3DModel", dict(
        _HEADS, in_channels=4, out_channels=4, time_embed_dim=10, text_embed_dim=CONDITION,
        sample_width=8, sample_height=8, sample_frames=9, max_text_seq_length=TEXT),
        lambda batch, size: {
            "hidden_states": torch.randn(batch, 3, 4, size, size), "timestep": _time(batch),
            "encoder_hidden_states": _prompt(batch)}, 8, None),
    "ltx-video": ("LTXVideoTransformer3DModel", dict(
        _HEADS, in_channels=4, out_channels=4, cross_attention_dim=16,
        caption_channels=CONDITION), _packed_video, 4, 5),
    "mochi": ("MochiTransformer3DModel", dict(
        _HEADS, in_channels=4, pooled_projection_dim=10, text_embed_dim=CONDITION,
        time_embed_dim=8, max_sequence_length=TEXT),
        _latents(4, 2, encoder_attention_mask=_mask), 8, 12),
    "wan": ("WanTransformer3DModel", dict(
        num_attention_heads=2, attention_head_dim=12, in_channels=4, out_channels=4, num_layers=2,
        text_dim=CONDITION, freq_dim=8, ffn_dim=20, rope_max_seq_len=16), _latents(4, 2), 8, 12),
    "allegro": ("AllegroTransformer3DModel", dict(
        num_attention_heads=2, attention_head_dim=24, in_channels=4, out_channels=4, num_layers=2,
        sample_height=8, sample_width=8, sample_frames=2, cross_attention_dim=48,
        caption_channels=CONDITION), _latents(4, 2, encoder_attention_mask=_mask), 8, None),
    "qwen-image": ("QwenImageTransformer2DModel", dict(
        _HEADS, in_channels=8, out_channels=2, joint_attention_dim=CONDITION,
        axes_dims_rope=(2, 2, 4)), _qwen, 4, 5),
    "stable-audio": ("StableAudioDiTModel", dict(
        sample_size=12, in_channels=4, num_layers=2, attention_head_dim=4, num_attention_heads=4,
        num_key_value_attention_heads=2, out_channels=4, cross_attention_dim=8, time_proj_dim=6,
        global_states_input_dim=10, cross_attention_input_dim=CONDITION), _stable_audio, 12, 9),
    "prior": ("PriorTransformer", dict(_HEADS, embedding_dim=8, num_embeddings=TEXT), _prior, TEXT,
              None),
    "t2i-adapter": ("T2IAdapter", dict(channels=[8, 12, 12, 16], num_res_blocks=2,
                                       downscale_factor=4),
                    lambda batch, size: {"x": torch.randn(batch, 3, size, size)}, 64, 96),
}  # fmt: skip


def _build(entry: Entry, batch: int, size: int) -> Sample:
    torchvision_models()  # some of its networks import torchvision
    name, options, inputs, _, _ = entry
    model = getattr(import_module("diffusers"), name)(**options)
    return model, (), inputs(batch, size)


CASES: tuple[Case, ...] = tuple(
    Case(f"diffusers/{name}", partial(_build, entry), size=entry[3], resized=entry[4])
    for table in (_UNETS, _AUTOENCODERS, _TRANSFORMERS)
    for name, entry in table.items()
)
