"""Text models of `transformers` in one stack: decoders and encoders, from tiny configurations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from tests.zoo import libraries
from tests.zoo.case import Case, Sample

VOCABULARY = 50

Inputs = Callable[[int, int], dict[str, Any]]


def build(kind: str, config: str, options: Mapping[str, Any]) -> Any:
    """`transformers.<kind>` with `<config>(**options)`, in float32."""
    package = libraries.transformers()
    return getattr(package, kind)(getattr(package, config)(**options)).float()


def case(
    name: str,
    kind: str,
    config: str,
    inputs: Inputs,
    options: Mapping[str, Any],
    size: int = 7,
    resized: int | None = None,
    batched: bool = True,
) -> Case:
    """A case of a model class, its configuration class and options, and its keyword inputs."""

    def make(batch: int, size: int) -> Sample:
        return build(kind, config, options), (), inputs(batch, size)

    return Case(f"transformers/{name}", make, size=size, resized=resized, batched=batched)


def ids(batch: int, size: int) -> torch.Tensor:
    """Random token ids without the special ones at the start of the vocabulary."""
    return torch.randint(5, VOCABULARY, (batch, size))


def text(batch: int, size: int) -> dict[str, Any]:
    """What a language model gets: tokens."""
    return {"input_ids": ids(batch, size)}


def masked(batch: int, size: int) -> dict[str, Any]:
    """What an encoder gets: tokens, and a mask that pads the last text of the batch."""
    mask = torch.ones(batch, size, dtype=torch.long)
    mask[-1, size - 2 :] = 0
    return {"input_ids": ids(batch, size), "attention_mask": mask}


def attending(batch: int, size: int) -> dict[str, Any]:
    """What a decoder gets that looks at an encoder: tokens, and five states of that."""
    return {**text(batch, size), "encoder_hidden_states": torch.randn(batch, 5, 16)}


def _watched(batch: int, size: int) -> dict[str, Any]:
    """The first token attends to all, which has weights of its own."""
    everywhere = torch.zeros(batch, size, dtype=torch.long)
    everywhere[:, 0] = 1
    return {**masked(batch, size), "global_attention_mask": everywhere}


def _named(batch: int, size: int) -> dict[str, Any]:
    """Words, and two entities that each cover two of them."""
    places = torch.full((batch, 2, 4), -1)
    places[:, 0, :2], places[:, 1, :2] = torch.tensor([1, 2]), torch.tensor([3, 4])
    entities = torch.randint(1, 11, (batch, 2))
    return {**masked(batch, size), "entity_ids": entities, "entity_position_ids": places,
            "entity_attention_mask": torch.ones(batch, 2, dtype=torch.long)}  # fmt: skip


SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "use_cache": False}

# Grouped queries, rotary positions: the names that most of the newer decoders share.
LLAMA = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 32, **SPECIAL,
}  # fmt: skip
_GPT = {"vocab_size": VOCABULARY, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32,
        **SPECIAL}  # fmt: skip
_OLD = {"vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2, **SPECIAL}
_BERT = {
    "vocab_size": VOCABULARY, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
    "num_attention_heads": 2, "max_position_embeddings": 32, "pad_token_id": 0,
}  # fmt: skip

_HEAD = {"head_dim": 8}
_WINDOW = {"sliding_window": 4}
_LOCAL_GLOBAL = {**_WINDOW, "layer_types": ["sliding_attention", "full_attention"]}

# name -> prefix of the classes, options beside LLAMA
_LLAMAS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {}),
    "mistral": ("Mistral", _WINDOW),
    "ministral": ("Ministral", {**_HEAD, **_LOCAL_GLOBAL}),
    "qwen2": ("Qwen2", {}),
    "qwen3": ("Qwen3", _HEAD),
    "gemma": ("Gemma", _HEAD),
    "gemma2": ("Gemma2", {**_HEAD, **_LOCAL_GLOBAL, "query_pre_attn_scalar": 8}),
    "vaultgemma": ("VaultGemma", {**_HEAD, **_LOCAL_GLOBAL}),
    "phi": ("Phi", {"qk_layernorm": True}),
    "phi3": ("Phi3", {}),
    "stablelm": ("StableLm", {"qk_layernorm": True, "use_parallel_residual": True}),
    "olmo": ("Olmo", {"clip_qkv": 4.0}),
    "olmo2": ("Olmo2", {}),
    "olmo3": ("Olmo3", _LOCAL_GLOBAL),
    "cohere": ("Cohere", {"use_qk_norm": True}),
    "cohere2": ("Cohere2", {**_HEAD, **_LOCAL_GLOBAL}),
    "starcoder2": ("Starcoder2", {}),
    "granite": ("Granite", {"residual_multiplier": 0.5, "attention_multiplier": 0.25}),
    "nemotron": ("Nemotron", {}),
    "persimmon": ("Persimmon", {}),
    "glm": ("Glm", _HEAD),
    "glm4": ("Glm4", _HEAD),
    "smollm3": ("SmolLM3", {"no_rope_layers": [1, 0]}),
    "helium": ("Helium", _HEAD),
    "exaone4": ("Exaone4", _LOCAL_GLOBAL),
    "ernie4-5": ("Ernie4_5", _HEAD),
    "arcee": ("Arcee", _HEAD),
    "apertus": ("Apertus", {}),
    "bitnet": ("BitNet", {}),
    "seed-oss": ("SeedOss", _HEAD),
    "hunyuan-dense": ("HunYuanDenseV1", _HEAD),
    "diffllama": ("DiffLlama", {}),
    "gpt-neox": ("GPTNeoX", {}),
    "gpt-neox-japanese": ("GPTNeoXJapanese", {"intermediate_multiple_size": 2}),
    "minicpm3": ("MiniCPM3",
        {"num_key_value_heads": 4, "q_lora_rank": 12, "kv_lora_rank": 8, "qk_rope_head_dim": 4,
         "qk_nope_head_dim": 6, "v_head_dim": 6}),
    "nanochat": ("NanoChat", {}),
    "doge": ("Doge", {}),
    "biogpt": ("BioGpt", {}),
    "modernbert-decoder": ("ModernBertDecoder", {"local_attention": 4}),
}  # fmt: skip


def _falcon(**options: Any) -> tuple[str, str, dict[str, Any]]:
    settings = {**_OLD, "num_attention_heads": 4, **options}
    return "FalconForCausalLM", "FalconConfig", settings


# name -> model class, configuration class, all options
_DECODERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", _GPT),
    "gpt1": ("OpenAIGPTLMHeadModel", "OpenAIGPTConfig", _GPT),
    "gpt-neo": ("GPTNeoForCausalLM", "GPTNeoConfig",
        {**_OLD, "num_layers": 2, "num_heads": 2, "window_size": 4, "max_position_embeddings": 32,
         "attention_types": [[["global", "local"], 1]]}),
    "gptj": ("GPTJForCausalLM", "GPTJConfig", {**_GPT, "rotary_dim": 4}),
    "codegen": ("CodeGenForCausalLM", "CodeGenConfig", {**_GPT, "n_head": 4, "rotary_dim": 4}),
    "gpt-bigcode": ("GPTBigCodeForCausalLM", "GPTBigCodeConfig", {**_GPT, "n_head": 4}),
    "ctrl": ("CTRLLMHeadModel", "CTRLConfig", {**_GPT, "dff": 24}),
    "opt": ("OPTForCausalLM", "OPTConfig",
        {**_OLD, "num_attention_heads": 2, "ffn_dim": 24, "max_position_embeddings": 32}),
    "opt-projected": ("OPTForCausalLM", "OPTConfig",
        {**_OLD, "num_attention_heads": 2, "ffn_dim": 24, "word_embed_proj_dim": 12,
         "max_position_embeddings": 32, "do_layer_norm_before": False}),
    "bloom": ("BloomForCausalLM", "BloomConfig", {**_OLD, "n_layer": 2, "n_head": 2}),
    "falcon-multi-query": _falcon(multi_query=True, parallel_attn=True),
    "falcon-alibi": _falcon(multi_query=False, parallel_attn=False, alibi=True, bias=True),
    "falcon-grouped": _falcon(new_decoder_architecture=True, num_kv_heads=2),
    "mpt": ("MptForCausalLM", "MptConfig",
        {"vocab_size": VOCABULARY, "d_model": 16, "n_heads": 2, "n_layers": 2, "max_seq_len": 32}),
    "xglm": ("XGLMForCausalLM", "XGLMConfig",
        {**SPECIAL, "vocab_size": VOCABULARY, "d_model": 16, "ffn_dim": 24, "num_layers": 2,
         "attention_heads": 2, "max_position_embeddings": 32}),
    "gemma3": ("Gemma3ForCausalLM", "Gemma3TextConfig", {**LLAMA, **_HEAD, **_LOCAL_GLOBAL}),
    "gemma3n": ("Gemma3nForCausalLM", "Gemma3nTextConfig",
        {**LLAMA, **_HEAD, **_LOCAL_GLOBAL, "hidden_size_per_layer_input": 6, "laurel_rank": 5,
         "vocab_size_per_layer_input": VOCABULARY, "num_kv_shared_layers": 0,
         "altup_num_inputs": 3, "activation_sparsity_pattern": [0.5, 0.0]}),
    "trocr": ("TrOCRForCausalLM", "TrOCRConfig",
        {**SPECIAL, "vocab_size": VOCABULARY, "d_model": 16, "decoder_layers": 2,
         "decoder_attention_heads": 2, "decoder_ffn_dim": 24, "max_position_embeddings": 32,
         "is_decoder": True, "is_encoder_decoder": False, "cross_attention_hidden_size": 16}),
    "xlnet": ("XLNetLMHeadModel", "XLNetConfig",
        {"vocab_size": VOCABULARY, "d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 24}),
    "cpmant": ("CpmAntForCausalLM", "CpmAntConfig",
        {"vocab_size": VOCABULARY, "hidden_size": 16, "num_attention_heads": 2, "dim_head": 8,
         "dim_ff": 24, "num_hidden_layers": 2, "prompt_types": 3, "prompt_length": 2,
         "segment_types": 4, "position_bias_num_buckets": 8, "use_cache": False}),
}  # fmt: skip

_MOBILE = {"embedding_size": 12, "true_hidden_size": 8, "intra_bottleneck_size": 8}
_DISENTANGLED = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"],
                 "max_relative_positions": 8, "norm_rel_ebd": "layer_norm"}  # fmt: skip
_GROUPS = {"embedding_size": 16, "q_groups": 2, "k_groups": 2, "v_groups": 2,
           "intermediate_groups": 2, "output_groups": 2, "post_attention_groups": 1}  # fmt: skip
_XLM = {"vocab_size": VOCABULARY, "emb_dim": 16, "n_layers": 2, "n_heads": 2, "pad_index": 0,
        "max_position_embeddings": 32, "pad_token_id": 0}  # fmt: skip

# name -> prefix of the classes, what follows it in the model's name, options beside _BERT
_ENCODERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bert": ("Bert", "ForMaskedLM", {}),
    "roberta": ("Roberta", "ForSequenceClassification", {"num_labels": 3}),
    "roberta-prelayernorm": ("RobertaPreLayerNorm", "ForMaskedLM", {}),
    "xlm-roberta": ("XLMRoberta", "ForMaskedLM", {}),
    "xlm-roberta-xl": ("XLMRobertaXL", "ForMaskedLM", {}),
    "xmod": ("Xmod", "ForMaskedLM", {"languages": ["en_XX", "de_DE"], "default_language": "en_XX"}),
    "camembert": ("Camembert", "ForTokenClassification", {"num_labels": 3}),
    "data2vec-text": ("Data2VecText", "ForMaskedLM", {}),
    "electra": ("Electra", "ForTokenClassification", {"embedding_size": 12, "num_labels": 3}),
    "deberta": ("Deberta", "ForMaskedLM", _DISENTANGLED),
    "deberta-v2": ("DebertaV2", "ForSequenceClassification",
        {**_DISENTANGLED, "position_buckets": 4, "share_att_key": True, "num_labels": 3,
         "conv_kernel_size": 3, "conv_act": "gelu"}),
    "albert": ("Albert", "ForQuestionAnswering", {"embedding_size": 12}),
    "mpnet": ("MPNet", "ForMaskedLM", {}),
    "roformer": ("RoFormer", "ForMaskedLM", {"embedding_size": 12, "rotary_value": True}),
    "convbert": ("ConvBert", "ForMaskedLM",
        {"embedding_size": 12, "num_attention_heads": 4, "head_ratio": 2, "num_groups": 2}),
    "squeezebert": ("SqueezeBert", "ForMaskedLM", _GROUPS),
    "mobilebert": ("MobileBert", "ForMaskedLM", _MOBILE),
    "modernbert": ("ModernBert", "ForMaskedLM",
        {"local_attention": 4, "global_attn_every_n_layers": 2}),
    "ernie": ("Ernie", "ForMaskedLM", {"use_task_id": True, "task_type_vocab_size": 3}),
    "nomic-bert": ("NomicBert", "ForMaskedLM", {}),
    "ibert": ("IBert", "ForMaskedLM", {}),
    "megatron-bert": ("MegatronBert", "ForMaskedLM", {}),
    "rembert": ("RemBert", "ForMaskedLM",
        {"input_embedding_size": 12, "output_embedding_size": 20}),
    "longformer": ("Longformer", "ForMaskedLM", {"attention_window": 4}),
    "big-bird": ("BigBird", "ForMaskedLM", {"attention_type": "original_full"}),
    "roc-bert": ("RoCBert", "ForMaskedLM",
        {"pronunciation_embed_dim": 6, "pronunciation_vocab_size": VOCABULARY,
         "shape_embed_dim": 5, "shape_vocab_size": VOCABULARY}),
    "splinter": ("Splinter", "Model", {}),
    "eurobert": ("EuroBert", "ForMaskedLM",
        {"num_key_value_heads": 1, "hidden_size": 32, **SPECIAL}),
    "esm": ("Esm", "ForMaskedLM",
        {"position_embedding_type": "rotary", "mask_token_id": 4, "token_dropout": True,
         "emb_layer_norm_before": True}),
    "luke": ("Luke", "Model", {"entity_vocab_size": 11, "entity_emb_size": 6}),
    "yoso": ("Yoso", "ForMaskedLM", {"use_expectation": True, "conv_window": 3}),
}  # fmt: skip

# name -> model class, configuration class, all options
_OTHER_ENCODERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "distilbert": ("DistilBertForMaskedLM", "DistilBertConfig",
        {"vocab_size": VOCABULARY, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24,
         "max_position_embeddings": 32}),
    "xlm": ("XLMWithLMHeadModel", "XLMConfig", _XLM),
    "flaubert": ("FlaubertWithLMHeadModel", "FlaubertConfig", _XLM),
    "funnel": ("FunnelForMaskedLM", "FunnelConfig",
        {"vocab_size": VOCABULARY, "block_sizes": [1, 2], "num_decoder_layers": 1, "d_model": 16,
         "n_head": 2, "d_head": 6, "d_inner": 24}),
    "canine": ("CanineForTokenClassification", "CanineConfig",
        {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_labels": 3,
         "intermediate_size": 24, "max_position_embeddings": 32, "num_hash_functions": 2,
         "num_hash_buckets": 20, "downsampling_rate": 2, "local_transformer_stride": 4}),
}  # fmt: skip


def _reformer(kinds: list[str]) -> dict[str, Any]:
    """The chunks and the axial positions need one fixed length, 8."""
    return {
        "vocab_size": VOCABULARY, "hidden_size": 16, "num_attention_heads": 2,
        "feed_forward_size": 24, "attention_head_size": 6, "attn_layers": kinds,
        "axial_pos_shape": [2, 4], "num_buckets": 4, "axial_pos_embds_dim": [6, 10],
        "local_attn_chunk_length": 4, "lsh_attn_chunk_length": 4,
        "max_position_embeddings": 8, "is_decoder": True, "hash_seed": 0, **SPECIAL,
    }  # fmt: skip


def _cases() -> list[Case]:
    found = []
    for name, (prefix, options) in _LLAMAS.items():
        kind, config = f"{prefix}ForCausalLM", f"{prefix}Config"
        found.append(case(name, kind, config, text, {**LLAMA, **options}, resized=6))
    for name, (kind, config, options) in _DECODERS.items():
        given: Inputs = attending if name == "trocr" else text
        found.append(case(name, kind, config, given, options, resized=6))
    for name, (prefix, head, options) in _ENCODERS.items():
        given, whole = _INPUTS.get(name, masked), {**_BERT, **options}
        kind, config = prefix + head, f"{prefix}Config"
        found.append(case(name, kind, config, given, whole, *_LENGTHS.get(name, (7, 6))))
    for name, (kind, config, options) in _OTHER_ENCODERS.items():
        size, resized = _LENGTHS.get(name, (7, 6))
        found.append(case(name, kind, config, masked, options, size, resized))
    return found


_INPUTS: dict[str, Inputs] = {"longformer": _watched, "luke": _named}

# Where the length must divide into chunks, or decides the structure.
_LENGTHS: dict[str, tuple[int, int | None]] = {
    "longformer": (8, 12), "canine": (8, 12), "funnel": (8, 10),
}  # fmt: skip

# Its own mask does not fit where there are fewer landmarks than tokens.
_NYSTROM = {**_BERT, "num_landmarks": 4, "conv_kernel_size": 3, "segment_means_seq_len": 8}
_FNET = {"vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2,
         "intermediate_size": 24, "max_position_embeddings": 32, "pad_token_id": 0}  # fmt: skip

CASES: tuple[Case, ...] = (
    *_cases(),
    case("nystromformer", "NystromformerForMaskedLM", "NystromformerConfig", text, _NYSTROM, 8),
    # The Fourier transform mixes the positions, and the axial table has a row for each.
    case("fnet", "FNetForMaskedLM", "FNetConfig", text, _FNET),
    case("reformer", "ReformerModelWithLMHead", "ReformerConfig", text,
         _reformer(["local", "local"]), size=8),
    case("reformer-lsh", "ReformerModelWithLMHead", "ReformerConfig", text,
         _reformer(["lsh", "local"]), size=8),
)  # fmt: skip
