"""The families of `timm` with attention or token mixing, and the hybrids."""

from __future__ import annotations

from typing import Any

from torch import nn

from tests.zoo.case import Case
from tools.sweep.catalogue.timm import HALF, At, byob, images


def _attention(layer: str, **options: Any) -> dict[str, Any]:
    """A byob net with self-attention blocks between and behind bottlenecks."""
    stages = (
        ("bottle", 1, 16, 2, HALF),
        At("interleave_blocks", types=("bottle", "self_attn"), d=2, c=32, s=2, **HALF),
        ("self_attn", 1, 48, 2, HALF),
    )
    return byob(*stages, stem_type="tiered", self_attn_layer=layer, self_attn_kwargs=options)


_TINY = dict(embed_dim=16, depth=2, num_heads=2)
_VIT = dict(_TINY, img_size=32, patch_size=8)
_MVIT = dict(depths=(1, 2, 1), embed_dim=8, num_heads=(1, 2, 2),
           stride_q=((1, 1), (2, 2), (2, 2)))  # fmt: skip
_MIXER = dict(img_size=32, patch_size=8, num_blocks=2, embed_dim=12)
_FOUR = dict(depths=(1, 1, 2, 1), embed_dims=(8, 16, 24, 32))
_SWIN = dict(img_size=32, patch_size=2, embed_dim=12, depths=(2, 2), num_heads=(2, 3),
             window_size=4, mlp_ratio=2.0)  # fmt: skip

