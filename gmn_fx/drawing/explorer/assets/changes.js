// A comparison: what became of every part between two graphs. The other scripts ask here where the
// graph has changes; pages of one graph go without this file.

const ALONE = new Set(["added", "removed", "resized"]), MOST_CHANGES = 500, MOST_LIT = 400, MINUS = "\u2212";
const CHANGED_LINES = { positive: `b ${MINUS} a above 0`, negative: `b ${MINUS} a below 0` };

function readChanges(g) {
  const { changes, edges: e } = g;
  for (const name of ["before", "after"]) e[name] = unpack(changes[name]);
  g.slots.forEach((slot, k) => { slot.change = changes.slots[k]; slot.change.place = Infinity; });
  changes.rows.forEach((k, place) => { changes.slots[k].place = place; });
  g.groups.forEach((group, k) => { group.change = changes.groups[k]; group.into = new Set(); });
  g.bundles.forEach((bundle, k) => { bundle.change = changes.bundles[k]; });
  for (const [, dst, bundle] of g.links) if (g.bundles[bundle].slot >= 0) g.groups[dst].into.add(g.bundles[bundle].slot);
  // Values of one graph alone would make all differences look small.
  const top = (alone) => magnitudeAt(magnitudesWhere(g, (k) => isAlone(g, k) === alone && e.value[k] !== 0), 0.98) || 1;
  g.references = { alone: top(true), both: top(false) };
}

// ---- single edges

function isAlone(g, edge) { return ALONE.has(g.bundles[g.edges.bundle[edge]].change.state); }

function changedClass(g, edge) {
  const e = g.edges, { change } = g.bundles[e.bundle[edge]], value = e.value[edge];
  if (ALONE.has(change.state)) return change.state;
  if (e.hasValue[edge] && value !== 0) return signOf(value);
  const key = keyOf(g, change);
  return key === "rewired" || key === "no-number" ? key : "same";
}

function changedLevel(g, edge) {
  if (changedClass(g, edge) === "same") return 0;
  const e = g.edges;
  if (!e.hasValue[edge] || e.value[edge] === 0) return 1;
  // The smallest difference is stronger than none.
  return Math.max(1, levelAt(e.value[edge] / (isAlone(g, edge) ? g.references.alone : g.references.both)));
}

function changedText(g, edge) {
  const e = g.edges, { change } = g.bundles[e.bundle[edge]], name = parameterOf(g, edge);
  const [a, b, d] = [e.before, e.after, e.value].map((column) => shortNumber(column[edge]));
  if (ALONE.has(change.state)) {
    const value = e.hasValue[edge] ? ` = ${change.state === "removed" ? a : b}` : "";
    return `${name}${value}, ${change.state === "resized" ? "other size" : change.said}`;
  }
  if (!e.hasValue[edge]) return change.said ? `${name}: ${change.said}` : name;
  return e.value[edge] === 0 ? `${name} = ${b}, unchanged` : `${name}: a = ${a}, b = ${b}, b ${MINUS} a = ${d}`;
}

function mostChanged(g, edges) { return [...edges].sort(byStrength(g)).slice(0, MOST_LIT); }

// Of one parameter, what differs most; its name is said once.
function changedEdges(g, edges) {
  const slot = g.slots[g.bundles[g.edges.bundle[edges[0]]].slot], short = (text) => (text.startsWith(`${slot.name}[`) ? text.slice(slot.name.length) : text);
  const which = slot.change.look ? `the ${MOST_LIT} that differ most` : `${MOST_LIT}`, cut = edges.length === MOST_LIT ? `lit: of its edges in this file, ${which}` : "";
  return [slotText(slot), cut, ...edges.slice(0, LISTED).map((k) => short(changedText(g, k)))].filter(Boolean);
}

// ---- boxes, neurons, arrows

function keyOf(g, change) { return g.changes.looks[change?.look ?? 0].key; }

function strongestOf(changes) {
  return changes.reduce((most, c) => ((c.look ?? 0) > (most?.look ?? 0) ? c : most), null);
}

// What became of a box: {look, whole, said, slots}. whole: of all that is in it. slots: those that
// changed, the most changed first.
function changeOf(g, item) {
  if (item.change !== undefined) return item.change;
  const groups = item.groups.map((k) => g.groups[k]), inner = [...new Set(item.inner.bundles)].map((k) => g.bundles[k].change);
  const strongest = strongestOf([...groups.map((x) => x.change), ...inner]);
  const all = new Set(groups.flatMap((x) => [...x.into]));
  const slots = [...all].filter((k) => g.slots[k].change.look).sort((p, q) => g.slots[p].change.place - g.slots[q].change.place);
  const whole = strongest !== null && groups.every((x) => x.change.look === strongest.look);
  item.change = strongest && { look: strongest.look, whole, slots, said: saidOfBox(g, item, strongest, whole, slots, all.size) };
  return item.change;
}

function saidOfBox(g, item, strongest, whole, slots, all) {
  const own = item.type === "module" ? null : g.groups[item.first].change;
  if (own && own.look === strongest.look) return own.said;
  if (!slots.length || (whole && ALONE.has(keyOf(g, strongest)))) return g.changes.looks[strongest.look].legend;
  const most = g.slots[slots[0]].change.said;
  return `${slots.length}/${all} changed${most.startsWith("\u0394") ? `, most ${most}` : ""}`;
}

