# Prints the table schemas.txt from the operator definitions in the onnx package, 1.23: every ai.onnx operator in the
# versions that opsets 13 to 28 use.
import onnx.defs as defs

FIRST, LAST = 13, 28
ELEMS = {
    "float": "f32", "double": "f64", "float16": "f16", "bfloat16": "bf16", "string": "string", "bool": "bool",
    "complex64": "c64", "complex128": "c128", "float8e4m3fn": "f8e4m3fn", "float8e4m3fnuz": "f8e4m3fnuz",
    "float8e5m2": "f8e5m2", "float8e5m2fnuz": "f8e5m2fnuz", "float8e8m0": "f8e8m0", "float4e2m1": "f4e2m1", "float6e2m3": "f6e2m3", "float6e3m2": "f6e3m2",
    **{"%sint%d" % (u, n): "%s%d" % (u or "i", n) for u in ("", "u") for n in (2, 4, 8, 16, 32, 64)},
}
KINDS = {"INT": "i", "FLOAT": "f", "STRING": "s", "TENSOR": "t", "GRAPH": "g", "TYPE_PROTO": "type", "SPARSE_TENSOR": "sparse"}


def elem(t):
    for wrap in ("tensor", "seq", "optional", "map", "sparse_tensor"):
        if t.startswith(wrap + "("):
            inner = t[len(wrap) + 1 : -1]
            if wrap == "map":
                k, v = inner.split(",", 1)
                return "map(%s,%s)" % (elem("tensor(%s)" % k), elem(v.strip()))
            return ELEMS[inner] if wrap == "tensor" else "%s(%s)" % (wrap, ELEMS.get(inner) or elem(inner))
    raise ValueError(t)


def kind(a):
    name = a.type.name
    return "[%s]" % KINDS[name[:-1]] if name[:-1] in KINDS else KINDS[name]


def port(p, names):
    mark = {"Single": "", "Optional": "?", "Variadic": "+" if p.is_homogeneous else "*"}[p.option.name]
    if p.option.name == "Variadic" and p.min_arity == 0:
        mark += "0"
    return p.name + mark + ":" + (p.type_str if p.type_str in names else elem(p.type_str))


history = {}
for s in defs.get_all_schemas_with_history():
    if s.domain == "" and s.since_version <= LAST:
        history.setdefault(s.name, []).append(s)
rows, sets = [], {}
for name in sorted(history):
    versions = sorted(history[name], key=lambda s: s.since_version)
    for i, s in enumerate(versions):
        if i + 1 < len(versions) and versions[i + 1].since_version <= FIRST:
            continue
        if s.deprecated:
            rows.append((name, s.since_version, None))
            continue
        names = {t.type_param_str for t in s.type_constraints}
        types = []
        for t in s.type_constraints:
            list = [elem(x) for x in sorted(t.allowed_type_strs)]
            allowed = " ".join([x for x in list if "(" not in x] or list)  # beside tensors, other types are left out
            sets[allowed] = sets.get(allowed, 0) + 1
            types.append((t.type_param_str, allowed))
        ins = " ".join(port(p, names) for p in s.inputs)
        outs = " ".join(port(p, names) for p in s.outputs)
        attrs = " ".join("%s%s:%s" % (a, "!" if s.attributes[a].required else "", kind(s.attributes[a])) for a in sorted(s.attributes))
        rows.append((name, s.since_version, (ins, outs, attrs, types)))
common = {a: "@%d" % i for i, a in enumerate(sorted(a for a, n in sets.items() if n > 2 and len(a) > 8))}
for a, name in common.items():
    print("%s %s" % (name, a))
for name, since, row in rows:
    if row is None:
        print(name, since, "deprecated")
        continue
    ins, outs, attrs, types = row
    print("%s %d | %s | %s | %s | %s" % (name, since, ins, outs, attrs, "; ".join("%s=%s" % (t, common.get(a, a)) for t, a in types)))