# name -> variant, options, side, another side
_ATTENTIVE: dict[str, tuple[str, dict[str, Any], int, int | None]] = {
    "beit": ("beit_base_patch16_224", _VIT, 32, None),
    "cait": ("cait_xxs24_224", _VIT, 32, None),
    "coat": ("coat_tiny", dict(img_size=64, embed_dims=(16, 16, 16, 16), num_heads=2,
        serial_depths=(1, 1, 1, 1), parallel_depth=1, crpe_window={3: 1, 5: 1}), 64, None),
    "coat-lite": ("coat_lite_tiny", dict(img_size=64, embed_dims=(8, 16, 24, 32), num_heads=2,
        serial_depths=(1, 1, 1, 1), crpe_window={3: 1, 5: 1}), 64, None),
    "convit": ("convit_tiny", dict(_VIT, local_up_to_layer=1), 32, None),
    "cpubone": ("cpubone_nano", dict(width_list=(8, 16, 16, 32, 32), depth_list=(0, 1, 1, 1, 1),
        head_widths=(48, 40)), 64, None),
    "crossvit": ("crossvit_9_240", dict(img_size=48, img_scale=(1.0, 32 / 48), patch_size=(12, 16),
        embed_dim=(16, 24), depth=((1, 2, 0), (1, 1, 0)), num_heads=(2, 3)), 48, None),
    "davit": ("davit_tiny", dict(depths=(1, 1), embed_dims=(8, 16), num_heads=(2, 4),
        window_size=4), 32, 64),
    "deepseek-vit": ("deepseek_vit_412m", dict(_VIT, img_size=36, patch_size=6), 36, None),
    "deit": ("deit_tiny_distilled_patch16_224", _VIT, 32, None),
    "deit3": ("deit3_small_patch16_224", _VIT, 32, None),
    "edgenext": ("edgenext_xx_small", dict(dims=(8, 16, 24, 32), depths=(1, 2, 2, 2), heads=(2, 2,
        2, 2)), 64, 96),
    "efficientformer": ("efficientformer_l1", dict(_FOUR, num_vit=1), 224, None),
    "efficientformer-v2": ("efficientformerv2_s0", dict(_FOUR, num_vit=1, img_size=64), 64, None),
    "efficientvim": ("efficientvim_m1", dict(embed_dim=(8, 12, 16), depths=(1, 2, 1), state_dim=(7,
        5, 3)), 64, None),
    "efficientvit-mit": ("efficientvit_b0", dict(widths=(8, 8, 16, 24, 32), depths=(1, 1, 1, 2, 2),
        head_dim=8, head_widths=(48, 40)), 64, 96),
    "efficientvit-large": ("efficientvit_l1", dict(widths=(8, 8, 16, 24, 32), head_dim=8,
        depths=(1, 1, 1, 2, 2), head_widths=(48, 40)), 64, 96),
    "efficientvit-msra": ("efficientvit_m0", dict(img_size=64, embed_dim=(16, 24, 32), depth=(1, 1,
        1), num_heads=(2, 2, 2), key_dim=(4, 4, 4), window_size=(4, 4, 4)), 64, None),
    "eva": ("eva02_tiny_patch14_224", _VIT, 32, None),
    "eva-dinov3": ("vit_small_patch16_dinov3", _VIT, 32, None),
    "eva-giant": ("eva_giant_patch14_224", _VIT, 32, None),
    "fastvit": ("fastvit_t8", dict(layers=(1, 1, 1, 1), embed_dims=(8, 16, 32, 64)), 64, 96),
    "fastvit-attention": ("fastvit_sa12", dict(layers=(1, 1, 1, 1), embed_dims=(8, 16, 32, 64)),
        64, 96),
    "focalnet": ("focalnet:FocalNet", dict(embed_dim=8, depths=(1, 2, 1, 1)), 64, 96),
    "gcvit": ("gcvit:GlobalContextVit", dict(img_size=64, window_ratio=(16, 16, 16, 32),
        embed_dim=8, depths=(2, 2, 1, 1), num_heads=(2, 2, 2, 2)), 64, None),
    "gemma4-vit": ("gemma4_vit_167m", dict(_VIT, head_dim=8, intermediate_size=24,
        position_embedding_size=64, img_size=48), 48, None),
    "resnet-lambda": ("byoanet:ByobNet", _attention("lambda", r=3, num_heads=2, dim_head=4), 64,
        None),
    "halonet": ("byoanet:ByobNet", _attention("halo", block_size=2, halo_size=1, num_heads=2,
        dim_head=4), 64, 128),
    "botnet": ("byoanet:ByobNet", dict(_attention("bottleneck", num_heads=2, dim_head=4),
        img_size=64), 64, None),
    "mvit-v2": ("mvitv2:MultiScaleVit", dict(cfg=At("MultiScaleVitCfg", **_MVIT), img_size=(64,
        64)), 64, None),
    "mvit-v2-class": ("mvitv2:MultiScaleVit", dict(img_size=(64, 64), cfg=At("MultiScaleVitCfg",
        use_cls_token=True, **_MVIT)), 64, None),
    "hiera": ("hiera_tiny_224", dict(img_size=(64, 64), embed_dim=8, stages=(1, 1, 2, 1)), 64,
        None),
    "hieradet-sam2": ("sam2_hiera_tiny", dict(embed_dim=8, stages=(1, 1, 2, 1),
        global_att_blocks=(3,), window_spec=(4, 4, 2, 2)), 64, None),
    "iformer": ("iformer_t", dict(dims=(8, 16, 24, 32), depths=(1, 1, 4, 3), attn_groups=(0, 0, 1,
        1)), 64, 96),
    "levit": ("levit_128s", dict(img_size=64, embed_dim=(16, 24, 32), key_dim=4, depth=(1, 1, 1),
        num_heads=(2, 2, 3)), 64, None),
    "levit-conv": ("levit_conv_128s", dict(img_size=64, embed_dim=(16, 24, 32), key_dim=4,
        depth=(1, 1, 1), num_heads=(2, 2, 3)), 64, None),
    "lowformer": ("lowformer_b0", dict(width_list=(8, 16, 16, 32, 32), depth_list=(0, 1, 1, 1, 1),
        head_widths=(48, 40)), 64, None),
    "maxvit": ("test_maxvit", dict(img_size=64, embed_dim=(8, 16), depths=(1, 2), block_type=("M",
        "M"), stem_width=(8, 8), transformer_partition_ratio=16, transformer_dim_head=4), 64,
        None),
    "coatnet": ("test_coatnet", dict(img_size=64, embed_dim=(8, 16, 24, 32), stem_width=(8, 8),
        transformer_dim_head=4), 64, None),
    "metaformer-pool": ("metaformer:MetaFormer", dict(depths=(1, 1, 2, 1), dims=(8, 12, 16, 24),
        downsample_norm=None, mlp_act=nn.GELU, mlp_bias=True, norm_layers=At("GroupNorm1"),
        layer_scale_init_values=1e-5, res_scale_init_values=None, use_mlp_head=False), 64, 96),
    "metaformer-pool-v2": ("metaformer:MetaFormer", dict(depths=(1, 1, 2, 1), dims=(8, 12, 16, 24),
        use_mlp_head=False, norm_layers=At("GroupNorm1NoBias")), 64, 96),
    "metaformer-conv": ("metaformer:MetaFormer", dict(depths=(1, 1, 2, 1), dims=(8, 12, 16, 24),
        token_mixers=At("SepConv"), norm_layers=At("LayerNorm2dNoBias")), 64, 96),
    "metaformer-ca": ("metaformer:MetaFormer", dict(depths=(1, 1, 2, 1), dims=(8, 12, 32, 64),
        token_mixers=[At("SepConv")] * 2 + [At("Attention")] * 2,
        norm_layers=[At("LayerNorm2dNoBias")] * 2 + [At("LayerNormNoBias")] * 2), 64, 96),
    "mixer": ("mlp_mixer:MlpMixer", _MIXER, 32, None),
    "gmixer": ("mlp_mixer:MlpMixer", dict(_MIXER, mlp_ratio=(1.0, 4.0), mlp_layer=At("GluMlp"),
        act_layer=nn.SiLU), 32, None),
    "resmlp": ("mlp_mixer:MlpMixer", dict(_MIXER, mlp_ratio=4, block_layer=At("ResBlock"),
        norm_layer=At("Affine")), 32, None),
    "gmlp": ("mlp_mixer:MlpMixer", dict(_MIXER, mlp_ratio=6, block_layer=At("SpatialGatingBlock"),
        mlp_layer=At("GatedMlp")), 32, None),
    "mobilevit": ("mobilevit:ByobNet", dict(cfg=At("ByoModelCfg", stem_chs=8, stem_pool="",
        downsample="", act_layer="silu", num_features=40, blocks=(At("_inverted_residual_block",
        d=2, c=12, s=2, br=2.0), At("_mobilevit_block", d=1, c=16, s=2, transformer_dim=24,
        transformer_depth=2, patch_size=2)))), 64, None),
    "mobilevit-v2": ("mobilevit:ByobNet", dict(cfg=At("ByoModelCfg", stem_chs=8, stem_pool="",
        downsample="", act_layer="silu", blocks=(At("_inverted_residual_block", d=2, c=12, s=2,
        br=2.0), At("_mobilevitv2_block", d=1, c=16, s=2, transformer_depth=2)))), 64, None),
    "naflexvit": ("naflexvit_base_patch16_gap", dict(_TINY, patch_size=8, pos_embed_grid_size=(4,
        4)), 32, None),
    "nest": ("nest:Nest", dict(img_size=32, patch_size=2, embed_dims=(8, 12, 16), num_heads=(2, 2,
        2), depths=(1, 1, 2)), 32, None),
    "nextvit": ("nextvit_small", dict(depths=(1, 2, 5, 1)), 64, None),
    "pit": ("pit_ti_224", dict(img_size=64, patch_size=16, stride=8, base_dims=(8, 8, 8), depth=(1,
        1, 1), heads=(2, 2, 4)), 64, None),
    "pvt-v2": ("pvt_v2_b0", dict(_FOUR, num_heads=(2, 2, 2, 4)), 64, 96),
    "pvt-v2-linear": ("pvt_v2_b2_li", dict(_FOUR, num_heads=(2, 2, 2, 4)), 64, 96),
    "qwen3-vit": ("qwen3_vit_88m", dict(_VIT, pos_embed_grid_size=4), 32, None),
    "sequencer": ("sequencer2d_s", dict(img_size=32, layers=(1, 1, 1, 1), patch_sizes=(4, 2, 1, 1),
        embed_dims=(8, 12, 16, 16), hidden_sizes=(4, 6, 6, 6)), 32, None),
    "shvit": ("shvit_s1", dict(embed_dim=(16, 24, 32), partial_dim=(4, 6, 8), qk_dim=(4, 4, 4),
        depth=(1, 2, 2)), 64, 128),
    "swiftformer": ("swiftformer_xs", dict(layers=(1, 1, 2, 1), embed_dims=(8, 12, 16, 24)), 64,
        96),
    "swin": ("swin_tiny_patch4_window7_224", _SWIN, 32, None),
    "swin-s3": ("swin_s3_tiny_224", dict(_SWIN, window_size=(4, 8)), 32, None),
    "swin-v2": ("swinv2_tiny_window8_256", _SWIN, 32, None),
    "swin-v2-cr": ("swinv2_cr_tiny_224", _SWIN, 32, None),
    "tiny-vit": ("tiny_vit_5m_224", dict(embed_dims=(8, 16, 24, 32), depths=(1, 2, 2, 1),
        num_heads=(2, 2, 3, 4), window_sizes=(4, 4, 4, 2)), 64, 96),
    "tnt": ("tnt_s_patch16_224", dict(img_size=32, embed_dim=16, depth=2, inner_dim=8,
        num_heads_inner=2, num_heads_outer=2), 32, None),
    "twins-pcpvt": ("twins_pcpvt_small", dict(_FOUR, img_size=64, num_heads=(2, 2, 2, 4),
        depths=(1, 2, 1, 1)), 64, None),
    "twins-svt": ("twins_svt_small", dict(_FOUR, img_size=64, num_heads=(2, 2, 2, 4), depths=(2, 2,
        2, 2), wss=(4, 4, 2, 2)), 64, None),
    "visformer": ("visformer_tiny", dict(img_size=64, init_channels=8, embed_dim=16, num_heads=2,
        depth=(1, 2, 1), group=2), 64, None),
    "vit": ("vit_tiny_patch16_224", _VIT, 32, None),
    "vit-siglip": ("vit_base_patch16_siglip_224", _VIT, 32, None),
    "vit-parallel": ("vit_small_patch16_18x2_224", _VIT, 32, None),
    "vit-registers": ("vit_small_patch14_reg4_dinov2", _VIT, 32, None),
    "vit-hybrid": ("vit_tiny_r_s16_p8_224", dict(_TINY, img_size=64), 64, None),
    "vit-relpos": ("vit_relpos_small_patch16_224", _VIT, 32, None),
    "vit-srelpos": ("vit_srelpos_small_patch16_224", _VIT, 32, None),
    "vit-sam": ("samvit_base_patch16", dict(_VIT, window_size=2, global_attn_indexes=(1,),
        neck_chans=12), 32, None),
    "vitamin": ("vitamin:VisionTransformer", dict(_VIT, img_size=64, patch_size=1,
        class_token=False, global_pool="avg", mlp_layer=At("GeGluMlp"), embed_layer=At("partial",
        At("HybridEmbed"), proj=False, backbone=At("MbConvStages", cfg=At("VitCfg", embed_dim=(8,
        12, 16), stem_width=8, depths=(1, 2, 1), conv_cfg=At("VitConvCfg",
        norm_layer="layernorm2d"), head_type="1d")))), 64, None),
    "volo": ("volo:VOLO", dict(img_size=64, layers=(1, 1, 1, 1), embed_dims=(16, 24, 24, 24),
        num_heads=(2, 3, 3, 3), stem_hidden_dim=8), 64, None),
    "xcit": ("xcit_nano_12_p8_224", _VIT, 32, 48),
}  # fmt: skip


CASES: tuple[Case, ...] = tuple(
    images(name, (variant, options, size, resized, 8 if name == "nextvit" else 1))
    for name, (variant, options, size, resized) in _ATTENTIVE.items()
)
