// The ways of arrows: straight ahead, over what lies between, or around from row to row.

const LANE = 9;

// Which arrows of a row have to pass over (or, backwards, under) others, and how high.
function planArcs(plan, row) {
  const inside = plan.arrows.filter(({ a, b }) => plan.items[a].row === row.number && plan.items[b].row === row.number);
  const span = ({ a, b }) => Math.abs(plan.items[b].column - plan.items[a].column);
  const taken = [];
  for (const arrow of inside.sort((p, q) => span(p) - span(q))) {
    const p = plan.items[arrow.a], q = plan.items[arrow.b], ahead = q.column > p.column;
    if (ahead && (span(arrow) === 1 || isFree(row, p, q))) continue;
    const low = Math.min(p.column, q.column), high = Math.max(p.column, q.column);
    const lane = taken.filter((t) => t.ahead === ahead && t.low < high && low < t.high).length;
    taken.push({ low, high, ahead });
    const near = row.items.filter((i) => (ahead ? i.column > low && i.column < high : i.column >= low && i.column <= high));
    if (ahead) {
      arrow.arc = row.number;
      // Over the frames that lie between, inside those that are around both ends.
      const frames = common(plan, arrow).length;
      arrow.goal = Math.min(...near.map((i) => i.y - FRAME_ROOM * Math.max(0, i.inside.length - frames))) - 12 - LANE * lane;
    } else {
      arrow.dip = row.number;
      arrow.goal = Math.max(...near.map((i) => i.y + i.h)) + 14 + LANE * lane;
    }
  }
}

// Whether the straight line between two boxes of a row meets no other.
function isFree(row, p, q) {
  const x = p.x + p.w, y = middleOf(p), u = q.x, v = middleOf(q);
  return row.items.every((i) => {
    if (i === p || i === q || i.x + i.w <= x || i.x >= u) return true;
    const at = y + ((i.x + i.w / 2 - x) / (u - x)) * (v - y);
    return at < i.y - 8 || at > i.y + i.h + 8;
  });
}

// Frames around both ends of an arrow.
function common(plan, { a, b }) { return plan.items[a].inside.filter((m) => plan.items[b].inside.includes(m)); }

function middleOf(item) { return item.y + (item.top + item.h) / 2; }

function routeArrows(plan) {
  const lanes = new Map();
  for (const arrow of plan.arrows) {
    const p = plan.items[arrow.a], q = plan.items[arrow.b];
    if (p.row !== q.row) arrow.path = wayAround(plan, p, q, lanes);
    else if (arrow.dip !== undefined) arrow.path = wayBack(arrow, p, q);
    else arrow.path = curve(p.x + p.w, middleOf(p), q.x, middleOf(q), arrow.goal);
    arrow.points = sampled(arrow.path);
    if (arrow.single && p.row === q.row) continue;
    const xs = arrow.points.map(([x]) => x), ys = arrow.points.map(([, y]) => y);
    arrow.box = joined([{ x: Math.min(...xs), y: Math.min(...ys), w: 0, h: 0 }, { x: Math.max(...xs), y: Math.max(...ys), w: 0, h: 0 }]);
  }
}

// A cubic curve; its middle is at the height `goal` if one is given.
function curve(x, y, u, v, goal) {
  if (goal === undefined) return { type: "curve", at: [x, y, x + 0.45 * (u - x), y, u - 0.45 * (u - x), v, u, v] };
  const bend = bendTo(y, v, goal), reach = Math.min(36, 0.2 * Math.abs(u - x));
  return { type: "curve", at: [x, y, x + reach, bend, u - reach, bend, u, v] };
}

// Height of both control points of a cubic whose middle passes at `goal`.
function bendTo(y, v, goal) { return (goal - 0.125 * (y + v)) / 0.75; }

function wayBack(arrow, p, q) {
  const x = p.x + 0.6 * p.w, u = q.x + 0.4 * q.w, y = p.y + p.h, v = q.y + q.h, bend = bendTo(y, v, arrow.goal);
  const reach = p === q ? 26 : 0;
  return { type: "curve", at: [x, y, x + reach, bend, u - reach, bend, u, v] };
}

// Down between the rows, along, and into the box from its left; around rows in between.
function wayAround(plan, p, q, lanes) {
  const from = plan.rows[p.row], to = plan.rows[q.row];
  const lane = (key) => { const n = lanes.get(key) ?? 0; lanes.set(key, n + 1); return n; };
  const last = p.column === from.columns[from.columns.length - 1];
  const below = (row) => { const next = plan.rows[row.number + 1]; return (next ? (row.bottom + next.top) / 2 : row.bottom + ROW_GAP / 2) + 5 * ((lane(`gap ${row.number}`) % 5) - 2); };
  const down = below(from), points = [];
  if (last) {
    const x = from.right + 20 + 8 * p.inside.length + 6 * lane(`right ${p.row}`);
    points.push([p.x + p.w, middleOf(p)], [x, middleOf(p)], [x, down]);
  } else {
    const x = p.x + p.w / 2 + 5 * lane(`under ${p.number}`);
    points.push([x, p.y + p.h], [x, down]);
  }
  const into = q.x - 16 - 8 * q.inside.length - 5 * (lane(`into ${q.number}`) % 5);
  if (q.row !== p.row + 1) {
    const left = -34 - 6 * lane("left"), above = to.number ? below(plan.rows[to.number - 1]) : to.top - ROW_GAP / 2;
    points.push([left, down], [left, above], [into, above]);
  } else points.push([into, down]);
  points.push([into, middleOf(q)], [q.x, middleOf(q)]);
  return { type: "corners", points };
}

function sampled(path) {
  if (path.type === "corners") return path.points;
  const [x, y, px, py, qx, qy, u, v] = path.at, out = [];
  for (let k = 0; k <= 24; k++) {
    const t = k / 24, s = 1 - t, w = [s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t];
    out.push([w[0] * x + w[1] * px + w[2] * qx + w[3] * u, w[0] * y + w[1] * py + w[2] * qy + w[3] * v]);
  }
  return out;
}

function tracePath(c, path) {
  if (path.type === "curve") {
    c.moveTo(path.at[0], path.at[1]);
    c.bezierCurveTo(...path.at.slice(2));
    return;
  }
  const { points } = path;
  c.moveTo(...points[0]);
  for (let k = 1; k + 1 < points.length; k++) {
    const half = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]) / 2;
    c.arcTo(...points[k], ...points[k + 1], Math.min(9, half(points[k - 1], points[k]), half(points[k], points[k + 1])));
  }
  c.lineTo(...points[points.length - 1]);
}
