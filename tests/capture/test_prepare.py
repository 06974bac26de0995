"""`restored` and `prepared` leave no trace."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gmn_fx.ir.prepare import clear_caches, prepared, restored
from tests.capture.helpers import assert_untouched, fingerprint
from tests.capture.models import EvalCache


class Wild(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(3, 3)
        self.register_buffer("seen", torch.zeros(3))
        self.seen[0] = float("nan")
        self.log, self.memo, self.names = [1], {"a": 1}, {"x"}

    def forward(self, x):
        self.seen += 1
        self.log.append(2)
        self.memo["b"] = 2
        self.names.add("y")
        self.new = x
        self.l.weight.requires_grad_(False)
        self.l.register_forward_hook(lambda *a: None)
        self.l.train()
        torch.rand(1)
        return self.l(x)


def test_everything_is_put_back():
    model = Wild().eval()
    model.seen[0] = 0
    log, memo, names = model.log, model.memo, model.names
    before, state = fingerprint(model), torch.get_rng_state()
    with restored(model):
        model(torch.ones(3))
    assert_untouched(before, model)
    assert (model.log, model.memo, model.names) == ([1], {"a": 1}, {"x"})
    assert (model.log is log, model.memo is memo, model.names is names) == (True, True, True)
    assert torch.equal(state, torch.get_rng_state())


def test_also_after_an_error():
    model = Wild().eval()
    with pytest.raises(RuntimeError), restored(model):
        model(torch.ones(2))
    assert model.log == [1]


def test_prepared_switches_and_puts_back():
    model = nn.Linear(2, 2)
    with prepared(model):
        assert not torch.is_grad_enabled()
        assert not torch.backends.mha.get_fastpath_enabled()
    assert torch.is_grad_enabled()
    assert torch.backends.mha.get_fastpath_enabled()
    with prepared(model, grad=True):
        assert torch.is_grad_enabled()


def test_use_cache_of_nested_configs():
    class Config:
        def __init__(self, **kw):
            self.__dict__.update(kw)

    model = nn.Linear(2, 2)
    model.config = Config(use_cache=True, text_config=Config(use_cache=True), other=3)
    with prepared(model):
        assert not model.config.use_cache
        assert not model.config.text_config.use_cache
    assert model.config.use_cache
    assert model.config.text_config.use_cache


def test_caches_are_emptied_only_inside():
    model = EvalCache().eval()
    model(torch.ones(1, 4))
    with restored(model):
        assert clear_caches(model) == ("cache",)
        assert model.cache == {}
    assert list(model.cache) == ["w"]
