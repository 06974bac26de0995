// Search for modules, groups and parameters, also for single ones: `fc1.weight[3, 0]`.

const MOST_RESULTS = 60;

function searchIndex(g, tree) {
  const out = [];
  for (const module of tree.nodes.values()) if (module.path) out.push({ kind: "module", name: module.path, module });
  for (const group of g.groups) if (group.size && !group.helper) out.push({ kind: group.kind, name: titleOf(group), group });
  g.slots.forEach((slot, k) => out.push({ kind: slot.trainable ? "parameter" : "buffer", name: slot.name, slot: k }));
  if (g.changes) out.push(...otherNames(g));
  return out.map((entry) => ({ ...entry, lower: entry.name.toLowerCase() }));
}

function findMatches(index, text) {
  const [, name, places] = /^(.*?)(?:\[([\d,\s]*)\]?)?$/.exec(text.trim().toLowerCase());
  if (!name) return [];
  const at = places ? places.split(",").map((p) => p.trim()).filter(Boolean).map(Number) : null;
  const found = index.filter((entry) => entry.lower.includes(name) && (!at || entry.slot !== undefined));
  // Whole names first, then beginnings and ends of names, then the shorter ones.
  const merit = (entry) => (entry.lower === name ? 0 : entry.lower.startsWith(name) || entry.lower.endsWith(name) ? 1 : 2);
  return found.sort((p, q) => merit(p) - merit(q) || p.name.length - q.name.length).map((entry) => ({ ...entry, at }));
}

function listenToSearch(view) {
  const input = document.getElementById("search"), results = document.getElementById("results");
  const index = searchIndex(view.g, view.tree);
  let found = [];
  input.addEventListener("input", () => {
    found = findMatches(index, input.value);
    results.replaceChildren(...found.slice(0, MOST_RESULTS).map((entry) => {
      const line = document.createElement("li"), button = document.createElement("button");
      button.type = "button";
      button.textContent = `${shorten(entry.name, 200)}  (${entry.kind})`;
      button.title = entry.name.slice(0, 2000);
      button.addEventListener("click", () => goTo(view, entry));
      line.append(button);
      return line;
    }));
    if (input.value.trim() && !found.length) results.append(remark("nothing found"));
    if (found.length > MOST_RESULTS) results.append(remark(`and ${found.length - MOST_RESULTS} more`));
  });
  for (const part of [input, results]) part.addEventListener("keydown", (event) => stepThrough(event, input, results));
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && found.length) goTo(view, found[0]);
    if (event.key === "Escape") { input.value = ""; found = []; results.replaceChildren(); view.light(null); view.stage.focus(); }
  });
}

// Arrow keys go from the field into the results, up and down them, and back.
function stepThrough(event, input, results) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key], lines = [...results.querySelectorAll("button")];
  if (!step || !lines.length) return;
  event.preventDefault();
  const to = lines.indexOf(document.activeElement) + step;
  (lines[to] ?? (to < 0 ? input : lines[lines.length - 1])).focus();
}

function remark(text) {
  const line = document.createElement("li");
  line.textContent = text;
  return line;
}

function goTo(view, entry) {
  document.body.classList.remove("panel");
  if (entry.module) return view.goToModule(entry.module);
  if (entry.group) return view.goToGroup(entry.group.index);
  view.goToSlot(entry.slot, entry.at);
}

// Edges of a slot that are in the file; of one element if `at` names it.
function edgesOfSlot(g, slot, at) {
  const out = [];
  let wanted = -1;
  if (at && at.length === g.slots[slot].shape.length) wanted = at.reduce((sum, k, axis) => sum * g.slots[slot].shape[axis] + k, 0);
  g.bundles.forEach((bundle) => {
    if (bundle.slot !== slot) return;
    for (let k = bundle.first; k < bundle.last; k++) if (wanted < 0 || g.edges.element[k] === wanted) out.push(k);
  });
  return out;
}
