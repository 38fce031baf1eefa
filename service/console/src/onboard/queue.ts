// Files on their way to a draft: three at a time, each until it is there, none sent twice.

import { api, imagePath, Problem } from "../api";
import type { ImageKind } from "../schema";
import { base64, hex, sha256Of } from "./digest";
import type { Chosen } from "./files";
import { kindLimit } from "./limits";
import { isPassing, persist } from "./persist";
import { sendFile } from "./sending";
import { Store } from "./store";

const AT_ONCE = 3;

/** `pausing`: the service does not take it now; `there`: it was before. */
export type ItemState = "waiting" | "reading" | "sending" | "pausing" | "arrived" | "there" | "failed";

export interface Item {
  readonly key: number;
  readonly file: File;
  readonly kind: ImageKind;
  state: ItemState;
  sent: number;
  /** What it is called there, once that is known. */
  photo?: string;
  problem?: Problem;
}

export const isOver = (item: Item) => item.state === "arrived" || item.state === "there" || item.state === "failed";

export class UploadQueue extends Store {
  readonly items: Item[] = [];
  private running = 0;
  private there = new Map<ImageKind, Promise<Map<string, string>>>();

  /** `draft` makes it where there is none yet. */
  constructor(private readonly draft: () => Promise<string>) {
    super();
  }

  add(chosen: Chosen[]) {
    for (const { file, kind } of chosen) this.items.push({ key: this.items.length, file, kind, state: "waiting", sent: 0 });
    this.changed();
    this.pump();
  }

  again(item: Item) {
    Object.assign(item, { state: "waiting", sent: 0, problem: undefined });
    this.there.clear();
    this.pump();
  }

  arrivals(kind: ImageKind): number {
    return this.items.filter((item) => item.kind === kind && (item.state === "arrived" || item.state === "there")).length;
  }

  underway(): number {
    return this.items.filter((item) => !isOver(item)).length;
  }

  private pump() {
    for (const item of this.items) {
      if (this.running >= AT_ONCE) break;
      if (item.state !== "waiting") continue;
      this.running++;
      this.bring(item).finally(() => {
        this.running--;
        this.pump();
      });
    }
    this.changed();
  }

  private async bring(item: Item): Promise<void> {
    const pausing = (problem: Problem) => this.show(item, "pausing", problem);
    this.show(item, "reading");
    try {
      const tooLarge = await persist(() => kindLimit(item.kind, item.file.size), pausing);
      if (tooLarge) throw tooLarge;
      const digest = await readDigest(item.file);
      await persist(async () => this.once(item, await this.draft(), digest), pausing);
    } catch (error) {
      const problem = error instanceof Problem ? error : new Problem(0, "defect", String((error as Error).message), "try it again");
      this.show(item, "failed", problem);
    }
  }

  /** Asks first: an answer that got lost leaves a file that has arrived. */
  private async once(item: Item, id: string, digest: Uint8Array): Promise<void> {
    const there = await this.known(id, item.kind);
    const same = there.get(hex(digest));
    if (same !== undefined) {
      item.photo = same;
      return this.show(item, "there");
    }
    item.photo = freeName(item, new Set(there.values()), this.items);
    this.show(item, "sending");
    const name = item.photo + (item.file.name.match(/\.\w+$/)?.[0] ?? "");
    try {
      const headers = { "Content-Digest": `sha-256=:${base64(digest)}:` };
      const kept = await sendFile(imagePath(id, name, item.kind), item.file, headers, (bytes) => this.progress(item, bytes));
      there.set(hex(digest), kept.name);
      item.photo = kept.name;
      this.show(item, "arrived");
    } catch (error) {
      if (isPassing(error)) this.there.delete(item.kind);
      throw error;
    }
  }

  /** By SHA-256, what each is called. Asked for once, and again after a break. */
  private known(id: string, kind: ImageKind): Promise<Map<string, string>> {
    let found = this.there.get(kind);
    if (!found) {
      found = api.photos(id, kind).then((rows) => new Map(rows.map((row) => [row.sent_sha256 ?? `frame ${row.photo}`, row.photo])));
      found.catch(() => this.there.delete(kind));
      this.there.set(kind, found);
    }
    return found;
  }

  private progress(item: Item, bytes: number) {
    item.sent = Math.min(bytes, item.file.size);
    this.changed();
  }

  private show(item: Item, state: ItemState, problem?: Problem) {
    Object.assign(item, { state, problem, sent: state === "arrived" || state === "there" ? item.file.size : state === "sending" ? 0 : item.sent });
    this.changed();
  }
}

async function readDigest(file: File): Promise<Uint8Array> {
  try {
    return await sha256Of(file);
  } catch {
    throw new Problem(0, "unreadable", `${file.name} can't be read any more`, "choose it again");
  }
}

/** Two cards of one camera call other photos the same: neither takes the other's place. Masks and depth go by their photo's name. */
function freeName(item: Item, taken: Set<string>, items: Item[]): string {
  const stem = safeStem(item.file.name);
  if (item.kind !== "photos") return stem;
  for (const other of items) if (other !== item && other.kind === item.kind && other.photo) taken.add(other.photo);
  let name = stem;
  for (let n = 2; taken.has(name); n++) name = `${stem}-${n}`;
  return name;
}

/** As the service does it (service/photos.py). */
export function safeStem(name: string): string {
  const stem = name.replace(/\.[^.]*$/, "").normalize("NFC").replace(/[^\p{L}\p{N}_.-]/gu, "_").replace(/^\.+/, "");
  return stem.slice(0, 60) || "photo";
}
