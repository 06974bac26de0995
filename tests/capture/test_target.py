"""Loading a model from a file, a package or an exported program."""

from __future__ import annotations

import sys
import zipfile

import pytest
import torch
from torch import nn

from gmn_fx.capture import capture, load_target
from gmn_fx.errors import FileError, LoadError
from tests.capture.helpers import assert_same_function

HEAD = "import torch\nfrom torch import nn\n"


@pytest.fixture(autouse=True)
def _keep_modules():
    known = dict(sys.modules)
    yield
    for name in set(sys.modules) - set(known):
        if name.startswith("zz_"):
            del sys.modules[name]


@pytest.fixture
def write(tmp_path):
    def run(text, name="zz_model.py"):
        sys.modules.pop(name.removesuffix(".py"), None)
        path = tmp_path / name
        path.write_text(HEAD + text)
        return str(path)

    return run


GOOD = {
    "instance": "model = nn.Linear(3, 2)",
    "named instance": "net = nn.Linear(3, 2)",
    "factory": "def build_model(width=3): return nn.Linear(width, 2)",
    "annotated factory": "def mine() -> nn.Module: return nn.Linear(3, 2)",
    "factory called model": "def model(): return nn.Linear(3, 2)",
    "class": "class Net(nn.Linear):\n    def __init__(self): super().__init__(3, 2)",
    "helper class with arguments": (
        "class Block(nn.Linear): pass\n"
        "class Net(nn.Linear):\n    def __init__(self): super().__init__(3, 2)"
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_model_is_found(write, name):
    loaded = load_target(write(GOOD[name]))
    assert isinstance(loaded.model, nn.Linear)
    assert (loaded.args, loaded.kwargs) == (None, None)
    assert loaded.name == "zz_model"


def test_meta(write):
    assert load_target(write(GOOD["class"]), meta=True).model.weight.is_meta
    assert load_target(write(GOOD["instance"]), meta=True).model.weight.is_meta


def test_several_candidates_are_listed(write):
    path = write("a = nn.Linear(1, 1)\nb = nn.Linear(2, 2)")
    with pytest.raises(LoadError, match="several candidates for the model: a, b"):
        load_target(path)
    assert load_target(path, "b").model.in_features == 2


BAD = {
    "x = 1": r"zz_model.py has no model",
    "class Net(nn.Linear): pass": r"these classes need arguments: Net\(in_features, out_features\)",
    "model = 3": "'model' is a int, not a model",
    "def model(a): return a": "'model' needs arguments: a",
    "def model(): return 1": r"model\(\) returned a int",
    "def model(): raise ValueError('no')": r"model\(\) failed:\n  zz_model.py:3 in model",
    "1 / 0": r"failed while it was imported:\n  zz_model.py:3 in <module>\n    1 / 0\nZeroDiv",
    "def (": r"failed while it was imported:[\s\S]*SyntaxError",
    "import not_there_at_all": "ModuleNotFoundError: No module named 'not_there_at_all'",
    "raise SystemExit(3)": "SystemExit: 3",
    "model = nn.Linear(1, 1)\nexample_inputs = 7": "`example_inputs` is a int",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_files_say_what_is_wrong(write, text):
    with pytest.raises(LoadError, match=BAD[text]) as error:
        load_target(write(text))
    assert "site-packages" not in str(error.value)


def test_unknown_entry_names_near_ones(write):
    with pytest.raises(LoadError, match="has no 'netz'") as error:
        load_target(write("net = nn.Linear(1, 1)"), "netz")
    assert "net" in error.value.hint


@pytest.mark.parametrize("target", ["nowhere.py", "nowhere.pt2"])
def test_missing_files(target):
    with pytest.raises((LoadError, FileError), match=f"no such file: {target}"):
        load_target(target)


def test_neither_file_nor_module(tmp_path):
    with pytest.raises(LoadError, match="is a directory"):
        load_target(str(tmp_path))
    with pytest.raises(LoadError, match="no such model"):
        load_target("no/such/thing")
    with pytest.raises(LoadError, match="no module named 'zz_nowhere'"):
        load_target("zz_nowhere.sub:Net")


def test_package_and_attribute(write, tmp_path, monkeypatch):
    write(GOOD["class"], "zz_package.py")
    monkeypatch.syspath_prepend(tmp_path)
    assert isinstance(load_target("zz_package:Net").model, nn.Linear)
    with pytest.raises(LoadError, match="has no 'Other'"):
        load_target("zz_package:Other")


def test_example_inputs_and_plugins(write):
    bag = "class Bag:\n    rules = passes = {}\n    def lowering(self): ...\n"
    base = bag + "model = nn.Linear(3, 2)\nmine = Bag()\n"
    loaded = load_target(write(base + "example_inputs = (torch.ones(2, 3),)"))
    assert [type(p).__name__ for p in loaded.plugins] == ["Bag"]
    assert loaded.args[0].shape == (2, 3)
    loaded = load_target(write(base + "example_inputs = {'input': torch.ones(2, 3)}"))
    assert list(loaded.kwargs) == ["input"]
    loaded = load_target(write(base + "def example_inputs(): return torch.ones(2, 3)"))
    assert len(loaded.args) == 1


def save(tmp_path, model, *args):
    path = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(model, args, strict=False), path)
    return path


def test_exported_program(tmp_path):
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
    loaded = load_target(str(save(tmp_path, model, torch.ones(2, 3))))
    program = capture(loaded.model, loaded.args, loaded.kwargs)
    assert [b.name for b in program.bindings.values()][:-1] == list(model.state_dict())
    modules = [n.meta["module"] for n in program.graph.nodes if n.op == "call_function"]
    assert modules == ["0", "1", "2"]
    assert_same_function(program, loaded.model, loaded.args)


def rewrite(path, change):
    with zipfile.ZipFile(path) as archive:
        files = {n: archive.read(n) for n in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in change(files).items():
            archive.writestr(name, data)


def test_damaged_exported_programs_are_refused(tmp_path):
    path = save(tmp_path, nn.Linear(3, 2), torch.ones(2, 3))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(FileError, match="not an exported program"):
        load_target(str(path))
    path.write_bytes(b"hello")
    with pytest.raises(FileError, match="not an exported program"):
        load_target(str(path))


def with_target(files, old, new):
    return {n: d.replace(old, new) if n.endswith("model.json") else d for n, d in files.items()}


def test_malicious_exported_programs_are_refused(tmp_path):
    path = save(tmp_path, nn.Linear(3, 2), torch.ones(2, 3))
    rewrite(path, lambda f: with_target(f, b"torch.ops.aten.linear.default", b"torch.os.system"))
    with pytest.raises(FileError, match=r"could run code: 'torch.os.system'"):
        load_target(str(path))
    path = save(tmp_path, nn.Linear(3, 2), torch.ones(2, 3))
    rewrite(path, lambda f: {**f, "net/data/constants/opaque_obj_0": b"x"})
    with pytest.raises(FileError, match="opaque_obj_0"):
        load_target(str(path))


def test_pickled_weights_in_an_exported_program_do_not_run(tmp_path):
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (open, (str(marker), "w"))

    path = save(tmp_path, nn.Linear(3, 2), torch.ones(2, 3))
    torch.save({"x": Evil()}, tmp_path / "evil.pt")
    evil = (tmp_path / "evil.pt").read_bytes()

    def change(files):
        out = {}
        for name, data in files.items():
            if name.endswith("weights_config.json"):
                data = data.replace(b'"use_pickle": false', b'"use_pickle": true')
            out[name] = evil if "weight_" in name.rpartition("/")[2] else data
        return out

    rewrite(path, change)
    with pytest.raises(FileError):
        load_target(str(path))
    assert not marker.exists()
