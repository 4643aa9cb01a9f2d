"use strict";
(() => {
  const { palette, figures } = JSON.parse(document.getElementById("data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const PRINTED_WIDTH = 680; // CSS pixels of a page, A4 or letter, within its margins
  let printing = false;

  // Colours are names until the ground is known.
  const coloured = (value, ground) => {
    if (typeof value === "string" && value[0] === "$" && palette[value.slice(1)]) return palette[value.slice(1)][ground];
    if (Array.isArray(value)) return value;
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, coloured(item, ground)]));
    }
    return value;
  };

  const draw = (plot) => {
    const ground = dark.matches && !printing ? 1 : 0;
    const ink = palette.ink[ground], grid = palette.grid[ground];
    const figure = figures[plot.dataset.figure];
    const axis = { gridcolor: grid, linecolor: grid, zerolinecolor: grid, automargin: true };
    const layout = {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: ink, size: 12, family: "inherit" },
      margin: { l: 50, r: 12, t: 12, b: 40 },
      legend: { orientation: "h", traceorder: "normal", x: 0, y: 1.02, yanchor: "bottom", font: { size: plot.clientWidth < 500 ? 10 : 11 } },
      hoverlabel: { align: "left" }, dragmode: false, hovermode: "closest",
      ...figure.layout,
      xaxis: { ...axis, ...figure.layout.xaxis }, yaxis: { ...axis, ...figure.layout.yaxis },
    };
    layout.shapes = figure.layout.shapes.map((shape) => coloured(shape, ground));
    layout.annotations = figure.layout.annotations.map((label) => coloured(label, ground));
    if (printing) layout.width = Math.min(PRINTED_WIDTH, plot.closest(".small") ? PRINTED_WIDTH / 2 : PRINTED_WIDTH);
    const data = figure.data.map((trace) => coloured(trace, ground));
    return Plotly.react(plot, data, layout, { responsive: true, displaylogo: false, displayModeBar: false });
  };

  const plots = [...document.querySelectorAll(".plot")];
  const drawAll = () => plots.forEach(draw);
  plots.forEach((plot, index) => setTimeout(() => draw(plot), index)); // the text is readable before the last plot is
  dark.addEventListener("change", drawAll);
  addEventListener("beforeprint", () => { printing = true; document.querySelectorAll("details").forEach((each) => { each.open = true; }); drawAll(); });
  addEventListener("afterprint", () => { printing = false; drawAll(); });

  // A row without a value comes last, whichever way the others are sorted.
  const compare = (column, numeric, sign) => (one, other) => {
    const [a, b] = [one.cells[column], other.cells[column]];
    if (!numeric) return sign * a.textContent.localeCompare(b.textContent, undefined, { numeric: true });
    const [x, y] = [a.dataset.v, b.dataset.v];
    if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
    return x === y ? 0 : sign * (x - y);
  };

  for (const table of document.querySelectorAll("table.interactive")) {
    const body = table.tBodies[0], rows = [...body.rows];
    const tools = table.closest(".scroll").previousElementSibling;
    const [input, output] = [tools.querySelector("input"), tools.querySelector("output")];
    table.querySelectorAll("th").forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const numeric = head.classList.contains("n");
      const before = head.getAttribute("aria-sort");
      const first = numeric && column > 0 ? "descending" : "ascending";
      const order = before ? (before === "ascending" ? "descending" : "ascending") : first;
      table.querySelectorAll("th").forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      rows.sort(compare(column, numeric, order === "ascending" ? 1 : -1));
      body.append(...rows);
    }));
    const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) row.hidden = !words.every((word) => texts.get(row).includes(word));
      const shown = rows.filter((row) => !row.hidden).length;
      const all = rows.length.toLocaleString("en");
      output.textContent = shown === rows.length ? `${all} rows` : `${shown.toLocaleString("en")} of ${all} rows`;
    });
  }
})();
