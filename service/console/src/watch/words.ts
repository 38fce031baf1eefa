// Stages and verdicts in words.

import { roughly } from "../parts/times";
import type { Job } from "../schema";

export const percent = (share: number) => `${Math.round(100 * share)} %`;

const STAGES: Record<string, string> = {
  sfm: "Find the cameras",
  locate: "Find the object",
  masks: "Outline the object",
  coverage: "Check the coverage",
  join: "Join the captures",
  scale: "Find the scale",
  surface: "Learn the surface",
  synthetic: "Render new views",
  early: "Train the networks for first answers",
  correspondence: "Train the networks",
  validation: "Measure the accuracy",
  exports: "Write files for other programs",
};

export const stageTitle = (name: string) => STAGES[name] ?? name;

export const ordinal = (n: number) => `${n}${["th", "st", "nd", "rd"][n % 100 > 10 && n % 100 < 14 ? 0 : n % 10] ?? "th"}`;

/** What the number of a verdict is, by the verdict (reconstruction/verdicts.py). */
const NUMBERS: Record<string, (n: number) => string> = {
  used: (n) => `mask agrees to ${percent(n)}`,
  "mask disagrees": (n) => `mask agrees to ${percent(n)} only`,
  blurry: (n) => `${percent(n)} of the usual sharpness`,
  "too dark": (n) => `${percent(n)} almost black`,
  "too bright": (n) => `${percent(n)} blown out`,
  "not registered": (n) => `${n} other ${n === 1 ? "photo shows" : "photos show"} the same things`,
  "object cut off": (n) => `${percent(n)} of the object in the picture`,
  hidden: (n) => `${percent(n)} of the object hidden`,
};

export const numberInWords = (verdict: string, n: number | null) => (n === null ? "" : (NUMBERS[verdict]?.(n) ?? String(n)));

export const verdictTone = (verdict: string) => (verdict === "used" ? "good" : verdict === "pending" ? "faint" : "warn");

/** "after the stage …, in about 4 min": when something that a stage makes will be there. */
export function whenAfter(job: Job, stage: string): string {
  const place = job.stages.findIndex((one) => one.name === stage);
  if (place < 0 || !["queued", "running"].includes(job.status)) return "";
  const seconds = job.stages.slice(0, place + 1).reduce((sum, { name, status }) => sum + stillToCome(job, name, status), 0);
  return job.estimate || job.stage ? `, in ${roughly(seconds)}${job.status === "queued" ? " once it has begun" : ""}` : "";
}

function stillToCome(job: Job, name: string, status: string): number {
  if (status === "succeeded" || status === "skipped") return 0;
  return (job.stage?.name === name ? job.stage.eta_s : null) ?? job.estimate?.stages[name] ?? 0;
}
