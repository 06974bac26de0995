// Single edges: drawn slice by slice into a bitmap, which moves with the hand until it is redrawn.

const LEVELS = 6, PIECE = 1500;

function classOf(g, edge) {
  if (g.changes) return changedClass(g, edge);
  const e = g.edges;
  if (e.hasValue[edge]) return signOf(e.value[edge]);
  const bundle = g.bundles[e.bundle[edge]];
  if (bundle.slot >= 0) return g.slots[bundle.slot].trainable ? "parameter" : "buffer";
  return bundle.kind === "residual" ? "residual" : "free";
}

function levelOf(g, edge) {
  if (g.changes) return changedLevel(g, edge);
  if (!g.edges.hasValue[edge]) return 2;
  return levelAt(g.edges.value[edge] / g.reference);
}

function signOf(value) { return !Number.isFinite(value) ? "not-finite" : value < 0 ? "negative" : "positive"; }

// Of a share of the reference; what is not a number should not be missed.
function levelAt(share) { return Number.isFinite(share) ? Math.min(LEVELS - 1, Math.round(Math.abs(share) * (LEVELS - 1))) : LEVELS - 1; }

// Edges by their look, weak ones first, in pieces: [{cls, level, list}]. Pieces of one level take
// turns, so that no class covers the others.
function piecesOf(g) {
  const found = new Map();
  for (let k = 0; k < g.edges.size; k++) {
    const key = levelOf(g, k) + classOf(g, k);
    if (!found.has(key)) found.set(key, { cls: classOf(g, k), level: levelOf(g, k), list: [] });
    found.get(key).list.push(k);
  }
  const out = [];
  for (const { cls, level, list } of found.values()) {
    const size = Math.min(PIECE, Math.max(40, Math.ceil(list.length / 8)));
    for (let at = 0; at < list.length; at += size) out.push({ cls, level, turn: at / list.length, list: Int32Array.from(list.slice(at, at + size)) });
  }
  return out.sort((p, q) => p.level - q.level || p.turn - q.turn);
}

function isShown(view, edge) {
  const { g, plan } = view, e = g.edges;
  if (!plan.on[e.src[edge]] || !plan.on[e.dst[edge]]) return false;
  return !e.hasValue[edge] || !(Math.abs(e.value[edge]) < view.least);
}

function traceEdge(c, plan, a, b) {
  const x = plan.x[a], y = plan.y[a], u = plan.x[b], v = plan.y[b];
  c.moveTo(x, y);
  const p = plan.itemOf[plan.groupOf[a]], q = plan.itemOf[plan.groupOf[b]];
  const { goal } = p === q || plan.items[q].column - plan.items[p].column !== 1 ? plan.between.get(p * plan.items.length + q) : {};
  if (goal === undefined) return c.lineTo(u, v);
  const bend = bendTo(y, v, goal), back = plan.items[q].column <= plan.items[p].column;
  const reach = back ? 40 : Math.min(36, 0.2 * (u - x));
  c.bezierCurveTo(x + reach, bend, u - reach, bend, u, v);
}

class EdgeLayer {
  constructor(view, canvas) {
    this.view = view;
    this.canvas = canvas;
    this.front = document.createElement("canvas");
    this.back = document.createElement("canvas");
    this.pieces = piecesOf(view.g);
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

  begin(task, sync = false) {
    const { view } = this, camera = { ...view.camera };
    const ratio = fitCanvas(this.back, view.stage);
    const c = worldContext(this.back, camera, ratio);
    const colour = colours(view.g).edges, dense = this.density(camera.k);
    let at = 0;
    const step = () => {
      const until = sync ? Infinity : performance.now() + 7;
      while (at < this.pieces.length) {
        this.drawPiece(c, this.pieces[at++], colour, dense, camera.k);
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

  // At once: a printer does not wait.
  drawNow() {
    if (this.task) { clearTimeout(this.task.timer); cancelAnimationFrame(this.task.frame); }
    this.task = { timer: 0, frame: 0 };
    this.begin(this.task, true);
  }

  // Where many edges lie over each other, weak ones are thin and pale. From near there are fewer.
  density(zoom) {
    const { plan, stage } = this.view, whole = Math.min(stage.clientWidth / plan.bounds.w, stage.clientHeight / plan.bounds.h);
    const felt = this.view.countShown() * Math.min(1, whole / zoom);
    return Math.max(0.1, Math.min(1, Math.sqrt(1500 / Math.max(1, felt))));
  }

  drawPiece(c, { cls, level, list }, colour, dense, zoom) {
    const { view } = this, { src, dst } = view.g.edges;
    let some = false;
    c.beginPath();
    for (const k of list) if (isShown(view, k)) { traceEdge(c, view.plan, src[k], dst[k]); some = true; }
    if (some) strokeEdges(c, cls, level, colour, dense, zoom);
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

const VALUED = new Set(["positive", "negative", "not-finite", "added", "removed", "resized", "rewired", "no-number"]);
const DASHES = { "not-finite": [2, 2], residual: [6, 4], free: [3, 3], removed: [6, 3], "no-number": [2, 3] };

function strokeEdges(c, cls, level, colour, dense, zoom) {
  const share = level / (LEVELS - 1), valued = VALUED.has(cls);
  c.strokeStyle = colour[cls];
  c.globalAlpha = (valued ? 0.22 + 0.73 * share : 0.6) * dense ** (1.6 - 1.4 * share);
  c.lineWidth = Math.max(0.6 / zoom, (0.2 + 0.8 * dense) * (valued ? 0.5 + 2.3 * share : 0.9));
  c.setLineDash(DASHES[cls] ?? []);
  c.stroke();
  c.globalAlpha = 1;
  c.setLineDash([]);
}
