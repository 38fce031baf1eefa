// Loss curves as the stages write them.

import type { Job } from "../schema";

/** live/STAGE/curve.json while the stage runs, STAGE/curve.json after it. What was no number is null. */
export interface CurveFile {
  rows: ({ step: number } & Record<string, number | null>)[];
  steps: number;
}

/** What of it can be drawn on a log axis: at least one point. `last`: the other numbers of the last row. */
export interface Curve {
  points: { step: number; loss: number }[];
  steps: number;
  last: [string, number][];
}

export function readCurve({ rows, steps }: CurveFile): Curve | null {
  const points = rows.flatMap(({ step, loss }) => (loss ? [{ step, loss }] : [])).filter(({ loss }) => loss > 0);
  const last = Object.entries(rows.at(-1) ?? {}).flatMap(([name, value]) => (value === null || name === "step" || name === "loss" ? [] : [[name, value] as [string, number]]));
  return points.length ? { points, steps, last } : null;
}

/** Where the stage's numbers are by now: those of the run that goes on before those that were kept. */
export function curveName({ stages }: Job, stage: string, files: Map<string, number>): string | undefined {
  const [live, kept] = [`live/${stage}/curve.json`, `${stage}/curve.json`];
  const done = stages.some(({ name, status }) => name === stage && (status === "succeeded" || status === "skipped"));
  return (done ? [kept, live] : [live, kept]).find((name) => files.has(name));
}

export const count = (n: number) => n.toLocaleString("en");

export function stepInWords({ stage }: Job, name: string): string {
  return stage?.name === name && stage.steps > 1 ? `, after step ${count(stage.step)} of ${count(stage.steps)}` : "";
}

export function significant(value: number): string {
  return Math.abs(value) >= 1000 ? count(Math.round(value)) : String(Number(value.toPrecision(3)));
}

/** For those who don't see the chart. */
export function curveInWords({ points, steps }: Curve): string {
  const [first, last] = [points[0]!, points.at(-1)!];
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
