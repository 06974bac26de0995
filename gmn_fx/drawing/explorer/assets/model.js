// The graph of the page: what data.py wrote, with its columns as typed arrays.

const TYPES = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, f4: Float32Array, f8: Float64Array };

// [type, base64] as a typed array.
function unpack([type, text]) {
  const raw = atob(text), out = new Uint8Array(raw.length);
  for (let k = 0; k < raw.length; k++) out[k] = raw.charCodeAt(k);
  return new TYPES[type](out.buffer);
}

function readGraph() {
  const g = JSON.parse(document.getElementById("graph").textContent);
  const e = g.edges;
  for (const name of ["src", "dst", "element", "history", "value"]) e[name] = unpack(e[name]);
  e.size = e.src.length;
  e.bundle = new Int32Array(e.size);
  e.hasValue = new Uint8Array(e.size);
  g.bundles.forEach((b, k) => { b.first = k ? g.bundles[k - 1].last : 0; b.last = b.first + e.count[k]; });
  g.bundles.forEach((b, k) => { e.bundle.fill(k, b.first, b.last); e.hasValue.fill(e.valued[k] ? 1 : 0, b.first, b.last); });
  g.orbits = g.orbits === null ? null : unpack(g.orbits);
  g.groupOf = new Int32Array(g.nodes);
  g.groups.forEach((group, k) => {
    group.index = k;
    group.noun = g.palette.words[group.kind] ?? group.kind;
    group.path = group.kind === "input" || !group.name ? [] : group.name.split(".").slice(0, 16);
    group.helper = group.kind === "bias" || group.kind === "constant" || group.kind === "statistic";
    group.readers = new Set();
    g.groupOf.fill(k, group.start, group.start + group.size);
  });
  for (const [src, dst] of g.links) if (src !== dst) g.groups[src].readers.add(dst);
  if (g.changes) readChanges(g);
  g.reference = magnitudeAt(sortedMagnitudes(g), 0.98) || 1;
  g.bySource = adjacency(e.src, g.nodes);
  g.byTarget = adjacency(e.dst, g.nodes);
  return g;
}

function sortedMagnitudes(g) {
  // Of a comparison, the share is one of what differs.
  g.magnitudes ??= magnitudesWhere(g, (k) => !g.changes || g.edges.value[k] !== 0);
  return g.magnitudes;
}

function magnitudesWhere(g, keep) {
  const e = g.edges, out = new Float32Array(e.size);
  let n = 0;
  for (let k = 0; k < e.size; k++) if (e.hasValue[k] && Number.isFinite(e.value[k]) && keep(k)) out[n++] = Math.abs(e.value[k]);
  return out.slice(0, n).sort();
}

function magnitudeAt(sorted, share) {
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] : 0;
}

// Edges of every node in one array: those of node n are list[start[n]] .. list[start[n + 1] - 1].
function adjacency(ends, nodes) {
  const start = new Int32Array(nodes + 1), list = new Int32Array(ends.length);
  for (const n of ends) start[n + 1]++;
  for (let n = 0; n < nodes; n++) start[n + 1] += start[n];
  const next = start.slice();
  ends.forEach((n, k) => { list[next[n]++] = k; });
  return { start, list };
}

function titleOf(group) {
  return (/^\d+$/.test(group.name) ? `${group.op} ${group.name}` : group.name) || group.op || group.kind;
}

function parameterOf(g, edge) {
  const bundle = g.bundles[g.edges.bundle[edge]];
  if (bundle.slot < 0) return bundle.kind + (bundle.op ? ` of ${bundle.op}` : "");
  const slot = g.slots[bundle.slot], at = [];
  let rest = g.edges.element[edge];
  for (let axis = slot.shape.length - 1; axis >= 0; axis--) {
    at.unshift(rest % slot.shape[axis]);
    rest = Math.floor(rest / slot.shape[axis]);
  }
  return at.length ? `${slot.name}[${at.join(", ")}]` : slot.name;
}

function edgeText(g, edge) {
  if (g.changes) return changedText(g, edge);
  const value = g.edges.hasValue[edge] ? ` = ${shortNumber(g.edges.value[edge])}` : "";
  return parameterOf(g, edge) + value;
}

function shortNumber(v) { return Number.isFinite(v) ? String(Number(v.toPrecision(4))) : String(v); }

function plural(n, word) {
  const name = n === 1 ? word : word.endsWith("y") ? `${word.slice(0, -1)}ies` : `${word}s`;
  return `${n.toLocaleString("en")} ${name}`;
}

// The end of a name says more than its beginning.
function shorten(text, limit) { return text.length <= limit ? text : `…${text.slice(text.length - limit + 1)}`; }
