// Single edges: drawn slice by slice into a bitmap, which moves with the hand until it is redrawn.

const LEVELS = 6, SLICE = 4000;

function classOf(g, edge) {
  const e = g.edges;
  if (e.hasValue[edge]) return !Number.isFinite(e.value[edge]) ? "not-finite" : e.value[edge] < 0 ? "negative" : "positive";
  const bundle = g.bundles[e.bundle[edge]];
  if (bundle.slot >= 0) return g.slots[bundle.slot].trainable ? "parameter" : "buffer";
  return bundle.kind === "residual" ? "residual" : "free";
}

function levelOf(g, edge) {
  if (!g.edges.hasValue[edge]) return 2;
  const share = Math.abs(g.edges.value[edge]) / g.reference;
  return Number.isFinite(share) ? Math.min(LEVELS - 1, Math.round(share * (LEVELS - 1))) : LEVELS - 1;
}

// Edges in the order of their look, weak ones first: [{cls, level, list}].
function bucketsOf(g) {
  const found = new Map();
  for (let k = 0; k < g.edges.size; k++) {
    const key = levelOf(g, k) + classOf(g, k);
    if (!found.has(key)) found.set(key, { cls: classOf(g, k), level: levelOf(g, k), list: [] });
    found.get(key).list.push(k);
  }
  return [...found.values()].sort((p, q) => p.level - q.level)
    .map((b) => ({ ...b, list: Int32Array.from(b.list) }));
}

function isShown(view, edge) {
  const { g, plan } = view, e = g.edges;
  if (!plan.on[e.src[edge]] || !plan.on[e.dst[edge]]) return false;
  return !e.hasValue[edge] || !(Math.abs(e.value[edge]) < view.least);
}

function traceEdge(c, plan, a, b) {
  const x = plan.x[a], y = plan.y[a], u = plan.x[b], v = plan.y[b];
  c.moveTo(x, y);
  if (a === b) return c.bezierCurveTo(x - 22, y - 22, x + 22, y - 22, u, v);
  const p = plan.itemOf[plan.groupOf[a]], q = plan.itemOf[plan.groupOf[b]];
  const steps = plan.items[q].rank - plan.items[p].rank;
  if (steps === 1) return c.lineTo(u, v);
  const bend = bendOf(plan, x, y, u, v, steps);
  c.bezierCurveTo(x + bend.reach, y + bend.rise, u - bend.reach, v + bend.rise, u, v);
}

function bendOf(plan, x, y, u, v, steps) {
  if (steps === 0) return { reach: 60, rise: 0 };
  return { reach: 0.25 * (u - x), rise: (steps > 1 ? -1 : 1) * Math.min(260, 30 + 0.28 * Math.abs(u - x)) };
}

class EdgeLayer {
  constructor(view, canvas) {
    this.view = view;
    this.canvas = canvas;
    this.front = document.createElement("canvas");
    this.back = document.createElement("canvas");
    this.buckets = bucketsOf(view.g);
    this.drawnAt = null;
    this.task = null;
    this.shown = 0;
  }

  // Start over; what was drawn stays until the new bitmap is whole.
  invalidate(wait) {
    if (this.task) { clearTimeout(this.task.timer); cancelAnimationFrame(this.task.frame); }
    const task = { timer: 0, frame: 0 };
    this.task = task;
    task.timer = setTimeout(() => this.begin(task), wait);
  }

  begin(task) {
    const { view } = this, camera = { ...view.camera };
    const ratio = fitCanvas(this.back, view.stage);
    const c = worldContext(this.back, camera, ratio);
    const colour = colours(view.g).edges, dense = Math.max(0.3, Math.min(1, Math.sqrt(1500 / Math.max(1, view.countShown()))));
    let bucket = 0, at = 0;
    const step = () => {
      const until = performance.now() + 7;
      while (bucket < this.buckets.length) {
        const { cls, level, list } = this.buckets[bucket], end = Math.min(list.length, at + SLICE);
        c.beginPath();
        for (; at < end; at++) if (isShown(view, list[at])) traceEdge(c, view.plan, view.g.edges.src[list[at]], view.g.edges.dst[list[at]]);
        strokeBucket(c, cls, level, colour, dense, camera.k);
        if (at >= list.length) { bucket++; at = 0; }
        if (performance.now() > until) { task.frame = requestAnimationFrame(step); return; }
      }
      [this.front, this.back] = [this.back, this.front];
      this.drawnAt = { camera, ratio };
      this.task = null;
      this.show();
      view.announce("drawn");
    };
    step();
  }

  // The bitmap where the camera is now.
  show() {
    const { camera, stage } = this.view, ratio = fitCanvas(this.canvas, stage), c = this.canvas.getContext("2d");
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (!this.drawnAt) return;
    const was = this.drawnAt.camera, k = camera.k / was.k;
    c.setTransform(k, 0, 0, k, (camera.x - was.x * k) * ratio, (camera.y - was.y * k) * ratio);
    c.drawImage(this.front, 0, 0);
  }
}

function strokeBucket(c, cls, level, colour, dense, zoom) {
  const share = level / (LEVELS - 1), valued = ["positive", "negative", "not-finite"].includes(cls);
  c.strokeStyle = colour[cls];
  c.globalAlpha = valued ? 0.25 + 0.7 * share : 0.6;
  c.lineWidth = Math.max(0.5 / zoom, dense * (valued ? 0.5 + 2.3 * share : 0.9));
  c.setLineDash(valued ? [] : cls === "residual" ? [6, 4] : cls === "free" ? [3, 3] : []);
  c.stroke();
  c.globalAlpha = 1;
  c.setLineDash([]);
}
