/* Draws the numbers of a table as an SVG chart. The table stays on the page, folded: it is what a screen reader, a
 * printer and a browser without scripts get. */
import { BarChart, BoxplotChart, CustomChart, HeatmapChart, LineChart, PieChart, ScatterChart } from "echarts/charts";
import { AriaComponent, DatasetComponent, GridComponent, LegendComponent, MarkLineComponent, TitleComponent, TooltipComponent, VisualMapComponent } from "echarts/components";
import * as echarts from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { make } from "./dialogs.js";
import { say } from "./words.js";

echarts.use([BarChart, BoxplotChart, CustomChart, HeatmapChart, LineChart, PieChart, ScatterChart, AriaComponent, DatasetComponent,
  GridComponent, LegendComponent, MarkLineComponent, TitleComponent, TooltipComponent, VisualMapComponent, SVGRenderer]);

const COLOURS = ["#0b5ed7", "#1a7f4b", "#9a5b00", "#b02a37", "#6f42c1", "#0a6b78", "#495057"];

function optionOf(figure) {
  return JSON.parse(figure.dataset.chartId ? document.getElementById(figure.dataset.chartId).textContent : figure.dataset.chart);
}

function style() {
  const ink = getComputedStyle(document.body).color;
  return { color: COLOURS, textStyle: { color: ink, fontFamily: "inherit" }, animation: false };
}

function fold(figure) {
  const table = figure.querySelector("table");
  if (!table) return;
  const details = make("details", { className: "mt-2" }, make("summary", {}, say("table")));
  const holder = table.closest(".table-responsive, .bd-wide") ?? table;
  holder.before(details);
  details.append(holder);
}

function mount(figure) {
  const box = make("div", { role: "img" });
  box.setAttribute("aria-label", figure.querySelector("figcaption")?.textContent.trim() ?? "");
  box.style.height = `${figure.dataset.height ?? 300}px`;
  figure.querySelector("figcaption")?.after(box) ?? figure.prepend(box);
  fold(figure);
  const chart = echarts.init(box, null, { renderer: "svg" });
  chart.setOption({ ...style(), tooltip: { confine: true }, ...optionOf(figure) });
  new ResizeObserver(() => chart.resize()).observe(box);
}

document.querySelectorAll("[data-chart], [data-chart-id]").forEach(mount);
