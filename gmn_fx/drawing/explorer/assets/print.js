// Paper is light, and a printer does not wait for the next frame.

function listenToPrinter(view) {
  const draw = (printing) => {
    screenState.printing = printing;
    view.edges.drawNow();
    view.drawAll();
    fillLegend(view);
  };
  addEventListener("beforeprint", () => draw(true));
  addEventListener("afterprint", () => draw(false));
}
