"""Library models: inputs inferred, captured by export, equal to the model, on meta as well."""

from __future__ import annotations

import pytest
import torch

from gmn_fx.capture import capture, infer_inputs
from tests.capture.helpers import assert_same_function, assert_untouched, fingerprint
from tests.zoo.libraries import torchvision_models, transformers

TEXT = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
    "vocab_size": 50, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip
VISION = {k: TEXT[k] for k in list(TEXT)[:4]} | {"image_size": 16, "patch_size": 8}


def build(name):
    torchvision_models()  # transformers imports torchvision where it is installed
    t = transformers()
    if name == "gpt2":
        config = t.GPT2Config(
            n_embd=16, n_layer=2, n_head=2, vocab_size=50, n_positions=32, bos_token_id=1,
            eos_token_id=2,
        )  # fmt: skip
        return t.GPT2LMHeadModel(config)
    if name == "llama":
        return t.LlamaForCausalLM(t.LlamaConfig(num_key_value_heads=1, **TEXT))
    if name == "bert":
        return t.BertForMaskedLM(t.BertConfig(max_position_embeddings=32, **TEXT))
    if name == "albert":
        return t.AlbertModel(t.AlbertConfig(embedding_size=8, **TEXT))
    if name == "t5":
        config = t.T5Config(d_model=16, d_kv=8, num_heads=2, num_layers=2, d_ff=32, vocab_size=50)
        return t.T5ForConditionalGeneration(config)
    if name == "vit":
        return t.ViTForImageClassification(t.ViTConfig(**VISION))
    if name == "swin":
        config = t.SwinConfig(
            image_size=32, patch_size=4, embed_dim=8, depths=[2, 2], num_heads=[2, 2], window_size=4
        )
        return t.SwinModel(config)
    if name == "convnext":
        config = t.ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2, image_size=32)
        return t.ConvNextModel(config)
    return torchvision_models().resnet18()


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


NAMES = ["gpt2", "llama", "bert", "albert", "t5", "vit", "swin", "convnext", "resnet18"]


@pytest.mark.parametrize("name", NAMES)
def test_real_models(name):
    torch.manual_seed(0)
    model = build(name).eval()
    before = fingerprint(model)
    found = infer_inputs(model)
    program = capture(model, found.args, found.kwargs)
    assert_untouched(before, model)
    assert program.rung == "export"
    assert all(n.meta["source"] for n in program.graph.nodes if n.op == "call_function")
    assert not any("/" in n.meta.get("source", "") for n in program.graph.nodes)
    assert_same_function(program, model, found.args, found.kwargs)
    if getattr(getattr(model, "config", None), "use_cache", None) is not None:
        assert model.config.use_cache is True


@pytest.mark.parametrize("name", NAMES)
def test_real_models_on_meta(name):
    with torch.device("meta"):
        model = build(name).eval()
    found = infer_inputs(model)
    program = capture(model, found.args, found.kwargs)
    real = build(name).eval()
    names = [b.name for b in program.bindings.values() if b.kind in ("param", "buffer")]
    assert set(names) <= set(real.state_dict())
    assert program.rung == "export"
