"""Writes headers.json: what NumPy makes of many headers, each before six float32 1..6 (or as many bytes)."""
import io, json, struct, sys, warnings
import numpy as np
from numpy.lib import format as npf

warnings.simplefilter("ignore")
d = "'descr': '<f4'"
o = "'fortran_order': False"
texts = []
def add(text, *versions):
    for v in versions or (1, 2, 3):
        texts.append((v, text))

for shape in ["(6,)", "(6, )", "(2, 3)", "(2,3)", "(2, 3,)", "( 2 , 3 , )", "(6, 1)", "(1, 6)", "(1,2,3)", "(6)", "6", "[2, 3]", "(2 3)", "(2, 3",
              "(2, 3))", "(,)", "(-6,)", "(+6,)", "(6.0,)", "(True, 6)", "('6',)", "(None,)", "(((6)),)", "(6L,)", "(2L, 3L)", "((2, 3))", "(x,)"]:
    add("{%s, %s, 'shape': %s, }\n" % (d, o, shape), 1)
s = "'shape': (2, 3)"
for parts in [(d, o, s), (s, o, d), (o, s, d), (d, s, o), (s, d, o), (o, d, s)]:
    add("{%s, %s, %s}\n" % parts)
    add("{%s,%s,%s,}\n" % parts, 1)
add("  {%s, %s, %s}   \n" % (d, o, s), 1)
add("{%s, %s, %s}" % (d, o, s), 1)
add("{ %s ,\n %s ,\n %s }\n\n" % (d, o, s), 1)
add("{%s, %s, %s}\n" % (d, o, s) + " " * 200 + "\n")
add(("{%s, %s, %s}\n" % (d, o, s)).replace("'", '"'), 1)
add("{\"descr\": '<f4', 'fortran_order': False, \"shape\": (2, 3)}\n", 1)
add("{'descr':'<f4','fortran_order':False,'shape':(2,3)}\n", 1)
add("{u'descr': u'<f4', u'fortran_order': False, u'shape': (2L, 3L)}\n", 1)
add("{%s, 'fortran_order': True, %s}\n" % (d, s))
for descr in ["'f4'", "'=f4'", "'<f4'", "'>f4'", "'<i4'", "'>i4'", "'|i4'", "('<f4', (2,))", "[('a', '<f4')]", "[('a', '<f4'), ('b', '<i4')]", "None", "4",
              "''", "'<'", "'<<f4'", "'<x4'", "[]", "[('a', [('b', '<f4')])]"]:
    add("{'descr': %s, %s, 'shape': (6,)}\n" % (descr, o), 1)
for bad in ["", "\n", "{", "}", "{}\n", "[]\n", "{%s, %s}\n" % (d, o), "{%s, %s, %s, 'more': 1}\n" % (d, o, s), "{%s, %s, %s} x\n" % (d, o, s),
            "{%s, 'fortran_order': 0, %s}\n" % (d, s), "{%s, 'fortran_order': 'False', %s}\n" % (d, s), "{%s %s, %s}\n" % (d, o, s), "{%s, , %s, %s}\n" % (d, o, s),
            "{'descr' '<f4', %s, %s}\n" % (o, s), "{'descr: '<f4', %s, %s}\n" % (o, s), "{descr: '<f4', %s, %s}\n" % (o, s), "{%s, 'fortran_order': false, %s}\n" % (d, s),
            "{%s, %s, 'shape': (2, 3), \x00}\n" % (d, o), "{%s, %s, %s}}\n" % (d, o, s), "{%s, %s, %s\n" % (d, o, s)]:
    add(bad, 1)

out = []
for version, text in texts:
    raw = text.encode()
    size = struct.pack("<H" if version == 1 else "<I", len(raw))
    data = np.arange(1, 7, dtype="<f4").tobytes()
    case = {"version": version, "header": text}
    try:
        x = npf.read_array(io.BytesIO(b"\x93NUMPY" + bytes([version, 0]) + size + raw + data))
        case.update(dtype=str(x.dtype), shape=list(x.shape))
        if x.dtype.names is None:
            case.update(values=[float(v) for v in x.ravel()])
    except Exception:
        pass
    out.append(case)
with open(sys.argv[1], "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(c) for c in out) + "\n]\n")
