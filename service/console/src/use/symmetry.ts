// An object's symmetry in words.

import type { Symmetry } from "./documents";

/** Null where no turn leaves the object as it is. */
export function symmetryInWords({ symmetries_discrete: turns = [], symmetries_continuous: axes = [] }: Symmetry): string | null {
  const [axis] = axes;
  if (axis) return axes.length > 1 ? "any turn at all" : `any turn about ${axisName(axis.axis)}${turns.length ? ", and turned over" : ""}`;
  if (!turns.length) return null;
  const known = turns.map(axisAndAngle);
  const first = known[0]!;
  if (turns.length === 1) return `${first.degrees === 180 ? "half a turn" : `${first.degrees}°`} about ${axisName(first.axis)}`;
  const together = known.every(({ axis: other }) => Math.abs(dot(other, first.axis)) > 0.99);
  return together ? `every ${Math.round(360 / (turns.length + 1))}° about ${axisName(first.axis)}` : `each of ${turns.length} turns about different axes`;
}

function axisAndAngle(m: readonly number[]): { axis: number[]; degrees: number } {
  const at = (row: number, column: number) => m[4 * row + column] ?? 0;
  const angle = Math.acos(Math.min(1, Math.max(-1, (at(0, 0) + at(1, 1) + at(2, 2) - 1) / 2)));
  const skew = [at(2, 1) - at(1, 2), at(0, 2) - at(2, 0), at(1, 0) - at(0, 1)];
  const signs = [0, 1, 2].map((i) => Math.sqrt(Math.max(0, (at(i, i) + 1) / 2)));
  const largest = signs.indexOf(Math.max(...signs));
  const half = signs.map((value, i) => (i === largest || at(largest, i) + at(i, largest) >= 0 ? value : -value)); // of half a turn, where skew vanishes
  return { axis: unit(Math.PI - angle < 0.02 ? half : skew), degrees: Math.round((angle * 180) / Math.PI) };
}

function axisName(axis: readonly number[]): string {
  const direction = unit(axis);
  const along = direction.findIndex((value) => Math.abs(value) > 0.985); // within 10°
  return along < 0 ? `the axis (${direction.map((value) => value.toFixed(2)).join(", ")})` : `its ${"xyz"[along]} axis`;
}

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
const unit = (a: readonly number[]) => a.map((value) => value / (Math.hypot(...a) || 1));
