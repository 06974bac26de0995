"""Models of `transformers` with two stacks, mixtures of experts and recurrent text models."""

from __future__ import annotations

from typing import Any

from tests.zoo.case import Case
from tools.sweep.catalogue.transformers_text import LLAMA, SPECIAL, VOCABULARY, case, ids, text


def both(batch: int, size: int) -> dict[str, Any]:
    """What a translator gets: tokens of the source, fewer tokens of the target."""
    target = ids(batch, size - 2)
    return {"input_ids": ids(batch, size), "decoder_input_ids": target, "use_cache": False}


_T5 = {
    "vocab_size": VOCABULARY, "d_model": 16, "d_kv": 6, "d_ff": 24, "num_layers": 2,
    "num_heads": 2, "relative_attention_num_buckets": 4, "relative_attention_max_distance": 4,
    "decoder_start_token_id": 0,
}  # fmt: skip
_BART = {
    "vocab_size": VOCABULARY, "d_model": 16, "encoder_layers": 2, "decoder_layers": 2,
    "encoder_attention_heads": 2, "decoder_attention_heads": 4, "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 20, "max_position_embeddings": 32, "decoder_start_token_id": 2,
    "forced_eos_token_id": 2, **SPECIAL,
}  # fmt: skip
_GATED = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
_SPARSE = {"num_experts": 4, "expert_capacity": 32, "experts_implementation": "eager"}
_GEMMA = {**LLAMA, "head_dim": 8, "sliding_window": 4,
          "layer_types": ["sliding_attention", "full_attention"]}  # fmt: skip

# name -> model class, configuration class, all options
_TRANSLATORS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "t5": ("T5ForConditionalGeneration", "T5Config", _T5),
    "t5-gated": ("T5ForConditionalGeneration", "T5Config", {**_T5, **_GATED}),
    "mt5": ("MT5ForConditionalGeneration", "MT5Config", _T5),
    "umt5": ("UMT5ForConditionalGeneration", "UMT5Config", _T5),
    "longt5-local": ("LongT5ForConditionalGeneration", "LongT5Config", {**_T5, "local_radius": 2}),
    "longt5-global": ("LongT5ForConditionalGeneration", "LongT5Config",
        {**_T5, "local_radius": 2, "encoder_attention_type": "transient-global",
         "global_block_size": 2}),
    "switch-transformers": ("SwitchTransformersForConditionalGeneration",
        "SwitchTransformersConfig",
        {**_T5, **_SPARSE, "num_decoder_layers": 2, "num_sparse_encoder_layers": 1,
         "num_sparse_decoder_layers": 1}),
    "nllb-moe": ("NllbMoeForConditionalGeneration", "NllbMoeConfig",
        {**_BART, **_SPARSE, "encoder_sparse_step": 2, "decoder_sparse_step": 2}),
    "bart": ("BartForConditionalGeneration", "BartConfig", _BART),
    "mbart": ("MBartForConditionalGeneration", "MBartConfig", _BART),
    "marian": ("MarianMTModel", "MarianConfig", _BART),
    "pegasus": ("PegasusForConditionalGeneration", "PegasusConfig", _BART),
    "pegasus-x": ("PegasusXForConditionalGeneration", "PegasusXConfig",
        {**_BART, "num_global_tokens": 3, "block_size": 4}),
    "blenderbot": ("BlenderbotForConditionalGeneration", "BlenderbotConfig", _BART),
    "blenderbot-small": ("BlenderbotSmallForConditionalGeneration", "BlenderbotSmallConfig", _BART),
    "m2m-100": ("M2M100ForConditionalGeneration", "M2M100Config", _BART),
    "plbart": ("PLBartForConditionalGeneration", "PLBartConfig", _BART),
    "mvp": ("MvpForConditionalGeneration", "MvpConfig", _BART),
    "bigbird-pegasus": ("BigBirdPegasusForConditionalGeneration", "BigBirdPegasusConfig",
        {**_BART, "attention_type": "original_full", "use_bias": True}),
    "fsmt": ("FSMTForConditionalGeneration", "FSMTConfig",
        {**_BART, "src_vocab_size": VOCABULARY, "tgt_vocab_size": VOCABULARY + 6}),
    "led": ("LEDForConditionalGeneration", "LEDConfig",
        {**_BART, "attention_window": 4, "max_encoder_position_embeddings": 32,
         "max_decoder_position_embeddings": 24}),
    "prophetnet": ("ProphetNetForConditionalGeneration", "ProphetNetConfig",
        {**SPECIAL, "vocab_size": VOCABULARY, "hidden_size": 16, "encoder_ffn_dim": 24,
         "num_encoder_layers": 2, "num_encoder_attention_heads": 2, "decoder_ffn_dim": 20,
         "num_decoder_layers": 2, "num_decoder_attention_heads": 4, "ngram": 2, "num_buckets": 8,
         "max_position_embeddings": 32, "decoder_start_token_id": 2}),
    "t5gemma": ("T5GemmaForConditionalGeneration", "T5GemmaConfig",
        {"vocab_size": VOCABULARY, "encoder": _GEMMA, "decoder": _GEMMA}),
}  # fmt: skip

