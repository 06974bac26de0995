// Boxes, arrows between them, frames of modules, neurons and captions.

function drawMarks(view) {
  const { g, plan, camera } = view, theme = colours(g);
  const ratio = fitCanvas(view.marksCanvas, view.stage), c = worldContext(view.marksCanvas, camera, ratio);
  const seen = {
    x: -camera.x / camera.k, y: -camera.y / camera.k,
    right: (view.stage.clientWidth - camera.x) / camera.k, bottom: (view.stage.clientHeight - camera.y) / camera.k,
  };
  const inside = (b) => b.x < seen.right && b.x + b.w > seen.x && b.y < seen.bottom && b.y + b.h > seen.y;
  plan.frames.filter(inside).forEach((frame) => drawFrame(c, frame, theme, camera.k));
  for (const item of plan.items) if (item.type === "open" && !item.beside && inside(item)) drawOpen(c, item, theme);
  for (const arrow of plan.arrows) if (!arrow.single) drawArrow(c, view, arrow, theme);
  // Edges lie over the frames and under the neurons.
  c.setTransform(1, 0, 0, 1, 0, 0);
  c.drawImage(view.edges.canvas, 0, 0);
  c.setTransform(camera.k * ratio, 0, 0, camera.k * ratio, camera.x * ratio, camera.y * ratio);
  for (const item of plan.items) {
    if (!inside(item)) continue;
    if (item.type === "open") drawNodes(c, view, item, theme);
    else drawBox(c, g, item, theme);
  }
}

function drawFrame(c, frame, theme, zoom) {
  roundBox(c, frame.x, frame.y, frame.w, frame.h, 8);
  c.fillStyle = theme.frame;
  c.globalAlpha = 0.6;
  c.fill();
  c.globalAlpha = 1;
  c.strokeStyle = theme.line;
  c.lineWidth = 1 / Math.max(0.5, zoom);
  c.stroke();
  const size = Math.min(20, Math.max(10, 9 / zoom)), room = Math.max(4, Math.floor(frame.w / (0.56 * size)));
  write(c, `\u2212 ${shorten(frame.module.path, room)}`, frame.x + 6, frame.y + 9, size, theme.pale, { align: "left", bold: true });
}

function drawOpen(c, item, theme) {
  roundBox(c, item.x, item.y + item.top - 4, item.w, item.h - item.top + 8, 7);
  c.fillStyle = theme.frame;
  c.fill();
  c.strokeStyle = theme.line;
  c.lineWidth = 0.8;
  c.stroke();
}

function drawBox(c, g, item, theme) {
  const group = g.groups[item.first], module = item.type === "module";
  const [fill, stroke] = theme.nodes[module ? "fold" : group.role];
  roundBox(c, item.x, item.y, item.w, item.h, module ? 3 : 9);
  c.fillStyle = fill;
  c.fill();
  c.strokeStyle = stroke;
  c.lineWidth = 1.2;
  c.stroke();
  const middle = item.x + item.w / 2;
  write(c, shorten(item.title, 22), middle, item.y + 17, 12, theme.ink, { bold: true });
  const said = module ? `${plural(item.groups.length, "group")}, ${plural(item.size, "node")}` : plural(group.size, nounOf(group));
  write(c, said, middle, item.y + 34, 10, theme.pale);
  write(c, "+", item.x + item.w - 10, item.y + 10, 13, theme.pale);
}

function drawNodes(c, view, item, theme) {
  const { g, plan } = view, group = g.groups[item.first], look = theme.nodes[group.role], mark = g.palette.marks[group.role];
  const radius = item.beside ? 0.75 * RADIUS : RADIUS, zoom = view.camera.k;
  const readable = PITCH * zoom > 8;
  for (let k = 0; k < group.size; k++) {
    const row = rowOf(g, group, k), node = group.start + k;
    if (row < 0) {
      k = group.size - g.ends - 1;
      for (const d of [-6, 0, 6]) write(c, "·", item.x + item.w / 2, item.y + item.top + (g.ends + 1) * PITCH + d, 16, theme.ink, { bold: true });
      continue;
    }
    drawMark(c, mark, plan.x[node], plan.y[node], radius, look);
    if (readable && group.pinned && group.kind === "input") write(c, `in ${k}`, plan.x[node] - 14, plan.y[node], 10, theme.ink, { align: "right", rim: theme.paper });
    if (readable && group.pinned && !plan.feeds[item.number]) write(c, `out ${k}`, plan.x[node] + 14, plan.y[node], 10, theme.ink, { align: "left", rim: theme.paper });
  }
  if (!item.beside) {
    const size = Math.min(24, Math.max(10, 9 / zoom));
    write(c, shorten(item.title, 22), item.x + item.w / 2, item.y + 9, size, theme.ink, { rim: theme.paper });
  }
}

function endsOf(plan, arrow) {
  const p = plan.items[arrow.a], q = plan.items[arrow.b], steps = q.rank - p.rank;
  const top = (item) => item.y + item.top, middle = (item) => (top(item) + item.y + item.h) / 2;
  if (steps > 0) return { x: p.x + p.w, y: middle(p), u: q.x, v: middle(q), steps };
  return { x: p.x + p.w / 2, y: p.y + p.h, u: q.x + q.w / 2, v: q.y + q.h, steps };
}

function controlsOf(plan, arrow) {
  const e = endsOf(plan, arrow);
  if (e.steps === 1) return { ...e, px: e.x + 0.45 * (e.u - e.x), py: e.y, qx: e.u - 0.45 * (e.u - e.x), qy: e.v };
  if (e.steps > 1) {
    const rise = Math.min(320, 40 + 0.22 * (e.u - e.x));
    return { ...e, px: e.x + 0.2 * (e.u - e.x), py: e.y - rise, qx: e.u - 0.2 * (e.u - e.x), qy: e.v - rise };
  }
  const drop = Math.min(320, 50 + 0.2 * Math.abs(e.u - e.x));
  return { ...e, px: e.x + 20, py: e.y + drop, qx: e.u - 20, qy: e.v + drop };
}

function drawArrow(c, view, arrow, theme) {
  const { x, y, u, v, px, py, qx, qy } = controlsOf(view.plan, arrow);
  const residual = arrow.bundles.every((k) => view.g.bundles[k].kind === "residual");
  c.strokeStyle = c.fillStyle = theme.edges[arrow.parameters ? "parameter" : residual ? "residual" : "free"];
  c.globalAlpha = 0.75;
  c.lineWidth = arrow.parameters ? 0.8 + 0.35 * Math.log10(arrow.parameters) : 1;
  c.setLineDash(arrow.parameters ? [] : [5, 4]);
  c.beginPath();
  c.moveTo(x, y);
  c.bezierCurveTo(px, py, qx, qy, u, v);
  c.stroke();
  c.setLineDash([]);
  const angle = Math.atan2(v - qy, u - qx), size = 5 + c.lineWidth;
  c.beginPath();
  c.moveTo(u, v);
  for (const turn of [2.7, -2.7]) c.lineTo(u + size * Math.cos(angle + turn), v + size * Math.sin(angle + turn));
  c.fill();
  c.globalAlpha = 1;
}
