// Layers: a column for each, boxes and groups stacked in it, ordered by what feeds them.

const PITCH = 20, RADIUS = 6.5, CAPTION = 22, BOX_WIDTH = 150, BOX_HEIGHT = 50, STACK_GAP = 26, FRAME_HEAD = 19;

function rowsOf(g, group) {
  return group.size <= 2 * g.ends + 2 ? group.size : 2 * g.ends + 2;
}

// Row of the k-th neuron of a group; -1 if it is not shown.
function rowOf(g, group, k) {
  if (group.size <= 2 * g.ends + 2 || k < g.ends) return k;
  return k >= group.size - g.ends ? k - group.size + 2 * g.ends + 2 : -1;
}

function layOut(g, opening) {
  const items = opening.items();
  const itemOf = new Int32Array(g.groups.length).fill(-1);
  items.forEach((item, k) => { item.number = k; item.groups.forEach((x) => { itemOf[x] = k; }); measure(g, item); });
  const arrows = joinLinks(g, items, itemOf);
  rank(items, arrows);
  const columns = [];
  for (const item of items) (columns[item.rank] ??= []).push(item);
  const nested = Math.max(0, ...framedModules(g, opening).map((m) => m.path.split(".").length));
  place(columns.filter(Boolean), arrows, STACK_GAP + Math.min(3, nested) * (FRAME_HEAD - 3));
  const x = new Float32Array(g.nodes), y = new Float32Array(g.nodes), on = new Uint8Array(g.nodes);
  for (const item of items) if (item.type === "open") placeNodes(g, item, x, y, on);
  return { items, itemOf, arrows, x, y, on, frames: framesOf(g, opening, items, itemOf), bounds: boundsOf(items) };
}

function measure(g, item) {
  const group = g.groups[item.first];
  item.beside = item.groups.every((k) => g.groups[k].kind === "bias" || g.groups[k].kind === "constant");
  item.size = item.groups.reduce((sum, k) => sum + g.groups[k].size, 0);
  item.title = item.type === "module" ? item.module.path : titleOf(group);
  if (item.type === "open") {
    item.w = 2 * RADIUS + 14;
    item.top = item.beside ? 4 : CAPTION;
    item.h = item.top + rowsOf(g, group) * PITCH;
  } else {
    item.w = BOX_WIDTH;
    item.top = 0;
    item.h = BOX_HEIGHT;
  }
}

function joinLinks(g, items, itemOf) {
  const out = new Map();
  g.links.forEach(([src, dst, bundle, edges, parameters]) => {
    const a = itemOf[src], b = itemOf[dst];
    if (a < 0 || b < 0 || (a === b && items[a].type === "module")) return;
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

function place(columns, arrows, gap) {
  const into = new Map();
  const all = columns.flat();
  const byNumber = new Map(all.map((item) => [item.number, item]));
  for (const { a, b } of arrows) if (a !== b) { if (!into.has(b)) into.set(b, []); into.get(b).push(byNumber.get(a)); }
  const main = columns.map((stack) => stack.filter((item) => !item.beside));
  const tallest = Math.max(0, ...main.map((stack) => heightOf(stack, gap)));
  let x = 0;
  columns.forEach((stack, c) => {
    const width = Math.max(...stack.map((item) => item.w));
    const pull = (item) => {
      const feeds = (into.get(item.number) ?? []).filter((f) => f.y !== undefined && f.rank < item.rank && !f.beside);
      return feeds.length ? feeds.reduce((sum, f) => sum + f.y + f.h / 2, 0) / feeds.length : tallest / 2;
    };
    const ordered = [...main[c]].sort((p, q) => pull(p) - pull(q) || p.number - q.number);
    let y = (tallest - heightOf(ordered, gap)) / 2;
    let above = y - 6;
    for (const item of ordered) { item.x = x + (width - item.w) / 2; item.y = y; y += item.h + gap; }
    for (const item of stack.filter((s) => s.beside)) { item.x = x + (width - item.w) / 2; item.y = above - item.h; above = item.y - 2; }
    // A fan between tall layers needs room, or its lines are too steep to tell apart.
    const tall = Math.max(...stack.map((item) => (item.type === "open" ? item.h : 0)));
    x += width + (tall ? Math.max(150, Math.min(900, 0.25 * tall)) : 90);
  });
}

function heightOf(stack, gap) { return stack.reduce((sum, item) => sum + item.h + gap, -gap); }

function placeNodes(g, item, x, y, on) {
  const group = g.groups[item.first];
  for (let k = 0; k < group.size; k++) {
    const row = rowOf(g, group, k), node = group.start + k;
    if (row < 0) { k = group.size - g.ends - 1; continue; }
    x[node] = item.x + item.w / 2;
    y[node] = item.y + item.top + (row + 0.5) * PITCH;
    on[node] = 1;
  }
}

// Open modules with more than one box are framed; a frame leaves room for those inside it.
function framesOf(g, opening, items, itemOf) {
  const out = [];
  for (const module of framedModules(g, opening)) {
    const inside = [...new Set(insideOf(module).map((k) => itemOf[k]))].map((k) => items[k]);
    if (inside.length < 2) continue;
    const within = out.filter((f) => f.module.path.startsWith(`${module.path}.`));
    const level = 1 + Math.max(0, ...within.map((f) => f.level));
    const b = boundsOf(inside), pad = 5 * level, head = FRAME_HEAD * level;
    out.push({ module, level, x: b.x - pad, y: b.y - head, w: b.w + 2 * pad, h: b.h + head + pad });
  }
  return out.reverse();
}

// Inner modules first.
function framedModules(g, opening) {
  const shut = (module) => { for (let at = module; at; at = at.parent) if (opening.closedModules.has(at.path)) return true; return false; };
  return [...opening.tree.nodes.values()]
    .filter((module) => foldable(g, module) && !shut(module))
    .sort((p, q) => q.path.split(".").length - p.path.split(".").length);
}

function boundsOf(items) {
  const x = Math.min(...items.map((i) => i.x)), y = Math.min(...items.map((i) => i.y));
  const right = Math.max(...items.map((i) => i.x + i.w)), bottom = Math.max(...items.map((i) => i.y + i.h));
  return { x, y, w: right - x, h: bottom - y };
}
