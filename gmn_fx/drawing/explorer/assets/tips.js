// What a tooltip says.

const LISTED = 12;

function tipOf(view, found) {
  if (found.type === "node") return nodeTip(view, found.node);
  if (found.type === "edge") return edgeTip(view, found.edge);
  if (found.type === "edges") return (view.g.changes ? changedEdges(view.g, found.edges) : found.edges.slice(0, LISTED).map((k) => edgeText(view.g, k))).join("\n");
  if (found.type === "arrow") return arrowTip(view, found.arrow);
  if (found.type === "frame") return [found.frame.module.path, ...(view.g.changes ? frameLines(view.g, found.frame.module) : []), "double-click to close"].filter(Boolean).join("\n");
  const { item } = found, group = view.g.groups[item.first];
  const lines = item.type === "module" ? [item.title, `${plural(item.groups.length, "group")}, ${plural(item.size, "node")}`] : groupLines(group);
  const hint = `double-click to ${item.type === "open" ? "close" : "open"}`;
  return [...lines, ...(view.g.changes ? changeLines(view.g, item) : innerLines(view.g, item)), hint].filter(Boolean).join("\n");
}

// Parameters that no arrow shows because both ends are in the box.
function innerLines(g, { inner }) {
  if (!inner.bundles.length) return [];
  const slots = [...new Set(inner.bundles.map((k) => g.bundles[k].slot))].map((k) => slotText(g.slots[k]));
  const more = slots.length - LISTED;
  return [`${plural(inner.parameters, "parameter")} inside`, ...slots.slice(0, LISTED), more > 0 ? `and ${more} more` : ""];
}

function slotText(slot) { return `${slot.name}  ${slot.shape.join("\u00d7") || "1"}${slot.trainable ? "" : ", not trainable"}${slot.change?.said ? `, ${slot.change.said}` : ""}`; }

// Strongest first; what is not a number should not be missed.
function byStrength(g) {
  const size = (k) => (!g.edges.hasValue[k] ? -1 : Number.isNaN(g.edges.value[k]) ? Infinity : Math.abs(g.edges.value[k]));
  return (p, q) => (size(p) === size(q) ? p - q : size(q) - size(p));
}

function groupLines(group) {
  return [titleOf(group), `${plural(group.size, group.noun)}${group.op ? `, made by ${group.op}` : ""}`,
    group.depth >= 0 ? `depth ${group.depth}` : "", group.source].filter(Boolean);
}

function nodeTip(view, node) {
  const { g, lit } = view, group = g.groups[g.groupOf[node]];
  const into = lit.edges.filter((k) => g.edges.dst[k] === node), out = lit.edges.filter((k) => g.edges.src[k] === node);
  const orbit = !g.orbits ? "" : lit.orbit.length > 1
    ? `orbit of ${lit.orbit.length.toLocaleString("en")}: may be exchanged with any of them` : "orbit of 1: may be exchanged with no other";
  const strongest = [...into].sort(byStrength(g));
  return [`${group.noun} ${node - group.start} of ${titleOf(group)}`, ...groupLines(group).slice(1), orbit,
    `${plural(into.length, "edge")} in, ${out.length.toLocaleString("en")} out`,
    ...strongest.slice(0, LISTED).map((k) => edgeText(g, k)), into.length > LISTED ? `and ${into.length - LISTED} more` : ""].filter(Boolean).join("\n");
}

function edgeTip(view, edge) {
  const { g } = view, e = g.edges, bundle = g.bundles[e.bundle[edge]];
  const name = (node) => { const x = g.groups[g.groupOf[node]]; return `${titleOf(x)} ${node - x.start}`; };
  const { start, list } = g.bySource, twins = [];
  for (let k = start[e.src[edge]]; k < start[e.src[edge] + 1]; k++) if (e.dst[list[k]] === e.dst[edge] && isShown(view, list[k])) twins.push(list[k]);
  return [...twins.slice(0, LISTED).map((k) => edgeText(g, k)), twins.length > LISTED ? `and ${twins.length - LISTED} more` : "",
    `${bundle.kind}${bundle.op ? ` of ${bundle.op}` : ""}: ${name(e.src[edge])} \u2192 ${name(e.dst[edge])}`,
    g.histories[e.history[edge]] ? `after ${g.histories[e.history[edge]]}` : ""].filter(Boolean).join("\n");
}

function arrowTip(view, arrow) {
  const { g } = view, lines = arrow.bundles.slice(0, LISTED).map((k) => {
    if (g.changes) return bundleLine(g, g.bundles[k]);
    const b = g.bundles[k], slot = g.slots[b.slot];
    return slot ? slotText(slot) : `${b.kind} of ${b.op}`;
  });
  const more = arrow.bundles.length - LISTED;
  return [...lines, more > 0 ? `and ${plural(more, "more bundle")}` : "", `${plural(arrow.edges, "edge")}, ${plural(arrow.parameters, "parameter")}`].filter(Boolean).join("\n");
}