function paintChanged(c, g, item, theme) {
  const change = changeOf(g, item), look = g.changes.looks[change?.look ?? 0], colour = theme.edges[look.key];
  c.fillStyle = theme.paper;
  c.fill();
  c.globalAlpha = change ? 0.2 : 0.12;
  c.fillStyle = colour;
  c.fill();
  c.globalAlpha = 1;
  c.strokeStyle = colour;
  c.lineWidth = change ? 2.4 : 1.2;
  c.setLineDash((change?.whole && DASHES[look.key]) || []);
  c.stroke();
  c.setLineDash([]);
}

// Where there is little room, the number says most.
function briefSaid({ said }, room) {
  const text = said.length <= room ? said : said.split(", ").pop();
  return text.length <= room ? text : `${text.slice(0, room - 1)}\u2026`;
}

// Two lines that can be read from further away than a box of one graph.
function writeChanged(c, g, item, theme, size) {
  const high = Math.min(20, size), middle = item.x + item.w / 2, room = Math.floor((item.w - 10) / (0.58 * high));
  write(c, tailOf(item.label, room), middle, item.y + 15, high, theme.ink, { bold: true });
  write(c, briefSaid(changeOf(g, item), room + 2), middle, item.y + 36, high, theme.ink);
}

function changedCaption(g, item, size) {
  const change = changeOf(g, item);
  return change && size <= CAPTION - 2 ? `  ${briefSaid(change, 16)}` : "";
}

function changedNode(g, theme, group) { return [theme.paper, theme.edges[keyOf(g, group.change)]]; }

function changedArrow(g, arrow) {
  arrow.look ??= strongestOf(arrow.bundles.map((k) => g.bundles[k].change))?.look ?? 0;
  return g.changes.looks[arrow.look];
}

// What changed lies over what did not.
function palestFirst(g, arrows) {
  for (const arrow of arrows) changedArrow(g, arrow);
  return [...arrows].sort((p, q) => p.look - q.look);
}

// ---- words

function changeLines(g, item) {
  const change = changeOf(g, item), { notes = [] } = item.type === "module" ? {} : g.groups[item.first].change;
  if (!change) return [g.changes.looks[0].legend];
  const more = change.slots.length - LISTED;
  return [[change.said, ...notes.filter((n) => !change.said.includes(n))].join("; "), ...change.slots.slice(0, LISTED).map((k) => slotText(g.slots[k])), more > 0 ? `and ${more} more` : ""];
}

function frameLines(g, module) { return changeLines(g, { type: "module", groups: insideOf(module), inner: { bundles: [] } }); }

function bundleLine(g, bundle) {
  const slot = g.slots[bundle.slot], name = slot ? slot.name : `${bundle.kind} of ${bundle.op}`;
  return `${name}: ${bundle.change.about ?? g.changes.looks[0].legend}`;
}

// Names that only the other graph has.
function otherNames(g) {
  const slots = g.slots.map((slot, k) => ({ kind: `${slot.trainable ? "parameter" : "buffer"} in b`, name: slot.change.other, slot: k }));
  const groups = g.groups.filter((x) => x.size && !x.helper).map((group) => ({ kind: `${group.kind} in b`, name: group.change.other, group }));
  return [...slots, ...groups].filter((entry) => entry.name);
}

function changedLegend(g, theme) {
  const seen = new Set([...g.groups.filter((x) => x.size), ...g.bundles].map((x) => x.change.look ?? 0));
  return g.changes.looks.map((look, k) => [look, k]).filter(([, k]) => seen.has(k)).map(([look, k]) => legendLine(look.legend, (c) => {
    roundBox(c, 2, 2, 20, 12, 3);
    paintChanged(c, g, { change: k ? { look: k, whole: true } : null }, theme);
  }));
}

// ---- the panel

function showChanges(view) {
  const { g } = view, section = document.createElement("section"), said = document.createElement("p"), table = document.createElement("ul");
  section.id = "changes";
  said.textContent = g.changes.summary;
  table.id = "table";
  table.setAttribute("aria-label", "Parameters that differ, the most changed first");
  section.append(said, table);
  document.querySelector("header").after(section);
  document.querySelector("label[for=slider]").firstChild.textContent = `|b ${MINUS} a| at least `;
  table.addEventListener("keydown", (event) => stepThrough(event, table.querySelector("button"), table));
  fillTable(view, table);
  darkScreen.addEventListener("change", () => { fillTree(view); fillTable(view, table); });
}

function fillTable(view, table) {
  const { g } = view, { rows } = g.changes;
  table.replaceChildren(...rows.slice(0, MOST_CHANGES).map((k) => tableLine(view, k)));
  if (rows.length > MOST_CHANGES) table.append(remark(`and ${rows.length - MOST_CHANGES} more`));
}

function tableLine(view, k) {
  const { g } = view, slot = g.slots[k], { change } = slot, line = document.createElement("li");
  const button = document.createElement("button"), name = document.createElement("span"), said = document.createElement("span");
  button.type = "button";
  button.title = [slot.name, change.other && `named ${change.other} in b`, change.said, change.about, ...(change.notes ?? [])].filter(Boolean).join("\n").slice(0, 2000);
  button.disabled = !g.bundles.some((bundle) => bundle.slot === k);
  button.addEventListener("click", () => goTo(view, { slot: k }));
  // A name that is too long for the line is broken behind a dot.
  for (const part of tailOf(slot.name, 100).split(/(?<=\.)/).slice(-40)) name.append(part, document.createElement("wbr"));
  said.textContent = change.said;
  button.append(changeMark(g, change), name, said);
  line.append(button);
  return line;
}

function changeMark(g, change) {
  const mark = document.createElement("i");
  mark.style.background = colours(g).edges[keyOf(g, change)];
  return mark;
}
