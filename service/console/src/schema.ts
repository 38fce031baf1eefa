// What the API answers, as service/schemas.py says it; only what is used here.

export interface CaptureWarning {
  code: string;
  photo: string | null;
  message: string;
}

export interface ObjectRow {
  id: string;
  name: string;
  state: "draft" | "onboarding" | "ready" | "failed";
  options: Record<string, any>;
  photos: number;
  bytes: number;
  created_at: number;
  updated_at: number;
  job_id: string | null;
  warnings: CaptureWarning[];
}

export interface StageRow {
  name: string;
  status: "pending" | "running" | "succeeded" | "skipped" | "failed";
  attempts: number;
  seconds: number | null;
  quality: Record<string, any>;
}

export interface Job {
  id: string;
  object_id: string;
  profile: string;
  status: "queued" | "running" | "canceling" | "succeeded" | "failed" | "canceled";
  progress: number;
  stage: { name: string; index: number; count: number; step: number; steps: number; message: string; eta_s: number | null } | null;
  stages: StageRow[];
  queue_position: number | null;
  waiting_for: string | null;
  error: { code: string; what: string; try_next: string; retryable?: boolean } | null;
  created_at: number;
  started_at: number | null;
  finished_at: number | null;
  estimate: Forecast | null;
  eta_s: number | null;
  warnings: CaptureWarning[];
}

export interface Forecast {
  seconds: number;
  stages: Record<string, number>;
  learned: number;
}

export type ImageKind = "photos" | "masks" | "depth" | "video";

export interface Photo {
  photo: string;
  verdict: string;
  number: number | null;
  message: string;
  bytes: number | null;
  sha256: string | null;
  sent_sha256: string | null;
}

export interface KeptImage {
  kind: ImageKind;
  name: string;
  file: string;
  bytes: number;
  sha256: string;
  sent_sha256: string;
}

export interface Artifact {
  name: string;
  bytes: number;
  href: string;
}

export interface Info {
  version: string;
  stages: string[];
  /** The stages from whose end on questions are answered. */
  answers_after: string[];
  profiles: string[];
  limits: Record<string, number>;
  options: { onboard: { properties: Record<string, { description?: string }> } };
}

export interface Pose {
  object_id: string;
  score: number;
  R: number[];
  t: [number, number, number];
  quat_xyzw: number[];
  bbox_xywh: [number, number, number, number];
  /** COCO's compressed encoding; height and width. */
  mask_rle: { size: [number, number]; counts: string };
  symmetry: "none" | "discrete" | "continuous" | "unknown";
  /** What the depth image's distances were divided by; null without one. */
  depth_factor: number | null;
}

export interface Estimate {
  units: "m" | "object";
  scale: { source: string; rel_std: number | null } | null;
  K: number[];
  K_source: "given" | "exif" | "guessed";
  model_version: string;
  networks: "early" | "final";
  backend: string;
  device: string;
  timing_ms: Record<string, number>;
  poses: Pose[];
}
