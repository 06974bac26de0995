// Layers: a column for each, boxes and groups stacked in it, ordered by what feeds them.

const CAPTION = 22, BOX_WIDTH = 150, BOX_HEIGHT = 50, STACK_GAP = 26;
// Room for one neuron: less where a layer has many of them.
const WIDE_PITCH = 20, NARROW_PITCH = 9, GOOD_HEIGHT = 1000;

function rowsOf(g, group) { return group.size <= g.widest ? group.size : 2 * g.ends + 2; }

// Row of the k-th neuron of a group; -1 if it is not shown.
function rowOf(g, group, k) {
  if (group.size <= g.widest || k < g.ends) return k;
  return k >= group.size - g.ends ? k - group.size + 2 * g.ends + 2 : -1;
}

// Which neuron is in a row; -1 in the ellipsis.
function neuronAt(g, group, row) {
  if (group.size <= g.widest || row < g.ends) return row;
  return row >= g.ends + 2 ? group.size - 2 * g.ends - 2 + row : -1;
}

// Boxes and neurons with their places, for a stage of `w` by `h` pixels.
function layOut(g, opening, stage) {
  const items = opening.items();
  const itemOf = new Int32Array(g.groups.length).fill(-1);
  const most = Math.max(1, ...items.filter((i) => i.type === "open").map((i) => rowsOf(g, g.groups[i.first])));
  const pitch = Math.min(WIDE_PITCH, Math.max(NARROW_PITCH, GOOD_HEIGHT / most));
  const plan = { items, itemOf, pitch, radius: 0.33 * pitch, groupOf: g.groupOf };
  items.forEach((item, k) => { item.number = k; item.groups.forEach((x) => { itemOf[x] = k; }); measure(g, plan, item); });
  plan.arrows = joinLinks(g, items, itemOf);
  plan.between = new Map(plan.arrows.map((arrow) => [arrow.a * items.length + arrow.b, arrow]));
  rank(items, plan.arrows);
  const columns = [];
  for (const item of items) (columns[item.rank] ??= []).push(item);
  const full = columns.filter(Boolean);
  full.forEach((stack, c) => stack.forEach((item) => { item.column = c; }));
  const depth = depthOf(g, opening, items);
  stackUp(full, plan.arrows);
  placeRows(plan, full, stage, depth);
  plan.frames = framesOf(g, opening, plan);
  routeArrows(plan);
  plan.x = new Float32Array(g.nodes);
  plan.y = new Float32Array(g.nodes);
  plan.on = new Uint8Array(g.nodes);
  for (const item of items) if (item.type === "open") placeNodes(g, plan, item);
  // Single edges have no box, but pass over others as high as their arrow would.
  const arcs = plan.arrows.filter((a) => a.goal !== undefined).map(({ a, goal }) => ({ x: items[a].x, y: goal - LANE, w: 0, h: 2 * LANE }));
  plan.bounds = joined([...items, ...plan.frames, ...arcs, ...plan.arrows.filter((a) => a.box).map((a) => a.box)]);
  return plan;
}

function measure(g, plan, item) {
  const group = g.groups[item.first];
  item.beside = item.groups.every((k) => g.groups[k].kind === "bias" || g.groups[k].kind === "constant");
  item.size = item.groups.reduce((sum, k) => sum + g.groups[k].size, 0);
  item.title = item.type === "module" ? item.module.path : titleOf(group);
  item.above = 0;
  item.inner = { parameters: 0, bundles: [] };
  if (item.type === "open") {
    item.w = 2 * plan.radius + 14;
    item.top = item.beside ? 4 : CAPTION;
    item.h = item.top + rowsOf(g, group) * plan.pitch;
  } else {
    item.w = BOX_WIDTH;
    item.top = 0;
    item.h = BOX_HEIGHT;
  }
}

// One arrow for all links between two boxes; what stays inside a box is counted there.
function joinLinks(g, items, itemOf) {
  const out = new Map();
  g.links.forEach(([src, dst, bundle, edges, parameters]) => {
    const a = itemOf[src], b = itemOf[dst];
    if (a < 0 || b < 0) return;
    if (a === b && (items[a].type === "module" || src !== dst)) {
      items[a].inner.parameters += parameters;
      if (g.bundles[bundle].slot >= 0) items[a].inner.bundles.push(bundle);
      return;
    }
    const key = a * items.length + b;
    if (!out.has(key)) out.set(key, { a, b, edges: 0, parameters: 0, bundles: [], single: false });
    const arrow = out.get(key);
    arrow.edges += edges;
    arrow.parameters += parameters;
    arrow.bundles.push(bundle);
  });
  for (const arrow of out.values()) {
    const open = items[arrow.a].type === "open" && items[arrow.b].type === "open";
    arrow.single = open && arrow.bundles.some((k) => g.bundles[k].last > g.bundles[k].first);
  }
  return [...out.values()];
}

