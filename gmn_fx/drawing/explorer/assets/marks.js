// Everything but single edges, from back to front; called once a frame.

const SMALLEST_DOT = 1.6;

function drawMarks(view) {
  const { g, plan, camera } = view, theme = colours(g);
  const ratio = fitCanvas(view.marksCanvas, view.stage), c = worldContext(view.marksCanvas, camera, ratio);
  const seen = {
    x: -camera.x / camera.k, y: -camera.y / camera.k,
    w: view.stage.clientWidth / camera.k, h: view.stage.clientHeight / camera.k,
  };
  const shown = plan.items.filter((item) => overlap(item, seen));
  for (const frame of plan.frames) if (overlap(frame, seen)) drawFrame(c, frame, theme, camera.k);
  for (const item of shown) if (item.type === "open" && !item.beside) drawOpen(c, item, theme);
  for (const arrow of g.changes ? palestFirst(g, plan.arrows) : plan.arrows) if (!arrow.single && overlap(arrow.box, seen)) drawArrow(c, g, arrow, theme);
  // Edges lie over the frames and under the neurons.
  c.setTransform(1, 0, 0, 1, 0, 0);
  c.drawImage(view.edges.canvas, 0, 0);
  c.setTransform(camera.k * ratio, 0, 0, camera.k * ratio, camera.x * ratio, camera.y * ratio);
  for (const item of shown) {
    if (item.type === "open") drawNodes(c, view, item, theme, seen);
    else drawBox(c, g, item, theme, camera.k);
  }
}

function drawNodes(c, view, item, theme, seen) {
  const { g, plan } = view, group = g.groups[item.first], look = nodeLook(g, theme, group), zoom = view.camera.k;
  const first = Math.max(0, Math.floor((seen.y - item.y - item.top) / plan.pitch) - 1);
  const last = Math.min(rowsOf(g, group) - 1, Math.ceil((seen.y + seen.h - item.y - item.top) / plan.pitch) + 1);
  if (plan.pitch * zoom < SMALLEST_DOT) drawBar(c, item, look);
  else {
    for (let row = first; row <= last; row++) {
      const k = neuronAt(g, group, row);
      if (k >= 0) drawNeuron(c, view, item, group, k, look);
    }
    if (group.size > g.widest) drawEllipsis(c, item, plan, g.ends, theme);
  }
  if (!item.beside) {
    // From far away a caption is larger than its place: then it stands over the bias nodes.
    const size = Math.min(item.topmost && !item.inside.length ? 70 : CAPTION - 2, Math.max(11, 10 / zoom)), high = captionLift(item, size);
    const said = g.changes ? changedCaption(g, item, size) : "";
    write(c, tailOf(item.label, Math.max(14, Math.floor((item.w + 70) / (0.56 * size)))) + said, item.x + item.w / 2, item.y + item.top - 12 - high, size, inkOf(g, item, theme), { rim: theme.paper });
  }
}

function nodeLook(g, theme, group) { return g.changes ? changedNode(g, theme, group) : theme.nodes[group.role]; }

// In a comparison, what did not change is pale.
function inkOf(g, item, theme) { return g.changes && !changeOf(g, item) ? theme.pale : theme.ink; }

function captionLift(item, size) {
  if (size <= CAPTION - 2) return 0;
  return item.above ? item.above + 10 + 0.6 * size : 0.4 * size;
}

function drawNeuron(c, view, item, group, k, look) {
  const { g, plan } = view, theme = colours(g), node = group.start + k, zoom = view.camera.k;
  const radius = item.beside ? 0.8 * plan.radius : plan.radius, x = plan.x[node], y = plan.y[node];
  drawMark(c, radius * zoom < 2.2 ? "plain" : g.palette.marks[group.role], x, y, radius, look);
  if (!group.pinned || plan.pitch * zoom < 9) return;
  const size = Math.min(11, 0.62 * plan.pitch), away = item.w / 2 + 4;
  if (group.kind === "input") write(c, `in ${k}`, x - away, y, size, theme.pale, { align: "right", rim: theme.paper });
  else if (!plan.feeds[item.number]) write(c, `out ${k}`, x + away, y, size, theme.pale, { align: "left", rim: theme.paper });
}

// Many neurons from far away: they would be smaller than a pixel.
function drawBar(c, item, [fill, stroke]) {
  const w = 0.5 * item.w;
  c.fillStyle = fill;
  c.strokeStyle = stroke;
  c.lineWidth = 1.1;
  c.beginPath();
  c.rect(item.x + (item.w - w) / 2, item.y + item.top, w, item.h - item.top);
  c.fill();
  c.stroke();
}

function drawEllipsis(c, item, plan, ends, theme) {
  const y = item.y + item.top + (ends + 1) * plan.pitch;
  c.fillStyle = theme.ink;
  for (const away of [-1, 0, 1]) {
    c.beginPath();
    c.arc(item.x + item.w / 2, y + 0.45 * away * plan.pitch, 0.1 * plan.pitch, 0, 2 * Math.PI);
    c.fill();
  }
}

function arrowKey(g, arrow) {
  if (g.changes) return changedArrow(g, arrow).key;
  const residual = arrow.bundles.every((k) => g.bundles[k].kind === "residual");
  return arrow.parameters ? "parameter" : residual ? "residual" : "free";
}

function drawArrow(c, g, arrow, theme, colour = theme.edges[arrowKey(g, arrow)]) {
  c.strokeStyle = c.fillStyle = colour;
  c.globalAlpha = 0.8;
  c.lineWidth = arrow.parameters ? 0.8 + 0.3 * Math.log10(arrow.parameters) : 1.1;
  c.setLineDash(DASHES[arrowKey(g, arrow)] ?? (arrow.parameters ? [] : [5, 4]));
  const { points } = arrow, [u, v] = points[points.length - 1], [x, y] = points[points.length - 2];
  c.beginPath();
  tracePath(c, arrow.path);
  c.stroke();
  c.setLineDash([]);
  const angle = Math.atan2(v - y, u - x), size = 6 + c.lineWidth;
  c.beginPath();
  c.moveTo(u, v);
  for (const turn of [2.72, -2.72]) c.lineTo(u + size * Math.cos(angle + turn), v + size * Math.sin(angle + turn));
  c.fill();
  c.globalAlpha = 1;
}
