// The page: puts the parts together and tells tests what it shows.

class View {
  constructor(g) {
    this.g = g;
    this.tree = makeTree(g);
    this.opening = new Opening(g, this.tree);
    this.stage = document.getElementById("stage");
    [this.marksCanvas, this.overCanvas] = ["marks", "over"].map((id) => document.getElementById(id));
    this.tip = document.getElementById("tip");
    this.camera = { k: 1, x: 0, y: 0 };
    this.least = 0;
    this.found = null;
    this.lit = lightOf(this, null);
    this.frame = 0;
    this.stale = false;
    this.edges = new EdgeLayer(this, document.createElement("canvas"));
    this.opening.start(g.start);
    this.rebuild();
    startAt(this, this.plan.bounds);
  }

  placeOf(event) {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  worldOf([x, y]) { return [(x - this.camera.x) / this.camera.k, (y - this.camera.y) / this.camera.k]; }

  rebuild() {
    this.plan = layOut(this.g, this.opening, { w: this.stage.clientWidth, h: this.stage.clientHeight });
    this.plan.feeds = this.plan.items.map(() => false);
    for (const arrow of this.plan.arrows) if (arrow.a !== arrow.b) this.plan.feeds[arrow.a] = true;
    this.shown = null;
    this.light(null);
    fillTree(this);
    this.changed(0);
  }

  // The edges have to be drawn anew after `wait` ms; until then their bitmap moves along.
  changed(wait) {
    this.edges.invalidate(wait);
    this.refresh();
  }

  moved() { this.changed(110); }

  refresh() {
    this.stale = true;
    this.refreshOver();
  }

  // What is lit changes with every move of the pointer: nothing else is painted then.
  refreshOver() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      if (this.stale) this.drawAll(); else drawOver(this);
    });
  }

  drawAll() {
    this.stale = false;
    this.edges.show();
    drawMarks(this);
    drawOver(this);
    this.tellCount();
  }

  announce() { this.refresh(); }

  countShown() {
    if (this.shown === null) {
      this.shown = 0;
      for (let k = 0; k < this.g.edges.size; k++) if (isShown(this, k)) this.shown++;
    }
    return this.shown;
  }

  tellCount() {
    const shown = this.countShown().toLocaleString("en");
    document.getElementById("count").textContent = `showing ${shown} of ${this.g.embedded.toLocaleString("en")} edges`;
  }

  setLeast(share) {
    const sorted = sortedMagnitudes(this.g);
    this.least = share <= 0 ? 0 : magnitudeAt(sorted, share);
    this.shown = null;
    document.getElementById("least").textContent = shortNumber(this.least);
    this.light(null);
    this.changed(0);
  }

  look(place) {
    const found = place && findUnder(this, ...this.worldOf(place));
    this.light(found, place);
  }

  light(found, place) {
    this.found = found ?? null;
    this.lit = lightOf(this, this.found);
    this.tip.hidden = !(found && place);
    if (found && place) {
      this.tip.textContent = tipOf(this, found).slice(0, 3000);
      const left = Math.min(place[0] + 14, this.stage.clientWidth - this.tip.offsetWidth - 8);
      const top = Math.min(place[1] + 14, this.stage.clientHeight - this.tip.offsetHeight - 8);
      this.tip.style.left = `${Math.max(4, left)}px`;
      this.tip.style.top = `${Math.max(4, top)}px`;
    }
    this.refreshOver();
  }

  toggleAt(place) {
    const found = findUnder(this, ...this.worldOf(place));
    if (!found) return;
    if (found.frame) return this.toggleModule(found.frame.module.path);
    if (!found.item) return;
    if (found.item.type === "module") return this.toggleModule(found.item.module.path);
    this.toggleGroup(found.item.first);
  }

  // What was opened or closed stays where the eye is.
  keepInPlace(index, change) {
    const before = this.plan.items[this.plan.itemOf[index]], whole = this.seesAll();
    change();
    this.rebuild();
    // Who saw all of it wants to go on seeing all of it, while that can be read.
    if (whole && scaleToFit(this, this.plan.bounds, 1.6) >= READABLE) return this.fit();
    const after = this.plan.items[this.plan.itemOf[index]];
    panBy(this, (before.x + before.w / 2 - after.x - after.w / 2) * this.camera.k, (before.y - after.y) * this.camera.k);
  }

  seesAll() {
    const { k, x, y } = this.camera, { bounds } = this.plan, slack = 2;
    return bounds.x * k + x >= -slack && bounds.y * k + y >= -slack
      && (bounds.x + bounds.w) * k + x <= this.stage.clientWidth + slack && (bounds.y + bounds.h) * k + y <= this.stage.clientHeight + slack;
  }

  toggleModule(path) { this.keepInPlace(insideOf(this.tree.nodes.get(path))[0], () => this.opening.toggleModule(path)); }

  toggleGroup(index) { this.keepInPlace(index, () => this.opening.toggleGroup(index)); }

  fit() { fitTo(this, this.plan.bounds); }

  goToModule(module) {
    for (let at = module.parent; at; at = at.parent) this.opening.closedModules.delete(at.path);
    this.rebuild();
    const items = [...new Set(insideOf(module).map((k) => this.plan.itemOf[k]))].map((k) => this.plan.items[k]);
    fitTo(this, joined(items), 1.2);
    this.light(items.length === 1 ? { type: "item", item: items[0] } : { type: "frame", frame: this.plan.frames.find((f) => f.module === module) ?? joined(items) });
  }

  goToGroup(index) {
    this.opening.reveal(index);
    this.rebuild();
    const item = this.plan.items[this.plan.itemOf[index]];
    fitTo(this, item, 1.2);
    this.light({ type: "item", item });
  }

  goToSlot(slot, at) {
    const edges = edgesOfSlot(this.g, slot, at), links = this.g.links.filter((link) => this.g.bundles[link[2]].slot === slot);
    const ends = [...new Set(links.flatMap(([src, dst]) => [src, dst]))];
    // Without single edges in the file there is nothing to see between open groups.
    for (const k of ends) if (edges.length) this.opening.reveal(k); else this.opening.revealBox(k);
    this.rebuild();
    const items = [...new Set(ends.map((k) => this.plan.items[this.plan.itemOf[k]]))];
    if (!items.length) return;
    fitTo(this, joined(items), 1.2);
    const shown = edges.filter((k) => isShown(this, k)), found = this.g.changes ? mostChanged(this.g, shown) : shown;
    const arrow = this.plan.arrows.find((a) => links.some(([src, dst]) => this.plan.itemOf[src] === a.a && this.plan.itemOf[dst] === a.b));
    if (found.length) this.light({ type: "edges", edges: found }, [12, Infinity]);
    else this.light(arrow ? { type: "arrow", arrow } : { type: "item", item: items[0] }, [12, Infinity]);
  }
}