_EXPERTS = {**LLAMA, "output_router_logits": False}
_LOW_RANK = {"num_key_value_heads": 4, "q_lora_rank": 12, "kv_lora_rank": 8, "qk_rope_head_dim": 4,
             "qk_nope_head_dim": 6, "v_head_dim": 5, "head_dim": 4}  # fmt: skip
_ROUTED = {"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2, "n_group": 2,
           "topk_group": 1, "moe_intermediate_size": 10,
           "first_k_dense_replace": 1}  # fmt: skip
_LOCAL = {"num_local_experts": 4, "num_experts_per_tok": 2}
_COUNT = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 10}
_WINDOWED = {"sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"]}
_GRANITE = {**_LOCAL, "attention_multiplier": 0.25, "residual_multiplier": 0.5}

# name -> prefix of the classes, options beside _EXPERTS
_MIXTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "mixtral": ("Mixtral", _LOCAL),
    "mixtral-loop": ("Mixtral", {**_LOCAL, "experts_implementation": "eager"}),
    "mixtral-batched": ("Mixtral", {**_LOCAL, "experts_implementation": "batched_mm"}),
    "qwen2-moe": ("Qwen2Moe",
        {**_COUNT, "shared_expert_intermediate_size": 14, "mlp_only_layers": [0]}),
    "qwen3-moe": ("Qwen3Moe", {**_COUNT, "head_dim": 8, "norm_topk_prob": True}),
    "olmoe": ("Olmoe", {"num_experts": 4, "num_experts_per_tok": 2}),
    "flex-olmo": ("FlexOlmo", {"num_experts": 4, "num_experts_per_tok": 2}),
    "phimoe": ("Phimoe", {**_LOCAL, "attention_bias": True, "lm_head_bias": True}),
    "granitemoe": ("GraniteMoe", _GRANITE),
    "granitemoe-shared": ("GraniteMoeShared", {**_GRANITE, "shared_intermediate_size": 14}),
    "gpt-oss": ("GptOss", {**_LOCAL, **_WINDOWED, "head_dim": 8}),
    "deepseek-v2": ("DeepseekV2",
        {**_LOW_RANK, **_ROUTED, "topk_method": "group_limited_greedy"}),
    "deepseek-v3": ("DeepseekV3", {**_LOW_RANK, **_ROUTED}),
    "dots1": ("Dots1", _ROUTED),
    "glm4-moe": ("Glm4Moe", {**_ROUTED, "head_dim": 8, "use_qk_norm": True}),
    "ernie4-5-moe": ("Ernie4_5_Moe",
        {"moe_num_experts": 4, "moe_k": 2, "moe_intermediate_size": 10, "moe_layer_start_index": 1,
         "moe_num_shared_experts": 1}),
    "hunyuan-moe": ("HunYuanMoEV1", {"num_experts": 4, "moe_topk": 2, "head_dim": 8}),
    "jetmoe": ("JetMoe", {**_LOCAL, "kv_channels": 8}),
    "afmoe": ("Afmoe",
        {**_COUNT, **_WINDOWED, "head_dim": 8, "num_shared_experts": 1, "num_dense_layers": 1}),
    "minimax-m2": ("MiniMaxM2", {**_LOCAL, "head_dim": 8, "rotary_dim": 4}),
    "lfm2-moe": ("Lfm2Moe",
        {**_COUNT, "num_dense_layers": 1, "layer_types": ["conv", "full_attention"]}),
    "longcat-flash": ("LongcatFlash",
        {**_LOW_RANK, "num_layers": 1, "ffn_hidden_size": 24, "moe_topk": 2, "n_routed_experts": 4,
         "zero_expert_num": 2, "expert_ffn_hidden_size": 10, "head_dim": 4}),
}  # fmt: skip

_TEXT = {"vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2, **SPECIAL}
_MAMBA = {"mamba_d_state": 4, "mamba_d_conv": 3, "mamba_expand": 2, "use_mamba_kernels": False}
_SSD = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_n_groups": 2, "mamba_d_state": 4,
        "mamba_d_conv": 3, "mamba_expand": 2, "mamba_chunk_size": 4}  # fmt: skip
_DELTA = {"linear_key_head_dim": 6, "linear_value_head_dim": 8, "linear_num_key_heads": 2,
          "linear_num_value_heads": 4, "linear_conv_kernel_dim": 3,
          "layer_types": ["linear_attention", "full_attention"]}  # fmt: skip

