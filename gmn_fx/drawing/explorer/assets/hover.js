// What is under the pointer, and what it lights: a neuron's edges and its orbit, an edge, a box.

const LISTED = 12;

function findUnder(view, x, y) {
  const { g, plan } = view, near = 4 / view.camera.k;
  for (const item of plan.items) {
    if (x < item.x - near || x > item.x + item.w + near || y < item.y - near || y > item.y + item.h + near) continue;
    if (item.type !== "open") return { type: "item", item };
    const group = g.groups[item.first], row = Math.floor((y - item.y - item.top) / PITCH), wide = rowsOf(g, group);
    if (row < 0 || row >= wide) return { type: "item", item };
    const k = wide === group.size || row < g.ends ? row : row >= g.ends + 2 ? group.size - (wide - row) : -1;
    return k < 0 ? { type: "item", item } : { type: "node", node: group.start + k, item };
  }
  const edge = edgeUnder(view, x, y, 4 / view.camera.k);
  if (edge >= 0) return { type: "edge", edge };
  const arrow = arrowUnder(view, x, y, 6 / view.camera.k);
  if (arrow) return { type: "arrow", arrow };
  const frame = [...plan.frames].reverse().find((f) => x > f.x && x < f.x + f.w && y > f.y && y < f.y + 20);
  return frame ? { type: "frame", frame } : null;
}

function edgeUnder(view, x, y, near) {
  const { plan } = view, e = view.g.edges;
  let best = -1, least = near * near;
  for (let k = 0; k < e.size; k++) {
    const a = e.src[k], b = e.dst[k];
    if (!plan.on[a] || !plan.on[b]) continue;
    const ax = plan.x[a], bx = plan.x[b];
    if (x < Math.min(ax, bx) || x > Math.max(ax, bx) || ax === bx) continue;
    const steps = plan.items[plan.itemOf[plan.groupOf[b]]].rank - plan.items[plan.itemOf[plan.groupOf[a]]].rank;
    if (steps !== 1) continue;
    const ay = plan.y[a], t = (x - ax) / (bx - ax), slope = (plan.y[b] - ay) / (bx - ax);
    const away = y - ay - t * (plan.y[b] - ay), square = (away * away) / (1 + slope * slope);
    if (square < least && isShown(view, k)) { least = square; best = k; }
  }
  return best;
}

function arrowUnder(view, x, y, near) {
  return view.plan.arrows.find((arrow) => {
    if (arrow.single) return false;
    const p = controlsOf(view.plan, arrow);
    for (let t = 0; t <= 1; t += 0.02) {
      const s = 1 - t, w = [s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t];
      const u = w[0] * p.x + w[1] * p.px + w[2] * p.qx + w[3] * p.u, v = w[0] * p.y + w[1] * p.py + w[2] * p.qy + w[3] * p.v;
      if (Math.hypot(u - x, v - y) < near) return true;
    }
    return false;
  });
}

// Edges and nodes that a find lights.
function lightOf(view, found) {
  const { g } = view, lit = { edges: [], orbit: [], nodes: [] };
  if (!found) return lit;
  if (found.type === "edge") lit.edges.push(found.edge);
  if (found.type === "edges") lit.edges.push(...found.edges);
  if (found.type === "node") {
    for (const { start, list } of [g.bySource, g.byTarget]) {
      for (let k = start[found.node]; k < start[found.node + 1]; k++) if (isShown(view, list[k])) lit.edges.push(list[k]);
    }
    lit.nodes.push(found.node);
    lit.orbit = orbitOf(g, found.node);
  }
  for (const edge of lit.edges) lit.nodes.push(g.edges.src[edge], g.edges.dst[edge]);
  return lit;
}

function orbitOf(g, node) {
  if (!g.orbits) return [];
  const out = [];
  for (let n = 0; n < g.nodes; n++) if (g.orbits[n] === g.orbits[node]) out.push(n);
  return out;
}

