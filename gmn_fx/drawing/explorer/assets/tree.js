// The side panel: modules and groups as a list that opens and closes them, legend, remarks.

const MOST_LINES = 2000;

function fillTree(view) {
  const nav = document.getElementById("tree"), lines = [];
  const mark = (inside) => {
    const most = view.g.changes && strongestOf(inside.map((k) => view.g.groups[k].change));
    if (most) lines[lines.length - 1].append(changeMark(view.g, most));
  };
  const visit = (module, depth) => {
    for (const child of module.children.values()) {
      if (foldable(view.g, child)) {
        const open = !view.opening.closedModules.has(child.path), inside = insideOf(child);
        lines.push(treeLine(depth, open ? "\u2212" : "+", child.name, `${inside.length}`, () => view.toggleModule(child.path), child.path, open));
        mark(inside);
        if (open) visit(child, depth + 1);
      } else visit(child, depth);
    }
    for (const index of module.groups) {
      const group = view.g.groups[index];
      if (group.helper) continue;
      const open = !view.opening.closedGroups.has(index), name = group.name === module.path && foldable(view.g, module) ? group.op || titleOf(group) : titleOf(group).split(".").pop();
      lines.push(treeLine(depth, open ? "\u2212" : "+", name, group.size.toLocaleString("en"), () => view.toggleGroup(index), titleOf(group), open));
      mark([index]);
    }
  };
  visit(view.tree.root, 0);
  const top = nav.scrollTop;
  nav.replaceChildren(...lines.slice(0, MOST_LINES));
  nav.scrollTop = top;
}

function treeLine(depth, sign, name, count, act, title, open) {
  const button = document.createElement("button"), small = document.createElement("span");
  button.type = "button";
  button.style.paddingLeft = `${5 + 13 * Math.min(depth, 10)}px`;
  button.title = title.slice(0, 2000);
  button.setAttribute("aria-expanded", String(open));
  button.append(`${sign} ${shorten(name, 80)} `);
  small.className = "count";
  small.textContent = count;
  button.append(small);
  button.addEventListener("click", act);
  return button;
}

const LINES = {
  positive: "positive", negative: "negative", "not-finite": "nan or inf", parameter: "parameters",
  buffer: "not trainable", residual: "residual", free: "no parameters",
};

function fillLegend(view) {
  const { g } = view, theme = colours(g), list = document.getElementById("legend"), entries = [];
  const roles = new Set(g.groups.filter((x) => x.size).map((x) => x.role));
  for (const role of Object.keys(theme.nodes)) {
    if (roles.has(role)) entries.push(legendLine(g.palette.words[role] ?? role, (c) => drawMark(c, g.palette.marks[role], 12, 8, 5.5, g.changes ? [theme.paper, theme.pale] : theme.nodes[role])));
  }
  const classes = new Set(view.edges.pieces.map((p) => p.cls));
  const words = g.changes ? CHANGED_LINES : LINES;
  for (const cls of Object.keys(words)) {
    if (!classes.has(cls)) continue;
    entries.push(legendLine(words[cls], (c) => { c.beginPath(); c.moveTo(2, 8); c.lineTo(22, 8); strokeEdges(c, cls, 4, theme.edges, 1, 1); }));
  }
  if (g.orbits) entries.push(legendLine("orbit of the neuron under the pointer", (c) => ring(c, 12, 8, theme.nodes.statistic[1], 2, 5.5)));
  if (g.changes) entries.unshift(...changedLegend(g, theme));
  list.replaceChildren(...entries);
}

function legendLine(text, draw) {
  const line = document.createElement("li"), canvas = document.createElement("canvas");
  canvas.width = 48;
  canvas.height = 32;
  const c = canvas.getContext("2d");
  c.scale(2, 2);
  draw(c);
  line.append(canvas, text);
  return line;
}
