// Figures as a person reads them.

const whole = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const day = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const THIN = "\u2009";

export const count = (value) => whole.format(value);
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;
export const percent = (share) => `${whole.format(share * 100)}${THIN}%`;

export function bytes(value) {
  for (const [unit, size] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]]) {
    if (value >= size) {
      return `${(value / size).toFixed(value < 10 * size ? 1 : 0)}${THIN}${unit}`;
    }
  }
  return `${value} bytes`;
}

// Seconds: 0.4 s, 12 s, 3 min 20 s, 2 h 5 min, 3 d 4 h
export function span(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = units.findIndex(([, size]) => seconds >= size);
  const [unit, size] = units[first];
  const parts = [`${Math.floor(seconds / size)} ${unit}`];
  if (first + 1 < units.length) {
    const [nextUnit, nextSize] = units[first + 1];
    const rest = Math.floor((seconds % size) / nextSize);
    if (rest > 0) parts.push(`${rest} ${nextUnit}`);
  }
  return parts.join(" ");
}

export const milliseconds = (seconds) => `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms`;

// A moment: only the time if it was today.
export function moment(when) {
  const then = new Date(when);
  return then.toDateString() === new Date().toDateString() ? clock.format(then) : day.format(then);
}
