import uPlot from '/vendor/uplot/uPlot.esm.js';
import { make } from './dom.js';

const SECONDS = 60;
const HEIGHT = 96;

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A small chart of the last minute: one or two lines, each with a name. */
export function createChart(parent, title, names, format) {
  const rows = [[], ...names.map(() => [])];
  const keys = names.map((name, i) => make('span', { className: i === 0 ? 'key' : 'key second' }, name));
  const place = make('div');
  const figure = make('figure', {}, make('figcaption', {}, make('span', {}, title), ...keys), place);
  parent.append(figure);
  let plot = null;

  function options() {
    const axis = { stroke: color('--soft'), grid: { stroke: color('--line'), width: 1 }, ticks: { show: false }, font: '11px system-ui' };
    const colors = [color('--accent'), color('--bad')];
    return {
      width: place.clientWidth,
      height: HEIGHT,
      padding: [8, 28, 0, 0],
      cursor: { show: false },
      legend: { show: false },
      scales: { y: { range: (_plot, _low, high) => [0, Math.max(high, 0) * 1.1 || 1] } },
      axes: [
        { ...axis, grid: { show: false }, size: 20, values: (_plot, times) => times.map(clock), space: 90 },
        { ...axis, size: 46, space: 28, values: (_plot, values) => values.map(format) },
      ],
      series: [{}, ...names.map((_name, i) => ({ stroke: colors[i], width: 1.5, points: { show: false } }))],
    };
  }

  function redraw() {
    plot?.destroy();
    plot = place.clientWidth > 0 ? new uPlot(options(), rows, place) : null;
  }

  /** `at` in epoch ms. */
  function add(at, ...values) {
    [at / 1000, ...values].forEach((value, i) => {
      rows[i].push(value);
      if (rows[i].length > SECONDS) rows[i].shift();
    });
    if (plot === null) redraw();
    else plot.setData(rows);
  }

  new ResizeObserver(redraw).observe(place);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  return { add };
}

function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString(undefined, { hourCycle: 'h23' });
}