function drawOver(view) {
  const ratio = fitCanvas(view.overCanvas, view.stage), c = worldContext(view.overCanvas, view.camera, ratio);
  const { found, lit, plan, g } = view, theme = colours(g);
  if (!found) return;
  if (found.type === "item" || found.type === "frame") {
    const box = found.item ?? found.frame;
    roundBox(c, box.x - 2, box.y - 2, box.w + 4, box.h + 4, 8);
    c.strokeStyle = theme.edges.positive;
    c.lineWidth = 2;
    c.stroke();
    return;
  }
  if (found.type === "arrow") return drawArrow(c, view, found.arrow, { ...theme, edges: { ...theme.edges, parameter: theme.edges.positive, free: theme.edges.positive } });
  c.save();
  c.setTransform(1, 0, 0, 1, 0, 0);
  c.globalAlpha = 0.72;
  c.fillStyle = theme.paper;
  c.fillRect(0, 0, view.overCanvas.width, view.overCanvas.height);
  c.restore();
  for (const edge of lit.edges) {
    c.beginPath();
    traceEdge(c, plan, g.edges.src[edge], g.edges.dst[edge]);
    strokeBucket(c, classOf(g, edge), Math.max(2, levelOf(g, edge)), theme.edges, 1, view.camera.k);
  }
  for (const node of lit.orbit) if (plan.on[node]) ring(c, plan.x[node], plan.y[node], theme.nodes.statistic[1], 3);
  for (const node of new Set([...lit.orbit, ...lit.nodes])) {
    const group = g.groups[g.groupOf[node]];
    if (plan.on[node]) drawMark(c, g.palette.marks[group.role], plan.x[node], plan.y[node], RADIUS, theme.nodes[group.role]);
  }
  if (found.type === "node") ring(c, plan.x[found.node], plan.y[found.node], theme.ink, 1.5);
}

function ring(c, x, y, colour, width, radius = RADIUS + 3) {
  c.beginPath();
  c.arc(x, y, radius, 0, 2 * Math.PI);
  c.strokeStyle = colour;
  c.lineWidth = width;
  c.stroke();
}

// ---- words

function tipOf(view, found) {
  if (found.type === "node") return nodeTip(view, found.node);
  if (found.type === "edge") return edgeTip(view, found.edge);
  if (found.type === "edges") return found.edges.slice(0, LISTED).map((k) => edgeText(view.g, k)).join("\n");
  if (found.type === "arrow") return arrowTip(view, found.arrow);
  if (found.type === "frame") return `${found.frame.module.path}\ndouble-click to close`;
  const { item } = found, group = view.g.groups[item.first];
  if (item.type === "module") return `${item.title}\n${plural(item.groups.length, "group")}, ${plural(item.size, "node")}\ndouble-click to open`;
  return groupLines(group).join("\n") + `\ndouble-click to ${item.type === "open" ? "close" : "open"}`;
}

function groupLines(group) {
  return [titleOf(group), `${plural(group.size, nounOf(group))}${group.op ? `, made by ${group.op}` : ""}`,
    group.depth >= 0 ? `depth ${group.depth}` : "", group.source].filter(Boolean);
}

function nodeTip(view, node) {
  const { g, lit } = view, group = g.groups[g.groupOf[node]];
  const into = lit.edges.filter((k) => g.edges.dst[k] === node), out = lit.edges.filter((k) => g.edges.src[k] === node);
  const orbit = !g.orbits ? "" : lit.orbit.length > 1
    ? `orbit of ${lit.orbit.length.toLocaleString("en")}: may be exchanged with any of them` : "orbit of 1: may be exchanged with no other";
  const strongest = [...into].sort((p, q) => Math.abs(g.edges.value[q]) - Math.abs(g.edges.value[p]));
  return [`${nounOf(group)} ${node - group.start} of ${titleOf(group)}`, ...groupLines(group).slice(1), orbit,
    `${plural(into.length, "edge")} in, ${out.length.toLocaleString("en")} out`,
    ...strongest.slice(0, LISTED).map((k) => edgeText(g, k)), into.length > LISTED ? `and ${into.length - LISTED} more` : ""].filter(Boolean).join("\n");
}

function edgeTip(view, edge) {
  const { g } = view, e = g.edges, bundle = g.bundles[e.bundle[edge]];
  const name = (node) => { const x = g.groups[g.groupOf[node]]; return `${titleOf(x)} ${node - x.start}`; };
  const { start, list } = g.bySource, twins = [];
  for (let k = start[e.src[edge]]; k < start[e.src[edge] + 1]; k++) if (e.dst[list[k]] === e.dst[edge] && isShown(view, list[k])) twins.push(list[k]);
  return [...twins.slice(0, LISTED).map((k) => edgeText(g, k)), twins.length > LISTED ? `and ${twins.length - LISTED} more` : "",
    `${bundle.kind}${bundle.op ? ` of ${bundle.op}` : ""}: ${name(e.src[edge])} \u2192 ${name(e.dst[edge])}`,
    g.histories[e.history[edge]] ? `after ${g.histories[e.history[edge]]}` : ""].filter(Boolean).join("\n");
}

function arrowTip(view, arrow) {
  const { g } = view, lines = arrow.bundles.slice(0, LISTED).map((k) => {
    const b = g.bundles[k], slot = g.slots[b.slot];
    return slot ? `${slot.name}  ${slot.shape.join("\u00d7") || "1"}` : `${b.kind} of ${b.op}`;
  });
  const more = arrow.bundles.length - LISTED;
  return [...lines, more > 0 ? `and ${plural(more, "more bundle")}` : "", `${plural(arrow.edges, "edge")}, ${plural(arrow.parameters, "parameter")}`].filter(Boolean).join("\n");
}