# name -> model class, configuration class, all options
_RECURRENT: dict[str, tuple[str, str, dict[str, Any]]] = {
    "mamba": ("MambaForCausalLM", "MambaConfig",
        {**_TEXT, "state_size": 4, "time_step_rank": 3, "conv_kernel": 3}),
    "mamba2": ("Mamba2ForCausalLM", "Mamba2Config",
        {**_TEXT, "state_size": 4, "num_heads": 4, "head_dim": 8, "n_groups": 2, "chunk_size": 4}),
    "falcon-mamba": ("FalconMambaForCausalLM", "FalconMambaConfig",
        {**_TEXT, "state_size": 4, "time_step_rank": 3, "conv_kernel": 3}),
    "rwkv": ("RwkvForCausalLM", "RwkvConfig",
        {**_TEXT, "attention_hidden_size": 20, "intermediate_size": 24, "context_length": 16}),
    "recurrent-gemma": ("RecurrentGemmaForCausalLM", "RecurrentGemmaConfig",
        {**_TEXT, "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 48,
         "lru_width": 20, "attention_window_size": 4,
         "block_types": ["recurrent", "attention"]}),
    "xlstm": ("xLSTMForCausalLM", "xLSTMConfig",
        {**_TEXT, "num_heads": 2, "num_blocks": 2, "chunk_size": 4, "qk_dim_factor": 0.5,
         "ffn_round_up_to_multiple_of": 4, "autocast_kernel_dtype": "float32",
         "mode": "train", "return_last_states": True}),
    "jamba": ("JambaForCausalLM", "JambaConfig",
        {**_EXPERTS, **_MAMBA, "num_experts": 4, "num_experts_per_tok": 2, "attn_layer_period": 2,
         "attn_layer_offset": 1, "expert_layer_period": 2, "mamba_dt_rank": 3}),
    "zamba": ("ZambaForCausalLM", "ZambaConfig",
        {**LLAMA, **_MAMBA, "num_hidden_layers": 3, "n_mamba_heads": 2, "num_key_value_heads": 4,
         "mamba_dt_rank": 3, "attention_hidden_size": 64, "attention_head_dim": 16,
         "layers_block_type": ["mamba", "hybrid", "hybrid"]}),
    "zamba2": ("Zamba2ForCausalLM", "Zamba2Config",
        {**LLAMA, **_MAMBA, "num_hidden_layers": 3, "n_mamba_heads": 8, "num_key_value_heads": 4,
         "mamba_ngroups": 2, "chunk_size": 4, "num_mem_blocks": 1, "adapter_rank": 5,
         "use_mem_rope": True, "layers_block_type": ["mamba", "hybrid", "hybrid"]}),
    "bamba": ("BambaForCausalLM", "BambaConfig", {**LLAMA, **_SSD, "attn_layer_indices": [1]}),
    "falcon-h1": ("FalconH1ForCausalLM", "FalconH1Config",
        {**LLAMA, **_SSD, "mamba_d_ssm": 64, "mamba_rms_norm": True}),
    "granitemoe-hybrid": ("GraniteMoeHybridForCausalLM", "GraniteMoeHybridConfig",
        {**_EXPERTS, **_SSD, **_GRANITE, "shared_intermediate_size": 14,
         "layer_types": ["mamba", "attention"]}),
    "nemotron-h": ("NemotronHForCausalLM", "NemotronHConfig",
        {**LLAMA, "layers_block_type": ["mamba", "mlp", "attention"], "num_hidden_layers": 3,
         "head_dim": 8, "ssm_state_size": 4, "mamba_num_heads": 8, "mamba_head_dim": 8,
         "n_groups": 2, "chunk_size": 4, "use_mamba_kernels": False}),
    "lfm2": ("Lfm2ForCausalLM", "Lfm2Config",
        {**LLAMA, "block_auto_adjust_ff_dim": False, "layer_types": ["conv", "full_attention"]}),
    "qwen3-next": ("Qwen3NextForCausalLM", "Qwen3NextConfig",
        {**_EXPERTS, **_COUNT, **_DELTA, "head_dim": 8, "shared_expert_intermediate_size": 14}),
    "qwen3-5": ("Qwen3_5ForCausalLM", "Qwen3_5TextConfig",
        {**LLAMA, **_DELTA, "head_dim": 8}),
    "olmo-hybrid": ("OlmoHybridForCausalLM", "OlmoHybridConfig", {**LLAMA, **_DELTA}),
    "minimax": ("MiniMaxForCausalLM", "MiniMaxConfig",
        {**_EXPERTS, **_LOCAL, "block_size": 4, "head_dim": 8,
         "layer_types": ["linear_attention", "full_attention"]}),
}  # fmt: skip


def _cases() -> list[Case]:
    found = []
    for name, (kind, config, options) in _TRANSLATORS.items():
        found.append(case(name, kind, config, both, options, size=8, resized=_RESIZED.get(name, 7)))
    for name, (prefix, options) in _MIXTURES.items():
        whole = {**_EXPERTS, **options}
        kind, config = f"{prefix}ForCausalLM", f"{prefix}Config"
        found.append(case(name, kind, config, text, whole, resized=6))
    for name, (kind, config, options) in _RECURRENT.items():
        # Their loops over steps or chunks are unrolled: the structure follows the length.
        found.append(case(name, kind, config, text, options, size=8))
    return found


# The number of blocks decides about the padding; the predicted streams are slices at the length.
_RESIZED = {
    "led": 12, "pegasus-x": 12, "longt5-local": 11, "longt5-global": 11, "prophetnet": None,
}  # fmt: skip

CASES: tuple[Case, ...] = tuple(_cases())
