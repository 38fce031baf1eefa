// Loss curves as the stages write them.

import type { Job } from "../schema";

/** live/STAGE/curve.json */
export interface Curve {
  rows: ({ step: number; loss: number } & Record<string, number>)[];
  steps: number;
}

export const count = (n: number) => n.toLocaleString("en");

export function stepInWords({ stage }: Job, name: string): string {
  return stage?.name === name && stage.steps > 1 ? `, after step ${count(stage.step)} of ${count(stage.steps)}` : "";
}

export function significant(value: number): string {
  return Math.abs(value) >= 1000 ? count(Math.round(value)) : String(Number(value.toPrecision(3)));
}

/** For those who don't see the chart. */
export function curveInWords({ rows, steps }: Curve): string {
  const [first, last] = [rows[0]!, rows.at(-1)!];
  const verb = last.loss < first.loss ? "fell" : "rose";
  return `The loss ${verb} from ${significant(first.loss)} at step ${count(first.step)} to ${significant(last.loss)} at step ${count(last.step)} of ${count(steps)}.`;
}

/** Ticks of a log axis: 1, 2, 5 of each decade, or decades alone where those are many. */
export function logTicks(low: number, high: number): number[] {
  const decades = Array.from({ length: Math.ceil(Math.log10(high)) - Math.floor(Math.log10(low)) + 1 }, (_, i) => 10 ** (Math.floor(Math.log10(low)) + i));
  const fine = decades.flatMap((decade) => [decade, 2 * decade, 5 * decade]);
  const inside = (values: number[]) => values.filter((value) => value >= low * 0.999 && value <= high * 1.001);
  return inside(fine).length <= 7 ? inside(fine) : inside(decades);
}

/** Round numbers from 0 to `end`, about `most` of them. */
export function stepTicks(end: number, most: number): number[] {
  const rough = Math.max(end / most, 1);
  const decade = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * decade).find((size) => size >= rough)!;
  return Array.from({ length: Math.floor(end / step) + 1 }, (_, i) => i * step);
}
