// Canvases in the size of the stage, the colours of the screen, and shapes.

const FONT = "Helvetica, Arial, sans-serif";
const darkScreen = matchMedia("(prefers-color-scheme: dark)");

function colours(g) { return darkScreen.matches ? g.palette.dark : g.palette.light; }

function fitCanvas(canvas, stage) {
  const ratio = Math.min(2, devicePixelRatio || 1);
  const w = Math.max(1, Math.round(stage.clientWidth * ratio)), h = Math.max(1, Math.round(stage.clientHeight * ratio));
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  return ratio;
}

function worldContext(canvas, camera, ratio) {
  const c = canvas.getContext("2d");
  c.setTransform(1, 0, 0, 1, 0, 0);
  c.clearRect(0, 0, canvas.width, canvas.height);
  c.setTransform(camera.k * ratio, 0, 0, camera.k * ratio, camera.x * ratio, camera.y * ratio);
  return c;
}

function roundBox(c, x, y, w, h, r) { c.beginPath(); c.roundRect(x, y, w, h, r); }

function polygon(c, x, y, r, turns) {
  c.beginPath();
  turns.forEach((t, k) => {
    const u = x + 1.2 * r * Math.cos(2 * Math.PI * t), v = y - 1.2 * r * Math.sin(2 * Math.PI * t);
    if (k) c.lineTo(u, v); else c.moveTo(u, v);
  });
  c.closePath();
}

const SIGNS = {
  times: [[-0.55, -0.55, 0.55, 0.55], [-0.55, 0.55, 0.55, -0.55]],
  plus: [[-0.75, 0, 0.75, 0], [0, -0.75, 0, 0.75]],
  boxplus: [[-0.75, 0, 0.75, 0], [0, -0.75, 0, 0.75]],
  equals: [[-0.6, -0.3, 0.6, -0.3], [-0.6, 0.3, 0.6, 0.3]],
};

function drawMark(c, mark, x, y, r, [fill, stroke]) {
  if (mark === "diamond") polygon(c, x, y, r, [0, 0.25, 0.5, 0.75]);
  else if (mark === "triangle") polygon(c, x, y, r, [0.25, 7 / 12, 11 / 12]);
  else if (mark === "hexagon") polygon(c, x, y, r, [0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6]);
  else if (mark === "square" || mark === "boxplus" || mark === "query") { c.beginPath(); c.rect(x - r, y - r, 2 * r, 2 * r); }
  else { c.beginPath(); c.arc(x, y, r, 0, 2 * Math.PI); }
  c.fillStyle = fill;
  c.strokeStyle = stroke;
  c.lineWidth = 1.1;
  c.fill();
  c.stroke();
  if (!SIGNS[mark]) return;
  c.beginPath();
  for (const [a, b, u, v] of SIGNS[mark]) { c.moveTo(x + a * r, y + b * r); c.lineTo(x + u * r, y + v * r); }
  c.stroke();
}

function write(c, text, x, y, size, colour, { align = "center", bold = false, rim = null } = {}) {
  c.font = `${bold ? "bold " : ""}${size}px ${FONT}`;
  c.textAlign = align;
  c.textBaseline = "middle";
  if (rim) { c.lineJoin = "round"; c.lineWidth = 3; c.strokeStyle = rim; c.strokeText(text, x, y); }
  c.fillStyle = colour;
  c.fillText(text, x, y);
}
