// Columns side by side; a long network is broken into rows, as text is into lines.

const COLUMN_GAP = 70, ROW_GAP = 46, FRAME_ROOM = 22, READABLE_AT_ONCE = 0.8, MOST_ROWS = 12;

function placeRows(plan, columns, stage, depth) {
  const widths = columns.map((stack) => Math.max(...stack.map((item) => item.w)));
  const gaps = columns.map((stack) => {
    // A fan between tall layers needs room, or its lines are too steep to tell apart.
    const tall = Math.max(...stack.map((item) => (item.type === "open" ? item.h : 0)));
    return tall ? Math.max(150, Math.min(700, 0.35 * tall)) : COLUMN_GAP;
  });
  const starts = chooseRows(plan, columns, widths, gaps, stage, depth);
  plan.rows = [];
  columns.forEach((stack, c) => {
    if (starts.has(c)) plan.rows.push({ number: plan.rows.length, columns: [], right: 0, items: [] });
    const row = plan.rows[plan.rows.length - 1];
    const x = row.columns.length ? row.right + gaps[c - 1] : 0;
    row.columns.push(c);
    row.right = x + widths[c];
    row.items.push(...stack);
    for (const item of stack) { item.x = x + (widths[c] - item.w) / 2; item.row = row.number; }
  });
  let y = 0;
  for (const row of plan.rows) {
    planArcs(plan, row);
    const top = Math.min(...row.items.map((i) => i.y - FRAME_ROOM * i.inside.length), ...plan.arrows.filter((a) => a.arc === row.number).map((a) => a.goal - FRAME_ROOM * common(plan, a).length));
    const bottom = Math.max(...row.items.map((i) => i.y + i.h), ...plan.arrows.filter((a) => a.dip === row.number).map((a) => a.goal)) + 10 * depth;
    const by = (row.number ? y + ROW_GAP : 0) - top;
    for (const item of row.items) item.y += by;
    for (const arrow of plan.arrows) if (arrow.arc === row.number || arrow.dip === row.number) arrow.goal += by;
    row.top = top + by;
    row.bottom = bottom + by;
    y = row.bottom;
  }
}

// First columns of the rows: as many rows as show the network largest. Lines between neurons are
// never broken.
function chooseRows(plan, columns, widths, gaps, stage, depth) {
  const whole = new Set([0]), room = { w: Math.max(120, stage.w - 100), h: Math.max(120, stage.h - 90) };
  const heights = columns.map((stack) => Math.max(...stack.map((i) => i.y + i.h)) - Math.min(...stack.map((i) => i.y)));
  const spanned = new Set();
  for (const { a, b, single } of plan.arrows) {
    const [p, q] = [plan.items[a].column, plan.items[b].column].sort((x, y) => x - y);
    if (single || plan.items[a].beside) for (let c = p + 1; c <= q; c++) spanned.add(c);
  }
  const scaleOf = (starts) => {
    const sizes = rowSizes(starts, widths, gaps, heights);
    const h = sizes.reduce((sum, s) => sum + s.h + ROW_GAP + 34 * depth + 26, 0);
    return Math.min(1.2, room.w / Math.max(...sizes.map((s) => s.w)), room.h / h);
  };
  let best = whole, most = scaleOf(whole);
  if (most >= READABLE_AT_ONCE) return whole;
  for (let n = 2; n <= Math.min(MOST_ROWS, columns.length); n++) {
    const starts = evenRows(n, widths, gaps, spanned), k = scaleOf(starts);
    if (k > 1.1 * most) { best = starts; most = k; }
  }
  return best;
}

// At most `n` rows, of which the longest is as short as it can be.
function evenRows(n, widths, gaps, spanned) {
  const fill = (most) => {
    const starts = new Set([0]);
    let used = widths[0], candidate = 0;
    for (let c = 1; c < widths.length; c++) {
      if (!spanned.has(c)) candidate = c;
      used += gaps[c - 1] + widths[c];
      if (used <= most || !candidate || starts.has(candidate)) continue;
      starts.add(candidate);
      used = 0;
      for (let k = candidate; k <= c; k++) used += widths[k] + (k > candidate ? gaps[k - 1] : 0);
    }
    return starts;
  };
  let low = Math.max(...widths), high = widths.reduce((sum, w, c) => sum + w + gaps[c], 0);
  for (let k = 0; k < 24; k++) {
    const middle = (low + high) / 2;
    if (fill(middle).size <= n) high = middle; else low = middle;
  }
  return fill(high);
}

function rowSizes(starts, widths, gaps, heights) {
  const out = [];
  widths.forEach((w, c) => {
    if (starts.has(c)) out.push({ w: -gaps[c - 1] || 0, h: 0 });
    const row = out[out.length - 1];
    row.w += w + (c ? gaps[c - 1] : 0);
    row.h = Math.max(row.h, heights[c]);
  });
  return out;
}
