// Pan and zoom by mouse, touch, wheel and keys. Screen = world * k + (x, y).

const NEAREST = 8, FARTHEST = 0.005, READABLE = 0.6;

function zoomBy(view, factor, x, y) {
  const k = Math.min(NEAREST, Math.max(FARTHEST, view.camera.k * factor)), by = k / view.camera.k;
  view.camera.x = x - (x - view.camera.x) * by;
  view.camera.y = y - (y - view.camera.y) * by;
  view.camera.k = k;
  view.moved();
}

function panBy(view, dx, dy) {
  view.camera.x += dx;
  view.camera.y += dy;
  view.moved();
}

function fitTo(view, box, most = 1.6) {
  const w = view.stage.clientWidth, h = view.stage.clientHeight, room = 56;
  const k = Math.max(FARTHEST, Math.min(most, (w - room) / (box.w + 80), (h - room) / (box.h + 20)));
  view.camera.k = k;
  view.camera.x = (w - box.w * k) / 2 - box.x * k;
  view.camera.y = (h - box.h * k) / 2 - box.y * k;
  view.moved();
}

// At first a long network is shown from its beginning: all of it would be too small to read.
function startAt(view, box) {
  fitTo(view, box);
  if (view.camera.k >= READABLE) return;
  const h = view.stage.clientHeight;
  view.camera = { k: READABLE, x: 40 - box.x * READABLE, y: (h - box.h * READABLE) / 2 - box.y * READABLE };
  view.moved();
}

function listenToCamera(view) {
  const { stage } = view, held = new Map();
  const middle = () => [stage.clientWidth / 2, stage.clientHeight / 2];
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const [x, y] = view.placeOf(event);
    zoomBy(view, Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), x, y);
  }, { passive: false });
  stage.addEventListener("pointerdown", (event) => {
    if (event.target.closest("button")) return;
    held.set(event.pointerId, view.placeOf(event));
    stage.setPointerCapture(event.pointerId);
    stage.classList.add("dragging");
  });
  stage.addEventListener("pointermove", (event) => {
    const was = held.get(event.pointerId), now = view.placeOf(event);
    if (!was) return view.look(now);
    held.set(event.pointerId, now);
    if (held.size === 1) return panBy(view, now[0] - was[0], now[1] - was[1]);
    const other = [...held.entries()].find(([id]) => id !== event.pointerId)[1];
    const before = Math.hypot(was[0] - other[0], was[1] - other[1]), after = Math.hypot(now[0] - other[0], now[1] - other[1]);
    if (before > 4) zoomBy(view, after / before, (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    stage.addEventListener(name, (event) => { held.delete(event.pointerId); if (!held.size) stage.classList.remove("dragging"); });
  }
  stage.addEventListener("pointerleave", () => view.look(null));
  stage.addEventListener("dblclick", (event) => { if (!event.target.closest("button")) view.toggleAt(view.placeOf(event)); });
  const keys = {
    ArrowLeft: () => panBy(view, 60, 0), ArrowRight: () => panBy(view, -60, 0),
    ArrowUp: () => panBy(view, 0, 60), ArrowDown: () => panBy(view, 0, -60),
    "+": () => zoomBy(view, 1.25, ...middle()), "=": () => zoomBy(view, 1.25, ...middle()),
    "-": () => zoomBy(view, 0.8, ...middle()), 0: () => view.fit(),
    "/": () => document.getElementById("search").focus(), Escape: () => view.light(null),
  };
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input") || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  document.getElementById("in").addEventListener("click", () => zoomBy(view, 1.4, ...middle()));
  document.getElementById("out").addEventListener("click", () => zoomBy(view, 1 / 1.4, ...middle()));
  document.getElementById("fit").addEventListener("click", () => view.fit());
  document.getElementById("menu").addEventListener("click", () => document.body.classList.toggle("panel"));
}
