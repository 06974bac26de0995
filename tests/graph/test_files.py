from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gmn_fx.errors import FileError
from gmn_fx.graph import files
from gmn_fx.graph.fileformat import encode
from gmn_fx.graph.model import ParameterGraph


@pytest.fixture
def saved(mlp, bind_random, tmp_path) -> Path:
    path = tmp_path / "graph.pt"
    bind_random(mlp).save(path)
    return path


def content_of(path: Path) -> dict:
    return torch.load(path, weights_only=True)


def test_round_trip(any_graph, bind_random, tmp_path):
    for graph in (any_graph, bind_random(any_graph)):
        graph.save(tmp_path / "graph.pt")
        again = ParameterGraph.load(tmp_path / "graph.pt")
        assert again == graph
        assert again.to_text() == graph.to_text()
        assert again.signature == graph.signature
    assert os.listdir(tmp_path) == ["graph.pt"]


def test_p6_same_bytes_twice(mlp, bind_random, tmp_path):
    """Byte for byte, under one file name."""
    blobs = []
    for _ in range(2):
        bind_random(mlp).save(tmp_path / "graph.pt", dense=True)
        blobs.append((tmp_path / "graph.pt").read_bytes())
    assert blobs[0] == blobs[1]


def test_file_opens_without_this_package(mlp, bind_random, tmp_path):
    """The documented layout, read by torch alone: rebuild the weight of the first layer."""
    graph = bind_random(mlp)
    graph.save(tmp_path / "graph.pt", dense=True)
    code = """
import sys, torch
d = torch.load(sys.argv[1], weights_only=True)
assert d["format"] == "gmn-fx.parameter-graph" and d["version"] == 1
def ids(m, shape):
    k = torch.tensor(m["offset"])
    for axis, (n, s) in enumerate(zip(m["shape"], m["strides"])):
        k = k + (torch.arange(n) * s).reshape([-1] + [1] * (len(m["shape"]) - axis - 1))
    return (m["table"][k] if "table" in m else k).expand(shape)
b = d["bundles"][0]
src, dst = (ids(b[e], b["shape"]).reshape(-1) for e in ("src", "dst"))
value = d["values"][b["slot"]].reshape(-1)[ids(b["view"], b["shape"]).reshape(-1)]
n = len(value)
assert torch.equal(d["edge_index"][:, :n], torch.stack([src, dst]))
assert torch.equal(d["edge_value"][:n], value)
assert d["vocabularies"]["edge.kind"][int(d["edge_type"][0, 0])] == "weight"
assert d["slots"][0]["dtype"] == "float32" and d["slots"][0]["name"] == "0.weight"
assert not any(m.startswith("gmn_fx") for m in sys.modules)
print("ok")
"""
    out = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "graph.pt")], capture_output=True, text=True,
    )  # fmt: skip
    assert out.stdout == "ok\n", out.stderr


def test_dense_arrays(mlp, bind_random, tmp_path):
    graph = bind_random(mlp)
    graph.save(tmp_path / "a.pt", dense=True)
    content, data = content_of(tmp_path / "a.pt"), graph.to_pyg()
    for name in ("x", "edge_index", "edge_type", "edge_param", "edge_value"):
        assert torch.equal(content[name], data[name])
    mlp.save(tmp_path / "b.pt", dense=True)
    assert "edge_value" not in content_of(tmp_path / "b.pt")
    assert ParameterGraph.load(tmp_path / "a.pt") == graph


def test_tied_values_are_stored_once(tied, bind_random, tmp_path):
    graph = bind_random(tied)
    graph.save(tmp_path / "graph.pt")
    assert list(content_of(tmp_path / "graph.pt")["values"]) == ["wte.weight"]


def test_a_view_does_not_drag_its_storage_along(mlp, mlp_model, tmp_path):
    state = mlp_model.state_dict()
    state["0.weight"] = torch.randn(1_000_000)[:6].view(3, 2)
    mlp.bind(state).save(tmp_path / "graph.pt")
    assert (tmp_path / "graph.pt").stat().st_size < 100_000


def test_size_without_values_is_that_of_the_layers(mlp, tmp_path):
    mlp.save(tmp_path / "graph.pt")
    assert (tmp_path / "graph.pt").stat().st_size < 20_000


def refused(path: Path, *words: str) -> None:
    with pytest.raises(FileError) as caught:
        ParameterGraph.load(path)
    text = str(caught.value)
    for word in (str(path), *words, "hint:"):
        assert word in text, text
    assert "weights_only=False" not in text


def test_missing_file(tmp_path):
    refused(tmp_path / "none.pt", "does not exist")


def test_directory(tmp_path, mlp):
    refused(tmp_path, "is a directory")
    with pytest.raises(FileError, match="is a directory"):
        mlp.save(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.99])
def test_truncated(saved, share):
    blob = saved.read_bytes()
    saved.write_bytes(blob[: int(len(blob) * share)])
    refused(saved, "cannot be read", "truncated")


@pytest.mark.parametrize("blob", [b"hello", b"\x80\x02}q\x00.", b"PK\x03\x04" * 100, bytes(5000)])
def test_garbage(tmp_path, blob):
    path = tmp_path / "graph.pt"
    path.write_bytes(blob)
    refused(path)


class Evil:
    def __init__(self, target: str) -> None:
        self.target = target

    def __reduce__(self):
        return (os.mkdir, (self.target,))


