// Boxes of closed modules and groups, and frames of open ones. Their text keeps to a size that can
// be read for as long as it fits.

const READABLE_TEXT = 10.5;

function drawFrame(c, frame, theme, zoom) {
  roundBox(c, frame.x, frame.y, frame.w, frame.h, 8);
  c.fillStyle = theme.frame;
  c.globalAlpha = 0.6;
  c.fill();
  c.globalAlpha = 1;
  c.strokeStyle = theme.line;
  c.lineWidth = 1 / Math.max(0.5, zoom);
  c.stroke();
  const size = Math.min(15, Math.max(10, 9.5 / zoom)), room = Math.max(4, Math.floor((frame.w - 14) / (0.6 * size)));
  write(c, `\u2212 ${tailOf(frame.module.path, room)}`, frame.x + 7, frame.y + 10, size, theme.pale, { align: "left", bold: true });
}

function drawOpen(c, item, theme) {
  roundBox(c, item.x, item.y + item.top - 4, item.w, item.h - item.top + 8, 7);
  c.fillStyle = theme.frame;
  c.fill();
  c.strokeStyle = theme.line;
  c.lineWidth = 0.8;
  c.stroke();
}

function drawBox(c, g, item, theme, zoom) {
  const group = g.groups[item.first], module = item.type === "module";
  const paint = () => { if (g.changes) paintChanged(c, g, item, theme); else paintBox(c, theme.nodes[module ? "fold" : group.role]); };
  if (module) {
    // A second edge behind: there is more inside.
    roundBox(c, item.x + 4, item.y - 4, item.w, item.h, 5);
    paint();
  }
  roundBox(c, item.x, item.y, item.w, item.h, module ? 5 : 10);
  paint();
  const size = Math.min(24, Math.max(13, READABLE_TEXT / zoom)), middle = item.x + item.w / 2;
  const room = Math.floor((item.w - 12) / (0.58 * size)), alone = size > 17;
  if (alone && g.changes && changeOf(g, item)) return writeChanged(c, g, item, theme, size);
  write(c, tailOf(item.label, room), middle, item.y + (alone ? 25 : 19), size, inkOf(g, item, theme), { bold: true });
  if (!alone) write(c, tailOf(saidOf(g, item, group), 26), middle, item.y + 36, 11, theme.pale);
  if (!alone) write(c, "+", item.x + item.w - 9, item.y + 9, 13, theme.pale);
}

function paintBox(c, [fill, stroke]) {
  c.fillStyle = fill;
  c.fill();
  c.strokeStyle = stroke;
  c.lineWidth = 1.2;
  c.stroke();
}

function saidOf(g, item, group) {
  if (g.changes && changeOf(g, item)) return briefSaid(changeOf(g, item), 26);
  if (item.type !== "module") return plural(group.size, group.noun);
  const { parameters } = item.inner;
  return parameters ? `${briefly(parameters)} ${parameters === 1 ? "parameter" : "parameters"}` : plural(item.size, "node");
}

// 940, 9.4 k, 124 M
function briefly(n) {
  if (n < 10000) return n.toLocaleString("en");
  for (const [size, unit] of [[1e3, "k"], [1e6, "M"], [1e9, "G"], [1e12, "T"]]) {
    if (n < 999.5 * size || unit === "T") return `${Number((n / size).toPrecision(3))} ${unit}`;
  }
}

// The end of a dotted name, from a dot on where there is one.
function tailOf(text, room) {
  if (text.length <= room) return text;
  const end = text.slice(text.length - Math.max(1, room - 1)), dot = end.indexOf(".");
  return `…${dot >= 0 && end.length - dot > 3 ? end.slice(dot + 1) : end}`;
}
