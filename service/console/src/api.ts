// The API as this console uses it: typed requests, problems as errors, events as they come.

import type { ObjectRow, Job, Photo, ImageKind, Artifact, Info, Estimate, Forecast } from "./schema";

/** An answer that was no success: RFC 9457. `what` failed, `tryNext` says what to do. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly type: string,
    readonly what: string,
    readonly tryNext: string,
    /** When to ask again, where the service says so. */
    readonly retryAfterS = 0,
  ) {
    super(tryNext ? `${what}: ${tryNext}` : what);
  }
}

const KEY = "snap6d.key";

/** Kept for this tab only: whoever opens the browser later has to know it. */
export const apiKey = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (key: string) => (key ? sessionStorage.setItem(KEY, key) : sessionStorage.removeItem(KEY)),
};

export function authorization(): Record<string, string> {
  return apiKey.get() ? { Authorization: `Bearer ${apiKey.get()}` } : {};
}

/** The service's address as its clients name it. */
export const serviceUrl = () => new URL(".", location.href).href.replace(/\/$/, "");

/** The answer where it is a success. Throws a Problem, and one of status 0 where the service can't be reached. */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path.replace(/^\//, ""), { ...init, headers: { ...authorization(), ...init.headers } });
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw unreachable();
  }
  if (answer.ok || answer.status === 304) return answer;
  throw problemOf(answer.status, await answer.text().catch(() => ""), answer.headers.get("Retry-After"));
}

export function unreachable(): Problem {
  return new Problem(0, "unreachable", "the service does not answer", "check that it runs; what was sent is kept");
}

/** What an answer that was no success says of itself. */
export function problemOf(status: number, text: string, retryAfter: string | null): Problem {
  let body: Record<string, string> = {};
  try {
    body = JSON.parse(text);
  } catch {
    // a proxy's page: its status has to do
  }
  const type = String(body.type ?? "").replace("/problems/", "");
  const [what, tryNext] = body.what ? [body.what, body.try_next ?? ""] : [body.detail ?? body.title ?? `the service answered ${status}`, ""];
  return new Problem(status, type, what, tryNext, Number(retryAfter) || 0);
}

async function json<T>(path: string, init?: RequestInit): Promise<T> {
  return (await request(path, init)).json();
}

export function newKey(): string {
  return crypto.randomUUID?.() ?? String(Math.random());
}

