// Lengths as they are written: millimetres, or units of the mesh where nothing told the scale.

import type { Scale } from "./documents";

export function isMetric(scale: Scale | null): boolean {
  return scale?.units === "m";
}

export function length(value: number, metric: boolean): string {
  return lengths([value], metric);
}

/** Side by side, their unit said once; unbroken at it. */
export function lengths(values: readonly number[], metric: boolean): string {
  return metric ? `${values.map((value) => (1000 * value).toFixed(value < 1 ? 1 : 0)).join(" × ")}\u00a0mm` : values.map((value) => value.toPrecision(3)).join(" × ");
}

export function percent(share: number, digits = 0): string {
  return `${(100 * share).toFixed(digits)} %`;
}

/** A small share with as many digits as it takes to tell it from nothing. */
export function finePercent(share: number): string {
  return `${Number((100 * share).toPrecision(2))} %`;
}