// Longest paths; bias nodes and constants stand one column before what they feed.
function rank(items, arrows) {
  const order = topological(items, arrows), at = [], into = items.map(() => []), from = items.map(() => []);
  order.forEach((k, place) => { at[k] = place; });
  for (const { a, b } of arrows) {
    if (at[a] < at[b]) into[b].push(a);
    if (a !== b) from[a].push(b);
  }
  for (const k of order) {
    const before = into[k].filter((a) => !items[a].beside);
    items[k].rank = before.length ? Math.max(...before.map((a) => items[a].rank)) + 1 : 0;
  }
  items.forEach((item, k) => {
    if (item.beside && !into[k].length && from[k].length) {
      item.rank = Math.max(0, Math.min(...from[k].map((b) => items[b].rank)) - 1);
    }
  });
}

function topological(items, arrows) {
  const waiting = items.map(() => new Set()), next = items.map(() => []);
  for (const { a, b } of arrows) if (a !== b) { waiting[b].add(a); next[a].push(b); }
  const out = [], done = new Set();
  const ready = items.map((_, k) => k).filter((k) => !waiting[k].size);
  while (out.length < items.length) {
    // On a cycle: cut it at its first item.
    const k = ready.length ? ready.shift() : items.findIndex((_, n) => !done.has(n));
    if (done.has(k)) continue;
    done.add(k);
    out.push(k);
    for (const b of next[k]) { waiting[b].delete(k); if (!waiting[b].size && !done.has(b)) ready.push(b); }
  }
  return out;
}

// Heights in every column, around 0: what is fed by the same boxes stands together.
function stackUp(columns, arrows) {
  const items = columns.flat(), byNumber = new Map(items.map((item) => [item.number, item])), into = new Map();
  for (const { a, b } of arrows) if (a !== b) { if (!into.has(b)) into.set(b, []); into.get(b).push(byNumber.get(a)); }
  const pull = (item) => {
    const feeds = (into.get(item.number) ?? []).filter((f) => f.y !== undefined && f.column < item.column && !f.beside);
    return feeds.length ? feeds.reduce((sum, f) => sum + f.y + (f.top + f.h) / 2, 0) / feeds.length : 0;
  };
  for (const stack of columns) {
    const main = stack.filter((item) => !item.beside).map((item) => [pull(item), item]);
    const ordered = main.sort(([p, a], [q, b]) => p - q || a.number - b.number).map(([, item]) => item);
    // Captions do not count: neurons of one size stand at one height.
    const tall = ordered.reduce((sum, item) => sum + item.h - item.top, 0);
    const gapOver = (k) => Math.max(STACK_GAP, ordered[k].top + 8) + 30 * framesBetween(ordered[k - 1], ordered[k]);
    const gaps = ordered.reduce((sum, _, k) => sum + (k ? gapOver(k) : 0), 0);
    let y = -(tall + gaps) / 2;
    ordered.forEach((item, k) => {
      if (k) y += gapOver(k);
      item.y = y - item.top;
      y += item.h - item.top;
    });
    const first = ordered.length ? ordered[0].y : 0;
    let above = first - 6;
    for (const item of stack.filter((s) => s.beside)) { item.y = above - item.h; above = item.y - 2; }
    if (ordered.length) { ordered[0].above = first - above; ordered[0].topmost = true; }
  }
}

function placeNodes(g, plan, item) {
  const group = g.groups[item.first], rows = rowsOf(g, group);
  for (let row = 0; row < rows; row++) {
    const k = neuronAt(g, group, row), node = group.start + k;
    if (k < 0) continue;
    plan.x[node] = item.x + item.w / 2;
    plan.y[node] = item.y + item.top + (row + 0.5) * plan.pitch;
    plan.on[node] = 1;
  }
}

function joined(boxes) {
  let x = Infinity, y = Infinity, right = -Infinity, bottom = -Infinity;
  for (const b of boxes) {
    x = Math.min(x, b.x);
    y = Math.min(y, b.y);
    right = Math.max(right, b.x + b.w);
    bottom = Math.max(bottom, b.y + b.h);
  }
  return { x, y, w: right - x, h: bottom - y };
}
