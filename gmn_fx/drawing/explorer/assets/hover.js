// What is lit: a neuron with its edges and its orbit, an edge, a box; on a canvas over the others.

function lightOf(view, found) {
  const { g } = view, lit = { edges: [], orbit: [], nodes: [] };
  if (!found) return lit;
  if (found.type === "edge") lit.edges = [found.edge];
  if (found.type === "edges") lit.edges = found.edges;
  if (found.type === "node") {
    lit.edges = edgesAt(view, g.bySource, found.node);
    for (const k of edgesAt(view, g.byTarget, found.node)) if (g.edges.src[k] !== found.node) lit.edges.push(k);
    lit.nodes.push(found.node);
    lit.orbit = orbitOf(g, found.node);
  }
  for (const edge of lit.edges) lit.nodes.push(g.edges.src[edge], g.edges.dst[edge]);
  return lit;
}

function edgesAt(view, { start, list }, node) {
  const out = [];
  for (let k = start[node]; k < start[node + 1]; k++) if (isShown(view, list[k])) out.push(list[k]);
  return out;
}

function orbitOf(g, node) {
  if (!g.orbits) return [];
  const out = [], wanted = g.orbits[node];
  for (let n = 0; n < g.nodes; n++) if (g.orbits[n] === wanted) out.push(n);
  return out;
}

function drawOver(view) {
  const ratio = fitCanvas(view.overCanvas, view.stage), c = worldContext(view.overCanvas, view.camera, ratio);
  const { found } = view, theme = colours(view.g);
  if (!found) return;
  if (found.type === "item" || found.type === "frame") return drawOutline(c, found.item ?? found.frame, theme, view.camera.k);
  if (found.type === "arrow") return drawLitArrow(c, view, found.arrow, theme);
  dim(c, view.overCanvas, theme);
  drawLitEdges(c, view, theme);
  drawLitNodes(c, view, theme);
}

function drawOutline(c, box, theme, zoom) {
  roundBox(c, box.x - 3, box.y - 3, box.w + 6, box.h + 6, 10);
  c.strokeStyle = theme.edges.positive;
  c.lineWidth = 2 / Math.min(1, zoom);
  c.stroke();
}

function drawLitArrow(c, view, arrow, theme) {
  const lit = theme.edges.positive;
  drawArrow(c, view.g, arrow, theme, lit);
  for (const item of [view.plan.items[arrow.a], view.plan.items[arrow.b]]) drawOutline(c, item, theme, view.camera.k);
}

function dim(c, canvas, theme) {
  c.save();
  c.setTransform(1, 0, 0, 1, 0, 0);
  c.globalAlpha = 0.74;
  c.fillStyle = theme.paper;
  c.fillRect(0, 0, canvas.width, canvas.height);
  c.restore();
}

// By their look, so that a thousand edges are a few strokes.
function drawLitEdges(c, view, theme) {
  const { g, plan, lit } = view, looks = new Map();
  for (const k of lit.edges) {
    const key = Math.max(1, levelOf(g, k)) + classOf(g, k);
    if (!looks.has(key)) looks.set(key, { cls: classOf(g, k), level: Math.max(1, levelOf(g, k)), list: [] });
    looks.get(key).list.push(k);
  }
  const dense = Math.max(0.45, Math.min(1, Math.sqrt(300 / Math.max(1, lit.edges.length))));
  for (const { cls, level, list } of [...looks.values()].sort((p, q) => p.level - q.level)) {
    c.beginPath();
    for (const k of list) traceEdge(c, plan, g.edges.src[k], g.edges.dst[k]);
    strokeEdges(c, cls, level, theme.edges, dense, 1.6 * view.camera.k);
  }
}

function drawLitNodes(c, view, theme) {
  const { g, plan, lit, found } = view, zoom = view.camera.k, r = plan.radius;
  const wide = Math.max(0.22 * r, 1.2 / zoom), radius = Math.max(r, 1.6 / zoom);
  for (const node of lit.orbit) if (plan.on[node]) ring(c, plan.x[node], plan.y[node], theme.nodes.statistic[1], wide, radius + 1.6 * wide);
  for (const node of new Set([...lit.orbit, ...lit.nodes])) {
    const group = g.groups[g.groupOf[node]];
    if (plan.on[node]) drawMark(c, r * zoom < 2.2 ? "plain" : g.palette.marks[group.role], plan.x[node], plan.y[node], radius, nodeLook(g, theme, group));
  }
  if (found.type === "node") ring(c, plan.x[found.node], plan.y[found.node], theme.ink, wide, radius + 0.6 * wide);
}

function ring(c, x, y, colour, width, radius) {
  c.beginPath();
  c.arc(x, y, radius, 0, 2 * Math.PI);
  c.strokeStyle = colour;
  c.lineWidth = width;
  c.stroke();
}
