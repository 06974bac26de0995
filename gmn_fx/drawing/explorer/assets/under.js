// What is under the pointer: a neuron, a box, an edge, an arrow or the name of a frame.

function findUnder(view, x, y) {
  const { plan, camera } = view, near = 4 / camera.k;
  const item = plan.items.find((i) => x >= i.x - near && x <= i.x + i.w + near && y >= i.y - near && y <= i.y + i.h + near);
  if (item) return inItem(view, item, y);
  const edge = edgeUnder(view, x, y, near);
  if (edge >= 0) return { type: "edge", edge };
  const arrow = arrowUnder(plan, x, y, 6 / camera.k);
  if (arrow) return { type: "arrow", arrow };
  const frame = [...plan.frames].reverse().find((f) => x > f.x && x < f.x + f.w && y > f.y && y < f.y + 20);
  return frame ? { type: "frame", frame } : null;
}

function inItem(view, item, y) {
  const { g, plan } = view, group = g.groups[item.first];
  if (item.type !== "open") return { type: "item", item };
  const row = Math.floor((y - item.y - item.top) / plan.pitch);
  const k = row < 0 || row >= rowsOf(g, group) ? -1 : neuronAt(g, group, row);
  return k < 0 ? { type: "item", item } : { type: "node", node: group.start + k, item };
}

// The nearest straight edge; curved ones are found by their neurons.
function edgeUnder(view, x, y, near) {
  const { plan } = view, { src, dst, size } = view.g.edges, px = plan.x, py = plan.y, on = plan.on;
  let best = -1, least = near * near;
  for (let k = 0; k < size; k++) {
    const a = src[k], b = dst[k], ax = px[a], bx = px[b];
    if (x < ax || x > bx || !on[a] || !on[b] || ax === bx) continue;
    const ay = py[a], slope = (py[b] - ay) / (bx - ax), away = y - ay - slope * (x - ax);
    const square = (away * away) / (1 + slope * slope);
    if (square < least && isStraight(plan, a, b) && isShown(view, k)) { least = square; best = k; }
  }
  return best;
}

function isStraight(plan, a, b) {
  const p = plan.itemOf[plan.groupOf[a]], q = plan.itemOf[plan.groupOf[b]];
  return plan.between.get(p * plan.items.length + q).goal === undefined;
}

function arrowUnder(plan, x, y, near) {
  return plan.arrows.find(({ single, box, points }) => {
    if (single || x < box.x - near || x > box.x + box.w + near || y < box.y - near || y > box.y + box.h + near) return false;
    return points.some((p, k) => k && toSegment(x, y, points[k - 1], p) < near);
  });
}

function toSegment(x, y, [ax, ay], [bx, by]) {
  const dx = bx - ax, dy = by - ay, square = dx * dx + dy * dy;
  const t = square ? Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / square)) : 0;
  return Math.hypot(x - ax - t * dx, y - ay - t * dy);
}
