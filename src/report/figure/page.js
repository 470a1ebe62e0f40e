"use strict";
// Draws the figure in the element "data". No request, no library, nothing global.
(() => {
  const { figure, environments } = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";
  const VIEW = { width: 1000, height: 560, left: 92, right: 970, bottom: 505 };
  const TOP_LINE = 15;

  // What the reader has chosen. Sizes are powers of two, so that axis begins logarithmic.
  const state = {
    log: { x: true, y: figure.log_y },
    samples: true,
    verticals: true,
    hidden: new Set(),
  };

  // Elements with attributes and children; text is set as text, so no name can become markup.
  const fill = (element, attributes, children) => {
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  const html = (name, attributes = {}, ...children) =>
    fill(document.createElement(name), attributes, children);
  const svg = (name, attributes = {}, ...children) =>
    fill(document.createElementNS(SVG, name), attributes, children);

  // --- Numbers as words -------------------------------------------------------------------------

  const bytesLabel = (bytes) => {
    const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let unit = 0;
    for (; bytes >= 1023.5 && unit + 1 < units.length; unit += 1) bytes /= 1024;
    const decimals = bytes < 9.995 ? 2 : bytes < 99.95 ? 1 : 0;
    return `${Number(bytes.toFixed(decimals))} ${units[unit]}`;
  };
  const rateLabel = (kib) => `${bytesLabel(kib * 1024)}/s`;
  const sizeOf = (point) => point.block_bytes;

  // --- Axes: { place, ticks: [[value, label]], title } -------------------------------------------

  const powers = (low, high, most, label) => {
    const step = [1, 2, 5].find((step) => (high - low) / step <= most) ?? 10;
    const ticks = [];
    for (let power = Math.ceil(low); power <= high; power += 1) {
      if (power % step === 0) ticks.push([2 ** power, label(2 ** power)]);
    }
    const place = (value) => (value > 0 ? (Math.log2(value) - low) / (high - low) : -1000);
    return { place, ticks };
  };

  const fromZero = (most, units, count) => {
    const [size, unit] = units.find(([size]) => most >= size) ?? units.at(-1);
    const least = most / size / count;
    const decade = 10 ** Math.floor(Math.log10(least));
    const step = decade * ([1, 2, 5].find((factor) => factor * decade >= least) ?? 10);
    const decimals = Math.max(0, Math.ceil(-Math.log10(step)));
    const ticks = [];
    for (let number = 0; number * step * size <= most; number += 1) {
      ticks.push([number * step * size, (number * step).toFixed(decimals)]);
    }
    return { place: (value) => value / most, ticks, unit };
  };

  const shown = () => figure.series.filter((series) => !state.hidden.has(series.name));

  const sizeAxis = () => {
    const sizes = figure.series.flatMap((series) => series.points.map(sizeOf));
    const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
    if (state.log.x) {
      return { ...powers(Math.log2(least) - 0.5, Math.log2(most) + 0.5, 16, bytesLabel), title: "Buffer size" };
    }
    const axis = fromZero(most * 1.03, [[2 ** 20, "MiB"], [1024, "KiB"], [1, "B"]], 12);
    return { ...axis, title: `Buffer size (${axis.unit})` };
  };

  const rateAxis = () => {
    const visible = shown().length > 0 ? shown() : figure.series;
    const rates = visible.flatMap((series) => series.points.flatMap((point) => point.samples_kib_per_second));
    const [least, most] = rates.reduce(([low, high], rate) => [Math.min(low, rate), Math.max(high, rate)],
      [Infinity, 0]);
    if (state.log.y) {
      const room = figure.references.length > 0 ? 1.3 : 0.3;
      return { ...powers(Math.log2(least) - 0.3, Math.log2(most) + room, 10, rateLabel), title: "Bandwidth" };
    }
    const axis = fromZero(most * 1.05, [[2 ** 20, "GiB"], [1024, "MiB"], [1, "KiB"]], 10);
    return { ...axis, title: `Bandwidth (${axis.unit}/s)` };
  };

  // --- The plot ---------------------------------------------------------------------------------

  const line = (x1, y1, x2, y2, stroke, more = {}) => svg("line", { x1, y1, x2, y2, stroke, ...more });
  const path = (places) => places.map(([x, y], index) => `${index ? "L" : "M"}${x},${y}`).join("");

  const frame = (plot, { x, y, top }, sizes, rates) => {
    const { left, right, bottom } = VIEW;
    for (const [value, label] of sizes.ticks) {
      plot.append(line(x(value), top, x(value), bottom, "#eee"), line(x(value), bottom, x(value), bottom + 5, "#000"));
      plot.append(svg("text", { x: x(value), y: bottom + 19, "text-anchor": "middle" }, label));
    }
    for (const [value, label] of rates.ticks) {
      plot.append(line(left, y(value), right, y(value), "#eee"), line(left - 5, y(value), left, y(value), "#000"));
      plot.append(svg("text", { x: left - 9, y: y(value) + 4, "text-anchor": "end", class: "rate" }, label));
    }
    const middle = (top + bottom) / 2;
    plot.append(
      svg("rect", { x: left, y: top, width: right - left, height: bottom - top, fill: "none", stroke: "#000" }),
      svg("text", { x: (left + right) / 2, y: bottom + 42, "text-anchor": "middle" }, sizes.title),
      svg("text", { transform: `translate(16,${middle}) rotate(-90)`, "text-anchor": "middle" }, rates.title));
  };

  // Marks, constants and knees that the axis shows and whose series is not hidden.
  const visibleVerticals = (sizes) => figure.verticals.filter((vertical) => {
    const place = sizes.place(vertical.block_bytes);
    const knee = vertical.kind === "knee";
    return state.verticals && place >= 0 && place <= 1 &&
      (!knee || vertical.subjects.some((name) => !state.hidden.has(name)));
  });

  // As in the other formats: flags to the left, then flags to the right, each hoisted above every
  // line that it covers; divided where the fewest lanes do.
  const flags = (verticals, sizes) => {
    const places = verticals.map((vertical) => [
      VIEW.left + sizes.place(vertical.block_bytes) * (VIEW.right - VIEW.left),
      vertical.label.length * 7.4 + 8,
    ]);
    const lanes = (places) => {
      const lanes = places.map(() => 0);
      for (let index = places.length - 1; index >= 0; index -= 1) {
        const end = places[index][0] + places[index][1];
        for (let right = index + 1; right < places.length && places[right][0] < end; right += 1) {
          lanes[index] = Math.max(lanes[index], lanes[right] + 1);
        }
      }
      return lanes;
    };
    let best = { outside: Infinity, height: 0, flags: [] };
    for (let split = 0; split <= places.length; split += 1) {
      const mirrored = places.slice(0, split).reverse().map(([x, width]) => [VIEW.width - x, width]);
      const right = places.slice(split);
      const outside = [...mirrored, ...right].filter(([x, width]) => x + width > VIEW.width).length;
      const left = lanes(mirrored).reverse();
      const all = [...left.map((lane) => [lane, true]), ...lanes(right).map((lane) => [lane, false])];
      const height = Math.max(-1, ...all.map(([lane]) => lane)) + 1;
      if (outside < best.outside || (outside === best.outside && height < best.height)) {
        best = { outside, height, flags: all };
      }
    }
    return best;
  };

  const drawVerticals = (plot, { x, top }, verticals, flags) => {
    const looks = { constant: ["#999", "1 2"], knee: ["#555", "4 2"], mark: ["#333", "none"] };
    verticals.forEach((vertical, index) => {
      const [lane, toTheLeft] = flags[index];
      const [plain, dash] = looks[vertical.kind];
      const colour = vertical.colour ?? plain;
      const [at, base] = [x(vertical.block_bytes), top - 5 - lane * TOP_LINE];
      plot.append(line(at, base - 9, at, VIEW.bottom, colour, { "stroke-dasharray": dash }));
      const label = svg("text", { x: at + (toTheLeft ? -3 : 3), y: base, "text-anchor": toTheLeft ? "end" : "start" },
        vertical.label);
      label.style.fill = vertical.kind === "constant" ? "#555" : colour;
      plot.append(label);
    });
  };

  const drawSeries = (plot, { x, y }, series) => {
    const { colour, dash, marker, filled } = series.style;
    const group = svg("g", { class: "series", "data-series": series.name, stroke: colour, fill: "none", "stroke-width": 1.6 });
    if (state.samples) {
      const faint = svg("g", { fill: colour, "fill-opacity": 0.3, stroke: "none" });
      for (const point of series.points) {
        for (const rate of point.samples_kib_per_second) {
          faint.append(svg("circle", { cx: x(point.block_bytes), cy: y(rate), r: 1.8 }));
        }
      }
      group.append(faint);
    }
    const places = series.points.map((point) => [x(point.block_bytes), y(point.median_kib_per_second)]);
    group.append(svg("path", { d: path(places), "stroke-dasharray": dash || "none" }));
    series.points.forEach((point, index) => {
      const [at, median] = places[index];
      const [low, high] = [y(point.q1_kib_per_second), y(point.q3_kib_per_second)];
      group.append(svg("path", { d: `M${at - 4},${high}H${at + 4}M${at},${high}V${low}M${at - 4},${low}H${at + 4}` }));
      const mark = svg("path", {
        class: "marker", d: marker, transform: `translate(${at},${median}) scale(1.2)`,
        fill: filled ? colour : "#fff", tabindex: index === 0 ? 0 : -1, role: "img",
        "data-series": series.name, "data-bytes": point.block_bytes, "aria-label": words(series, point).join(", "),
      });
      mark.addEventListener("mouseenter", () => showHover(series, point, mark));
      mark.addEventListener("mouseleave", hideHover);
      mark.addEventListener("focus", () => showHover(series, point, mark));
      mark.addEventListener("blur", hideHover);
      mark.addEventListener("keydown", (event) => step(event, mark));
      group.append(mark);
    });
    plot.append(group);
  };

  const draw = () => {
    const plot = byId("plot");
    plot.replaceChildren();
    hideHover();
    const [sizes, rates] = [sizeAxis(), rateAxis()];
    const verticals = visibleVerticals(sizes);
    const best = flags(verticals, sizes);
    // The lanes of the labels are added to the height, so that the plot keeps its own.
    const rise = best.height * TOP_LINE + 12;
    const { left, right, bottom, width, height } = VIEW;
    plot.setAttribute("viewBox", `0 ${-rise} ${width} ${height + rise}`);
    const top = 0;
    const scale = {
      top,
      x: (bytes) => left + sizes.place(bytes) * (right - left),
      y: (kib) => bottom - Math.min(3, Math.max(-2, rates.place(kib))) * (bottom - top),
    };
    plot.append(svg("clipPath", { id: "inside" },
      svg("rect", { x: left, y: top, width: right - left, height: bottom - top })));
    frame(plot, scale, sizes, rates);
    drawVerticals(plot, scale, verticals, best.flags);
    for (const reference of figure.references) {
      const places = reference.points.map(([bytes, kib]) => [scale.x(bytes), scale.y(kib)]);
      plot.append(svg("path", { d: path(places), fill: "none", stroke: "#888", "clip-path": "url(#inside)",
        "stroke-dasharray": reference.dash || "none" }));
    }
    shown().forEach((series) => drawSeries(plot, scale, series));
  };

  // --- Hover and keyboard -----------------------------------------------------------------------

  const words = (series, point) => {
    const interval = point.interval_kib_per_second;
    return [
      series.name,
      `buffer size ${bytesLabel(point.block_bytes)} (${point.block_bytes} bytes)`,
      `median ${rateLabel(point.median_kib_per_second)} (${point.median_kib_per_second} KiB/s)`,
      interval ? `95 % interval ${rateLabel(interval[0])} to ${rateLabel(interval[1])} (${interval[0]} to ${interval[1]} KiB/s)`
        : "no interval below six samples",
      `n = ${point.n}`,
    ];
  };

  const showHover = (series, point, mark) => {
    const hover = byId("hover");
    hover.textContent = words(series, point).join("\n");
    hover.hidden = false;
    const [stage, at] = [byId("stage").getBoundingClientRect(), mark.getBoundingClientRect()];
    const [x, y] = [at.x + at.width / 2 - stage.x, at.y - stage.y];
    // To the side with more room, so that it never leaves the page.
    const left = x < stage.width / 2 ? x + 14 : x - hover.offsetWidth - 14;
    hover.style.left = `${Math.max(0, left) + byId("stage").scrollLeft}px`;
    hover.style.top = `${Math.max(0, y - hover.offsetHeight / 2)}px`;
  };
  const hideHover = () => { byId("hover").hidden = true; };

  // Left and right go along a series; Tab goes from series to series.
  const step = (event, mark) => {
    const direction = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const marks = [...mark.parentNode.querySelectorAll(".marker")];
    const next = direction && marks[marks.indexOf(mark) + direction];
    if (!next) return;
    event.preventDefault();
    mark.setAttribute("tabindex", -1);
    next.setAttribute("tabindex", 0);
    next.focus();
  };

  // --- Legend, switches, table, environment -----------------------------------------------------

  const swatch = (stroke, dash, style) => {
    const picture = svg("svg", { width: 34, height: 14, viewBox: "0 -7 34 14", "aria-hidden": "true" },
      line(0, 0, 34, 0, stroke, { "stroke-width": 1.6, "stroke-dasharray": dash || "none" }));
    if (style) {
      picture.append(svg("path", { d: style.marker, transform: "translate(17,0) scale(1.2)", stroke,
        "stroke-width": 1.4, fill: style.filled ? style.colour : "#fff" }));
    }
    return picture;
  };

  const toggle = (series, button) => {
    const hide = !state.hidden.has(series.name);
    if (hide) state.hidden.add(series.name); else state.hidden.delete(series.name);
    button.setAttribute("aria-pressed", String(!hide));
    draw();
  };

  const legend = () => {
    for (const series of figure.series) {
      const button = html("button", { type: "button", "aria-pressed": "true", "data-series": series.name },
        swatch(series.style.colour, series.style.dash, series.style), series.name);
      button.addEventListener("click", () => toggle(series, button));
      byId("legend").append(button);
    }
    for (const reference of figure.references) {
      const entry = html("button", { type: "button", disabled: "", class: "reference" },
        swatch("#888", reference.dash), reference.name);
      byId("legend").append(entry);
    }
  };

  const switches = () => {
    const form = byId("switches");
    form.elements.x.value = state.log.x ? "log" : "linear";
    form.elements.y.value = state.log.y ? "log" : "linear";
    form.elements.samples.checked = state.samples;
    form.elements.verticals.checked = state.verticals;
    form.addEventListener("change", () => {
      state.log = { x: form.elements.x.value === "log", y: form.elements.y.value === "log" };
      state.samples = form.elements.samples.checked;
      state.verticals = form.elements.verticals.checked;
      draw();
    });
    form.addEventListener("submit", (event) => event.preventDefault());
  };

  const row = (head, ...cells) => html("tr", {}, html("th", { scope: "row" }, head),
    ...cells.map((cell) => html("td", {}, String(cell))));

  const table = () => {
    const body = byId("points").tBodies[0];
    for (const series of figure.series) {
      for (const point of series.points) {
        const interval = point.interval_kib_per_second;
        body.append(row(series.name, point.block_bytes, point.n, point.median_kib_per_second.toFixed(1),
          interval ? `${interval[0].toFixed(1)} to ${interval[1].toFixed(1)}` : "none",
          point.q1_kib_per_second.toFixed(1), point.q3_kib_per_second.toFixed(1)));
      }
    }
  };

  const plain = (value) => (Array.isArray(value) ? value.map(plain).join(", ")
    : value !== null && typeof value === "object" ? Object.entries(value).map(([key, inner]) => `${key}: ${plain(inner)}`).join("; ")
      : value === null ? "-" : String(value));
  const facts = (title, pairs) => (pairs.length === 0 ? [] : [html("h3", {}, title),
    html("table", { class: "facts" }, html("tbody", {}, ...pairs.map(([key, value]) => row(key, plain(value)))))]);

  const environment = () => {
    for (const result of environments) {
      byId("environment").append(
        html("h2", {}, `How ${result.file} was measured`),
        ...facts("Configuration", Object.entries(result.configuration ?? {})),
        ...facts("Warnings", result.warnings.map((warning) => ["", warning])),
        ...facts("Not measured, or not to the end", result.missing.map(([strategy, bytes, reason]) =>
          [`${strategy}, ${bytesLabel(bytes)}`, reason])),
        ...facts("Host", result.host_configuration));
    }
  };

  byId("caption").textContent = figure.caption.join(" ");
  legend();
  switches();
  table();
  environment();
  draw();
})();
