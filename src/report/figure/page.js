"use strict";
// Hides series, and shows the values of a point next to it. The page is complete without this script.
(() => {
  const [stage, hover, legend] = ["stage", "hover", "legend"].map((id) => document.getElementById(id));

  // A hidden series includes its samples. A knee is hidden when all of its series are hidden.
  legend.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") === "false"));
    const hidden = [...legend.querySelectorAll("[aria-pressed='false']")].map((entry) => entry.dataset.series);
    for (const part of stage.querySelectorAll("[data-series]")) {
      part.toggleAttribute("hidden", part.dataset.series.split(" ").every((series) => hidden.includes(series)));
    }
  });

  // The hover box replaces the tooltip that the browser shows for a title.
  for (const title of stage.querySelectorAll(".marker title")) {
    title.parentNode.setAttribute("aria-label", title.textContent);
    title.parentNode.setAttribute("role", "img");
    title.remove();
  }

  // The Tab key moves from series to series, so only one marker per series is in the tab order.
  const markersBeside = (marker) => [...marker.parentNode.querySelectorAll(".marker")];
  const putInTabOrder = (marker) => {
    for (const other of markersBeside(marker)) other.setAttribute("tabindex", other === marker ? 0 : -1);
  };
  for (const series of stage.querySelectorAll(".series")) {
    const first = series.querySelector(".marker");
    if (first) putInTabOrder(first);
  }

  const show = (marker) => {
    hover.textContent = marker.getAttribute("aria-label");
    hover.hidden = false;
    const [around, at] = [stage.getBoundingClientRect(), marker.getBoundingClientRect()];
    const [x, y] = [at.x + at.width / 2 - around.x, at.y - around.y];
    // The box is on the side with more room, so that it stays within the page.
    const left = x < around.width / 2 ? x + 14 : x - hover.offsetWidth - 14;
    hover.style.left = `${Math.max(0, left) + stage.scrollLeft}px`;
    hover.style.top = `${Math.max(0, y - hover.offsetHeight / 2)}px`;
  };
  const hide = () => { hover.hidden = true; };

  // The left and right arrow keys move along a series.
  const step = (marker, event) => {
    const direction = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const markers = markersBeside(marker);
    const next = direction && markers[markers.indexOf(marker) + direction];
    if (!next) return;
    event.preventDefault();
    next.focus();
  };
  const focus = (marker) => {
    putInTabOrder(marker);
    show(marker);
  };

  const actions = { mouseover: show, focusin: focus, mouseout: hide, focusout: hide, keydown: step };
  for (const [type, action] of Object.entries(actions)) {
    stage.addEventListener(type, (event) => {
      const marker = event.target.closest(".marker");
      if (marker) action(marker, event);
    });
  }
})();
