// What an onboarding wrote about its object: report.json, validation/accuracy.json, scale/scale.json, sfm/lens.json.

import { artifact } from "../api";
import type { Artifact } from "../schema";

export interface Scale {
  source?: string | null;
  units?: "m" | "object";
  rel_std?: number | null;
}

export interface Report {
  quality: { surface?: { extents_m?: [number, number, number]; faces?: number } };
  heldout: { psnr?: number; psnr_exposed?: number; iou?: number };
  coverage: { photos?: { used: number; left_out: number } };
  scale: Scale;
  versions: Record<string, string>;
}

export type Kind = "box" | "search" | "hidden";

export interface Statistics {
  photos: number;
  answered: number;
  recall_0_02d: number;
  recall_0_05d: number;
  recall_0_10d: number;
  median_add_over_d?: number;
  median_deg?: number;
  median_mm?: number;
}

export interface ReliabilityBin {
  low: number;
  high: number;
  answers: number;
  score: number | null;
  right: number | null;
}

/** As BOP writes it, in millimetres. */
export interface Symmetry {
  symmetries_discrete?: number[][];
  symmetries_continuous?: { axis: number[]; offset: number[] }[];
}

export interface Accuracy extends Partial<Record<Kind, Statistics>> {
  min_score: number;
  diameter: number;
  without_object: number;
  false_positive_rate: number | null;
  reliability: ReliabilityBin[];
  trials: { photo: string; kind: string }[];
  symmetry: Symmetry;
  symmetry_of_shape: Symmetry;
}

/** Of a photo as it was sent. */
export interface PhotoLens {
  camera: { width: number; height: number; fx: number; fy: number; cx: number; cy: number };
  lens: number[];
}

export interface Documents {
  report: Report | null;
  accuracy: Accuracy | null;
  scale: Scale | null;
  lenses: Record<string, PhotoLens> | null;
}

/** null for each that the object has not. */
export async function readDocuments(id: string, artifacts: Artifact[]): Promise<Documents> {
  const read = async (name: string) => (artifacts.some((one) => one.name === name) ? (await artifact(id, name)).json() : null);
  const names = ["report.json", "validation/accuracy.json", "scale/scale.json", "sfm/lens.json"];
  const [report, accuracy, scale, lenses] = await Promise.all(names.map(read));
  return { report, accuracy, scale, lenses };
}
