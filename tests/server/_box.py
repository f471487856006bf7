"""Boxes for tests: tiny ONNX models written with an encoder of our own, and
the files beside them. Another language's client and another model writer than
the server's, so that neither tests itself."""

import os
import struct


# --- protobuf, as much of it as an ONNX model needs -------------------------

def varint(n):
    out = bytearray()
    while True:
        out.append((n & 0x7F) | (0x80 if n > 0x7F else 0))
        n >>= 7
        if n == 0:
            return bytes(out)


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


TYPES = {"FP32": 1, "UINT8": 2, "INT8": 3, "UINT16": 4, "INT16": 5,
         "INT32": 6, "INT64": 7, "BYTES": 8, "BOOL": 9, "FP16": 10,
         "FP64": 11, "UINT32": 12, "UINT64": 13}


def value_info(name, datatype, shape):
    dims = b"".join(
        field(1, field(2, "d%d" % i) if d < 0 else field(1, d))
        for i, d in enumerate(shape))
    tensor = field(1, TYPES[datatype]) + field(2, dims)
    return field(1, name) + field(2, field(1, tensor))


def node(op, inputs, outputs):
    return (b"".join(field(1, i) for i in inputs) +
            b"".join(field(2, o) for o in outputs) + field(4, op))


def model(nodes, inputs, outputs, initializers=b""):
    graph = (b"".join(field(1, n) for n in nodes) + field(2, "g") +
             initializers + b"".join(field(11, value_info(*i)) for i in inputs) +
             b"".join(field(12, value_info(*o)) for o in outputs))
    return (field(1, 8) + field(2, "test") + field(7, graph) +
            field(8, field(1, "") + field(2, 13)))


def identity(datatype="FP32", shape=(-1, 16)):
    """y = x."""
    return model([node("Identity", ["x"], ["y"])],
                 [("x", datatype, shape)], [("y", datatype, shape)])


def sum_and_copy(shape=(-1, 4)):
    """Two inputs, two outputs: total = a + b, copy = b."""
    return model([node("Add", ["a", "b"], ["total"]),
                  node("Identity", ["b"], ["copy"])],
                 [("a", "FP32", shape), ("b", "FP32", shape)],
                 [("total", "FP32", shape), ("copy", "FP32", shape)])


def look_up(shape=(-1, 4)):
    """y[r][k] = x[i[r][k]][k], which fails where an i is no row."""
    return model([node("GatherElements", ["x", "i"], ["y"])],
                 [("x", "FP32", shape), ("i", "INT64", shape)],
                 [("y", "FP32", shape)])


def non_zero():
    """What it returns has no rows."""
    return model([node("NonZero", ["x"], ["y"])],
                 [("x", "FP32", (-1, 4))], [("y", "INT64", (-1, -1))])


def stages(n, shape=(-1, 4)):
    """n stages, each of which doubles: the answer y of exit k (from 0) is x
    times 2 to the power of k + 1."""
    return [model([node("Add", [source, source], [out])
                   for out in (["y", "f"] if k + 1 < n else ["y"])],
                  [(source, "FP32", shape)],
                  [(out, "FP32", shape)
                   for out in (["f", "y"] if k + 1 < n else ["y"])])
            for k, source in enumerate(["x"] + ["g"] * (n - 1))]


# --- a box -------------------------------------------------------------------

def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb" if isinstance(text, bytes) else "w") as f:
        f.write(text)


SOURCE = "made up for a test"


def write_models(folder, variants):
    for name, (data, _) in variants.items():
        if isinstance(data, bytes):
            write(f"{folder}/models/{name}/1/model.onnx", data)
            continue
        for k, stage in enumerate(data):
            write(f"{folder}/models/{name}/1/{k}.onnx", stage)
        write(f"{folder}/models/{name}/variant.yaml",
              "version: 1\nstages:\n" +
              "".join(f"  - {{file: {k}.onnx}}\n" for k in range(len(data))))


def profile(variants, devices, rows):
    yield ("variant,exit,device,batch,mean_ms,p50_ms,p95_ms,p99_ms,energy_mj,"
           "samples,source\n")
    for v, (data, _) in variants.items():
        for d in devices:
            ms = 1.0 if rows is None else rows.get((v, d))
            if ms is None:
                continue
            for stage in range(1 if isinstance(data, bytes) else len(data)):
                for batch in (1, 32):
                    t = ms * (1 + (batch - 1) * 0.05)
                    yield (f"{v},{stage},{d},{batch},{t},{t},{t},{t},{t * 2},"
                           f"1,{SOURCE}\n")


def accuracies(variants):
    yield ("variant,exit,accuracy,metric,dataset,samples,weights_mib,"
           "memory_mib,sparsity,source\n")
    for v, (data, accuracy) in variants.items():
        every = [accuracy] if isinstance(data, bytes) else accuracy
        for stage, a in enumerate(every):
            yield f"{v},{stage},{a},top1,none,1,0.1,1,0,{SOURCE}\n"


def write_box(folder, families, devices=None, apps=(), rows=None, extra=""):
    """families: {name: {variant: (onnx bytes, accuracy)}}, of several stages:
    ([onnx bytes, ...], [accuracy, ...]). devices: YAML lines (default: one
    CPU). rows: {(variant, device): ms of a stage} (default: 1 ms each).
    Returns the path of box.yaml."""
    devices = devices or [
        "{name: cpu0, kind: cpu, backend: onnxruntime, provider: CPU}"]
    names = [d.split("name:")[1].split(",")[0].strip() for d in devices]
    variants = {v: x for f in families.values() for v, x in f.items()}
    write_models(folder, variants)
    write(f"{folder}/profile.csv", "".join(profile(variants, names, rows)))
    write(f"{folder}/variants.csv", "".join(accuracies(variants)))
    write(f"{folder}/box.yaml",
          "version: 1\nmodels: models\nprofiles: [profile.csv]\n"
          "variants: [variants.csv]\ndevices:\n" +
          "".join(f"  - {d}\n" for d in devices) + "families:\n" +
          "".join(f"  - {{name: {f}, metric: top1, variants: "
                  f"[{', '.join(vs)}]}}\n" for f, vs in families.items()) +
          ("apps:\n" + "".join(f"  - {a}\n" for a in apps) if apps
           else "apps: []\n") + extra)
    return f"{folder}/box.yaml"


def floats(values):
    return struct.pack("<%df" % len(values), *values)