function post(body?: unknown, idempotencyKey = newKey()): RequestInit {
  const key = { "Idempotency-Key": idempotencyKey };
  return body === undefined
    ? { method: "POST", headers: key }
    : { method: "POST", headers: { ...key, "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

export const api = {
  info: () => json<Info>("/v1/info"),
  objects: (limit = 200) => json<ObjectRow[]>(`/v1/objects?limit=${limit}`),
  object: (id: string) => json<ObjectRow>(`/v1/objects/${id}`),
  draft: (options: object, key: string) => json<ObjectRow>("/v1/objects", post(options, key)),
  change: (id: string, change: { name?: string; options?: object }) =>
    json<ObjectRow>(`/v1/objects/${id}`, { method: "PATCH", headers: { "Content-Type": "application/json" }, body: JSON.stringify(change) }),
  remove: (id: string) => request(`/v1/objects/${id}`, { method: "DELETE" }),
  train: (id: string, wish: { from_stage?: string; profile?: string } = {}) =>
    json<{ id: string; job: Job }>(`/v1/objects/${id}/train`, post(wish)),
  photos: (id: string, kind: ImageKind = "photos") => json<Photo[]>(`/v1/objects/${id}/images?kind=${kind}`),
  forecast: (id: string) => json<Record<string, Forecast | null>>(`/v1/objects/${id}/forecast`),
  artifacts: (id: string) => json<Artifact[]>(`/v1/objects/${id}/artifacts`),
  jobs: (objectId: string) => json<Job[]>(`/v1/jobs?object_id=${objectId}`),
  job: (id: string) => json<Job>(`/v1/jobs/${id}`),
  cancel: (id: string) => json<Job>(`/v1/jobs/${id}/cancel`, post()),
  resume: (id: string) => json<Job>(`/v1/jobs/${id}/resume`, post()),
  estimate: (form: FormData, signal?: AbortSignal) => json<Estimate>("/v1/estimate", { method: "POST", body: form, signal }),
};

export function artifactPath(id: string, name: string): string {
  return `/v1/objects/${id}/artifacts/${name.split("/").map(encodeURIComponent).join("/")}`;
}

/** An image as it is kept, and where it is PUT. */
export function imagePath(id: string, name: string, kind: ImageKind): string {
  return `/v1/objects/${id}/images/${encodeURIComponent(name)}?kind=${kind}`;
}

/** A kept photo, made small; its longest side has at most so many pixels. `parts/picture.tsx` shows it. */
export function thumbnailPath(id: string, photo: string, px: 160 | 320 | 640 | 1280 = 320): string {
  return `/v1/objects/${id}/images/${encodeURIComponent(photo)}?px=${px}`;
}

/** An object's file as it is now. Throws a Problem where there is none (yet). */
export async function artifact(id: string, name: string): Promise<Response> {
  return request(artifactPath(id, name), { cache: "no-cache" });
}

export interface LogPart {
  text: Uint8Array;
  next: number;
  size: number;
}

/** What a stage wrote, from a byte on; past its end: nothing, and how long it is. */
export async function stageLog(jobId: string, stage: string, offset: number): Promise<LogPart> {
  const answer = await request(`/v1/jobs/${jobId}/logs?stage=${encodeURIComponent(stage)}&offset=${offset}`);
  const told = (name: string) => Number(answer.headers.get(name));
  return { text: new Uint8Array(await answer.arrayBuffer()), next: told("Snap6D-Next-Offset"), size: told("Snap6D-Log-Size") };
}

export interface JobEvent {
  id: string;
  kind: string;
  data: any;
}

const SILENT_MS = 60_000; // the service says something every 20 s: a connection that says nothing is dead

/** A job's events after that one, then as they happen, until it is over. Taken up again where a connection breaks. */
export async function* jobEvents(id: string, signal: AbortSignal, after = ""): AsyncGenerator<JobEvent> {
  for (let last = after, waited = 0; !signal.aborted; ) {
    const silence = new Silence(signal);
    try {
      const headers: Record<string, string> = last ? { "Last-Event-ID": last } : {};
      const answer = await request(`/v1/jobs/${id}/events`, { headers, signal: silence.signal });
      if (answer.status === 204 || !answer.body) return;
      for await (const event of parseEvents(answer.body, silence.broken)) {
        [last, waited] = [event.id, 0];
        yield event;
      }
    } catch (error) {
      if (signal.aborted || (error instanceof Problem && error.status === 404)) return;
    } finally {
      silence.end();
    }
    await new Promise((resume) => setTimeout(resume, Math.min(10_000, 500 * 2 ** waited++)));
  }
}

/** Aborts with `outer`, and when it was not broken for too long. */
class Silence {
  private readonly control = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  readonly signal = this.control.signal;

  constructor(private readonly outer: AbortSignal) {
    outer.addEventListener("abort", this.end);
    this.broken();
  }

  readonly broken = () => {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.control.abort(), SILENT_MS);
  };

  readonly end = () => {
    clearTimeout(this.timer);
    this.outer.removeEventListener("abort", this.end);
    this.control.abort();
  };
}

async function* parseEvents(body: ReadableStream<Uint8Array>, onChunk: () => void): AsyncGenerator<JobEvent> {
  const reader = body.pipeThrough(new TextDecoderStream() as unknown as TransformStream<Uint8Array, string>).getReader();
  for (let text = "", chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    onChunk();
    const blocks = (text + chunk.value).split("\n\n");
    text = blocks.pop()!;
    for (const block of blocks) {
      const fields = new Map(block.split("\n").map((line) => line.split(/: ?(.*)/s, 2) as [string, string]));
      if (fields.has("data")) yield { id: fields.get("id") ?? "", kind: fields.get("event") ?? "message", data: JSON.parse(fields.get("data")!) };
    }
  }
}
