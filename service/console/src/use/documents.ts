// What an onboarding wrote about its object: report.json, validation/accuracy.json, sfm/lens.json.

import { artifact, Problem } from "../api";

export interface Report {
  quality: { surface?: { extents_m?: [number, number, number]; faces?: number } };
  heldout: { psnr?: number; psnr_exposed?: number; iou?: number };
  coverage: { photos?: { used: number; left_out: number } };
  scale: { source?: string | null; units?: "m" | "object"; rel_std?: number | null };
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
  lenses: Record<string, PhotoLens> | null;
}

export async function readDocuments(id: string): Promise<Documents> {
  const [report, accuracy, lenses] = await Promise.all([
    document<Report>(id, "report.json"),
    document<Accuracy>(id, "validation/accuracy.json"),
    document<Record<string, PhotoLens>>(id, "sfm/lens.json"),
  ]);
  return { report, accuracy, lenses };
}

/** null where the object has none. */
async function document<T>(id: string, name: string): Promise<T | null> {
  try {
    return await (await artifact(id, name)).json();
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    throw error;
  }
}
