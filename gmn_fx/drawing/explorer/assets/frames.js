// Frames around open modules, a piece for each row, and names without what a frame says already.

function framed(g, opening) {
  const shut = (module) => { for (let at = module; at; at = at.parent) if (opening.closedModules.has(at.path)) return true; return false; };
  return [...opening.tree.nodes.values()].filter((m) => foldable(g, m) && !shut(m));
}

// Notes at every item which frames are around it, and says how many at most.
function depthOf(g, opening, items) {
  const open = new Set(framed(g, opening));
  for (const item of items) {
    item.inside = [];
    if (item.beside) continue;
    // The group that a box shows stands for it; a closed module is not open.
    for (let at = g.groups[item.first].module; at; at = at.parent) if (open.has(at)) item.inside.push(at);
  }
  return Math.max(0, ...items.map((item) => item.inside.length));
}

// Edges of frames between two boxes of a column, at most.
function framesBetween(p, q) {
  const alone = (a, b) => a.inside.filter((m) => !b.inside.includes(m)).length;
  return Math.max(alone(p, q), alone(q, p));
}

function framesOf(g, opening, plan) {
  const out = [];
  for (const item of plan.items) item.label = item.title;
  const shallow = framed(g, opening).sort((p, q) => levelOfModule(q) - levelOfModule(p));
  for (const module of shallow) {
    const numbers = new Set(insideOf(module).map((k) => plan.itemOf[k]).filter((k) => k >= 0));
    const inside = [...numbers].map((k) => plan.items[k]);
    // What stands beside belongs to the layer that it feeds, wherever that is.
    const main = inside.filter((item) => !item.beside);
    if (main.length < 2) continue;
    for (const row of plan.rows) {
      const here = main.filter((item) => item.row === row.number);
      if (!here.length) continue;
      const nested = out.filter((f) => f.row === row.number && isInside(f.module, module));
      const arcs = plan.arrows.filter((a) => a.arc === row.number && numbers.has(a.a) && numbers.has(a.b));
      const box = joined([...here, ...nested, ...arcs.map((a) => ({ x: here[0].x, y: a.goal - 2, w: 0, h: 0 }))]);
      const frame = { module, row: row.number, x: box.x - 8, y: box.y - 20, w: box.w + 16, h: box.h + 28 };
      const strange = row.items.some((item) => !numbers.has(item.number) && !item.beside && overlap(item, frame));
      if (strange) continue;
      out.push(frame);
      for (const item of here) if (item.label === item.title) item.label = shortLabel(g, item, module);
    }
  }
  tellApart(g, plan.items.filter((item) => item.type !== "module" && !item.beside));
  return out.reverse();
}

// `conv2d 0` says more than `0`; several groups of one module are told apart by what made them.
function tellApart(g, items) {
  const times = new Map();
  for (const { title } of items) times.set(title, 1 + (times.get(title) ?? 0));
  for (const item of items) {
    const { op } = g.groups[item.first];
    if (/^\d+$/.test(item.label)) item.label = `${op} ${item.label}`;
    else if (times.get(item.title) > 1 && !item.label.includes(op)) item.label += ` ${op}`;
  }
}

function levelOfModule(module) { return module.parent ? 1 + levelOfModule(module.parent) : 0; }

function isInside(module, other) {
  for (let at = module.parent; at; at = at.parent) if (at === other) return true;
  return false;
}

function overlap(a, b) { return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h; }

function shortLabel(g, item, module) {
  if (item.title === module.path) return g.groups[item.first].op || item.title;
  return item.title.startsWith(`${module.path}.`) ? item.title.slice(module.path.length + 1) : item.title;
}