function start() {
  const g = readGraph();
  document.getElementById("title").textContent = shorten(g.title, 200);
  document.getElementById("name").textContent = shorten(g.title, 60);
  document.getElementById("facts").textContent = g.facts;
  document.getElementById("notes").replaceChildren(...g.notes.map(remark));
  document.getElementById("threshold").hidden = !g.valued;
  const view = new View(g);
  fillLegend(view);
  listenToCamera(view);
  listenToSearch(view);
  listenToPrinter(view);
  if (g.changes) showChanges(view);
  document.getElementById("slider").addEventListener("input", (event) => view.setLeast(event.target.value / 1000));
  document.getElementById("expand").addEventListener("click", () => { view.opening.expandAll(); view.rebuild(); view.fit(); });
  document.getElementById("collapse").addEventListener("click", () => { view.opening.collapseAll(); view.rebuild(); view.fit(); });
  new ResizeObserver(() => view.changed(60)).observe(view.stage);
  darkScreen.addEventListener("change", () => { fillLegend(view); view.changed(0); });
  window.gmnExplorer = Object.freeze({ state: () => stateOf(view), nodeAt: (node) => placeOnPage(view, node) });
}

// For tests and benchmarks; nothing in the page reads it.
function stateOf(view) {
  const { plan, found, lit, camera } = view;
  return {
    camera: { ...camera }, least: view.least, shown: view.countShown(), embedded: view.g.embedded,
    items: plan.items.map(({ type, title, label, x, y, w, h, row, column, change }) => ({ type, title, label, x, y, w, h, row, column, change: change?.said })),
    frames: plan.frames.map((f) => f.module.path), found: found && found.type, edges: [...lit.edges],
    orbit: [...lit.orbit], tip: view.tip.hidden ? "" : view.tip.textContent, drawing: view.edges.task !== null,
  };
}

function placeOnPage(view, node) {
  const box = view.stage.getBoundingClientRect(), { k, x, y } = view.camera;
  return [box.left + view.plan.x[node] * k + x, box.top + view.plan.y[node] * k + y];
}

start();
