"""Published configurations of text models: family, class of the head, options."""

from __future__ import annotations

from typing import Any

Entry = tuple[str, str, dict[str, Any]]

_BASE = {
    "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
    "intermediate_size": 3072,
}  # fmt: skip


def _rope(theta: float, **more: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": "default", "rope_theta": theta, **more}}


ENCODERS: dict[str, Entry] = {
    "bert-base": ("Bert", "ForMaskedLM", {**_BASE, "vocab_size": 30522}),
    "roberta-base": ("Roberta", "ForMaskedLM", {
        **_BASE, "vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
    }),
    "distilbert-base": ("DistilBert", "ForMaskedLM", {"vocab_size": 30522}),
    "albert-base-v2": ("Albert", "ForMaskedLM", {
        **_BASE, "vocab_size": 30000, "embedding_size": 128, "hidden_act": "gelu_new",
    }),
    "electra-small": ("Electra", "ForPreTraining", {
        "vocab_size": 30522, "embedding_size": 128, "hidden_size": 256, "num_hidden_layers": 12,
        "num_attention_heads": 4, "intermediate_size": 1024,
    }),
    "deberta-v3-base": ("DebertaV2", "ForMaskedLM", {
        **_BASE, "vocab_size": 128100, "relative_attention": True, "position_buckets": 256,
        "norm_rel_ebd": "layer_norm", "share_att_key": True, "pos_att_type": ["p2c", "c2p"],
        "max_relative_positions": -1, "position_biased_input": False, "type_vocab_size": 0,
        "layer_norm_eps": 1e-7, "legacy": False,
    }),
}  # fmt: skip

CAUSAL: dict[str, Entry] = {
    "gpt2": ("GPT2", "LMHeadModel", {}),
    "gpt2-xl": ("GPT2", "LMHeadModel", {"n_embd": 1600, "n_layer": 48, "n_head": 25}),
    "opt-1.3b": ("OPT", "ForCausalLM", {
        "vocab_size": 50272, "hidden_size": 2048, "ffn_dim": 8192, "num_hidden_layers": 24,
        "num_attention_heads": 32, "max_position_embeddings": 2048, "word_embed_proj_dim": 2048,
    }),
    "pythia-1.4b": ("GPTNeoX", "ForCausalLM", {
        "vocab_size": 50304, "hidden_size": 2048, "intermediate_size": 8192,
        "num_hidden_layers": 24, "num_attention_heads": 16, "max_position_embeddings": 2048,
        **_rope(10000.0, partial_rotary_factor=0.25),
    }),
    "llama-2-7b": ("Llama", "ForCausalLM", {
        "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008,
        "num_hidden_layers": 32, "num_attention_heads": 32, "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5, **_rope(10000.0),
    }),
    "llama-3-8b": ("Llama", "ForCausalLM", {
        "vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
        "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "bos_token_id": 128000,
        "eos_token_id": 128001, **_rope(500000.0),
    }),
    "mistral-7b": ("Mistral", "ForCausalLM", {
        "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
        "max_position_embeddings": 32768, "sliding_window": 4096, "rms_norm_eps": 1e-5,
        **_rope(10000.0),
    }),
    "qwen2-7b": ("Qwen2", "ForCausalLM", {
        "vocab_size": 152064, "hidden_size": 3584, "intermediate_size": 18944,
        "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4,
        "max_position_embeddings": 131072, **_rope(1000000.0),
    }),
    "gemma-2b": ("Gemma", "ForCausalLM", {
        "vocab_size": 256000, "hidden_size": 2048, "intermediate_size": 16384,
        "num_hidden_layers": 18, "num_attention_heads": 8, "num_key_value_heads": 1,
        "head_dim": 256, "max_position_embeddings": 8192,
    }),
    "phi-2": ("Phi", "ForCausalLM", {
        "vocab_size": 51200, "hidden_size": 2560, "intermediate_size": 10240,
        "num_hidden_layers": 32, "num_attention_heads": 32, "max_position_embeddings": 2048,
        **_rope(10000.0, partial_rotary_factor=0.4),
    }),
    "mamba-130m": ("Mamba", "ForCausalLM", {
        "vocab_size": 50280, "hidden_size": 768, "num_hidden_layers": 24, "state_size": 16,
    }),
    "mixtral-8x7b": ("Mixtral", "ForCausalLM", {
        "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
        "num_local_experts": 8, "num_experts_per_tok": 2, **_rope(1000000.0),
    }),
}  # fmt: skip
