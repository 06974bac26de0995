// What is open: modules and groups fold into boxes, open groups show their neurons.

const FEW_NODES = 400, FEW_GROUPS = 60, FEW_BOXES = 40;

function makeTree(g) {
  const root = { path: "", name: "", parent: null, children: new Map(), groups: [] };
  const nodes = new Map([["", root]]);
  for (const group of g.groups) {
    if (!group.size) continue;
    let at = root;
    for (const part of group.path) {
      if (!at.children.has(part)) {
        const path = at.path ? `${at.path}.${part}` : part;
        const made = { path, name: part, parent: at, children: new Map(), groups: [] };
        at.children.set(part, made);
        nodes.set(path, made);
      }
      at = at.children.get(part);
    }
    at.groups.push(group.index);
    group.module = at;
  }
  return { root, nodes };
}

function insideOf(module) {
  const out = [...module.groups];
  for (const child of module.children.values()) out.push(...insideOf(child));
  return out;
}

// A module is worth a box of its own if it holds more than one layer.
function foldable(g, module) {
  if (!module.parent) return false;
  return insideOf(module).filter((k) => !g.groups[k].helper).length > 1;
}

class Opening {
  constructor(g, tree) {
    this.g = g;
    this.tree = tree;
    this.closedModules = new Set();
    this.closedGroups = new Set();
  }

  start(how) {
    const shown = this.g.groups.filter((x) => x.size);
    const few = shown.reduce((sum, x) => sum + x.size, 0) <= FEW_NODES;
    if (how === "open" || (how === "auto" && few)) return this.expandAll();
    this.collapseAll();
    if (how === "auto" && shown.length <= FEW_GROUPS) return this.closedModules.clear();
    // Open level after level while the boxes stay few.
    for (let level = 1; level < 16; level++) {
      const opened = [...this.closedModules].filter((p) => p.split(".").length === level);
      opened.forEach((p) => this.closedModules.delete(p));
      if (this.items().length > FEW_BOXES) return opened.forEach((p) => this.closedModules.add(p));
    }
  }

  expandAll() { this.closedModules.clear(); this.closedGroups.clear(); }

  collapseAll() {
    for (const module of this.tree.nodes.values()) if (foldable(this.g, module)) this.closedModules.add(module.path);
    for (const group of this.g.groups) if (group.size > 1) this.closedGroups.add(group.index);
  }

  toggleModule(path) { if (!this.closedModules.delete(path)) this.closedModules.add(path); }

  toggleGroup(index) { if (!this.closedGroups.delete(index)) this.closedGroups.add(index); }

  // Open whatever hides the group, and the group itself.
  reveal(index) {
    for (let at = this.g.groups[index].module; at; at = at.parent) this.closedModules.delete(at.path);
    this.closedGroups.delete(index);
  }

  closedAbove(group) {
    let found = null;
    for (let at = group.module; at && at.parent; at = at.parent) if (this.closedModules.has(at.path)) found = at;
    return found;
  }

  items() {
    const out = new Map();
    for (const group of this.g.groups) {
      if (!group.size) continue;
      const module = this.closedAbove(group);
      const key = module ? `m:${module.path}` : `g:${group.index}`;
      if (!out.has(key)) {
        const type = module ? "module" : this.closedGroups.has(group.index) ? "group" : "open";
        out.set(key, { key, type, module, groups: [], first: group.index });
      }
      out.get(key).groups.push(group.index);
    }
    return [...out.values()];
  }
}