@pytest.mark.parametrize("how", ["torch", "pickle", "inside"])
def test_malicious_pickle_is_never_executed(tmp_path, saved, how):
    path, target = tmp_path / "evil.pt", tmp_path / "pwned"
    evil = Evil(str(target))
    if how == "pickle":
        path.write_bytes(pickle.dumps(evil))
    else:
        torch.save(evil if how == "torch" else {**content_of(saved), "meta": evil}, path)
    refused(path, "never unpickled")
    assert not target.exists()


def test_a_checkpoint_is_not_a_graph(tmp_path, mlp_model):
    path = tmp_path / "model.pt"
    torch.save(mlp_model.state_dict(), path)
    refused(path, "is not a parameter graph", "gmn-extract")
    torch.save([1, 2], path)
    refused(path, "is not a parameter graph")


def test_other_version(saved):
    torch.save({**content_of(saved), "version": 99}, saved)
    refused(saved, "version 99", "reads 1")


def set_in(content: dict, path: tuple, value: object) -> dict:
    node = content
    for key in path[:-1]:
        node = node[key]
    if value is ...:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return content


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("slots",), ...),
        (("slots",), 7),
        (("slots", 0, "shape"), [3, -2]),
        (("slots", 0, "shape"), ["3", 2]),
        (("slots", 0, "dtype"), "load"),
        (("slots", 0, "dtype"), "float64"),
        (("slots", 0, "offset"), 1),
        (("slots", 0, "trainable"), 1),
        (("groups", 0, "size"), 10**12),
        (("groups", 0, "size"), True),
        (("groups", 0, "start"), -1),
        (("groups", 0, "kind"), "x"),
        (("groups", 0, "name"), None),
        (("bundles", 0, "shape"), [2**40, 2**40]),
        (("bundles", 0, "src", "offset"), -1),
        (("bundles", 0, "src", "offset"), 2**70),
        (("bundles", 0, "src", "strides"), [0, 2**62]),
        (("bundles", 0, "src", "strides"), [0]),
        (("bundles", 0, "src", "shape"), [10**9, 10**9]),
        (("bundles", 0, "view", "strides"), [1000, 1]),
        (("bundles", 0, "view"), None),
        (("bundles", 0, "history", "offset"), 9),
        (("bundles", 0, "dst"), {"shape": [3, 2], "offset": 0, "strides": [2, 1],
                                 "table": torch.tensor([0, 1, 2, 3, 4, 99])}),
        (("bundles", 0, "dst"), {"shape": [3, 2], "offset": 0, "strides": [2, 1],
                                 "table": torch.tensor([3, 4])}),
        (("bundles", 0, "dst"), {"shape": [3, 2], "offset": -3, "strides": [0, 0],
                                 "table": torch.tensor([3, 4])}),
        (("bundles", 0, "dst"), {"shape": [3, 2], "offset": 0, "strides": [2, 1],
                                 "table": torch.zeros(6)}),
        (("bundles", 0, "dst"), {"shape": [3, 2], "offset": 0, "strides": [2, 1],
                                 "table": torch.zeros(6, dtype=torch.int64).to_sparse()}),
        (("bundles", 0, "dst"), "x"),
        (("values", "0.weight"), torch.zeros(2, 3)),
        (("values", "0.weight"), torch.zeros(3, 2).to_sparse()),
        (("values", "0.weight"), "x"),
        (("values",), []),
        (("meta",), []),
        (("unread",), [["0.weight", 99]]),
        (("histories",), []),
        (("established",), [1]),
    ],
)  # fmt: skip
def test_damaged_content_is_refused(saved, path, value):
    torch.save(set_in(content_of(saved), path, value), saved)
    refused(saved, "damaged")


def test_missing_folder(tmp_path, mlp):
    with pytest.raises(FileError, match=r"cannot be written: No such file(.|\n)*folder"):
        mlp.save(tmp_path / "none" / "graph.pt")


def test_unwritable_folder(tmp_path, mlp, monkeypatch):
    def denied(*_: object) -> int:  # root may write everywhere, so chmod would prove nothing
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.os, "open", denied)
    with pytest.raises(FileError, match="Permission denied"):
        mlp.save(tmp_path / "graph.pt")


def test_devices_are_left_alone(mlp):
    with pytest.raises(FileError, match="not a regular file"):
        mlp.save("/dev/null")


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError("x"), OSError(28, "No space")])
def test_interrupted_save_leaves_the_old_file(saved, mlp, monkeypatch, error):
    before = saved.read_bytes()

    def broken(_: object, file: io.BufferedWriter) -> None:
        file.write(b"half")
        raise error

    monkeypatch.setattr(files.torch, "save", broken)
    expected = FileError if isinstance(error, OSError) else error
    with pytest.raises(expected if isinstance(expected, type) else type(expected)):
        mlp.save(saved)
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == ["graph.pt"]


def test_full_disk(mlp):
    """Linux has a device for it; the zip writer of torch reports it in its own way."""
    with pytest.raises(FileError), files.replacing("/dev/full") as file:
        torch.save(encode(mlp, dense=False), file)


def test_links_are_followed(tmp_path, mlp):
    real, link = tmp_path / "real.pt", tmp_path / "link.pt"
    real.write_bytes(b"old")
    link.symlink_to(real)
    mlp.save(link)
    assert link.is_symlink()
    assert ParameterGraph.load(real) == mlp


def test_permissions_are_those_of_any_new_file(tmp_path, mlp):
    mlp.save(tmp_path / "graph.pt")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "graph.pt").stat().st_mode == (tmp_path / "plain").stat().st_mode
