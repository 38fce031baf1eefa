// What the service takes, asked once: a file that it would refuse is not sent for minutes first.

import { api, Problem } from "../api";
import type { ImageKind } from "../schema";
import { megabytes } from "./words";

let asked: Promise<Record<string, number>> | undefined;

export function limits(): Promise<Record<string, number>> {
  asked ??= api.info().then((info) => info.limits);
  asked.catch(() => (asked = undefined));
  return asked;
}

/** Undefined where a file of this size is taken. */
export async function kindLimit(kind: ImageKind, bytes: number): Promise<Problem | undefined> {
  const known = await limits();
  const most = known[kind === "video" ? "max_video_bytes" : "max_file_bytes"] ?? Infinity;
  if (bytes <= most) return undefined;
  return new Problem(413, "too-large", `it has ${megabytes(bytes)}`, `keep a ${kind === "video" ? "video" : "photo"} under ${megabytes(most)}`);
}
