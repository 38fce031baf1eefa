// Lengths as they are written: millimetres, or units of the mesh where nothing told the scale.

import type { Report } from "./documents";

export function isMetric(report: Report | null): boolean {
  return report?.scale.units === "m";
}

export function length(value: number, metric: boolean): string {
  return metric ? `${(1000 * value).toFixed(value < 1 ? 1 : 0)} mm` : value.toPrecision(3);
}

export function percent(share: number, digits = 0): string {
  return `${(100 * share).toFixed(digits)} %`;
}

/** A small share with as many digits as it takes to tell it from nothing. */
export function finePercent(share: number): string {
  return `${Number((100 * share).toPrecision(2))} %`;
}
