// A zip of photos, opened here: the API takes photos one by one, so that none is sent twice where a connection breaks.

import { Unzip, UnzipInflate, type UnzipFile } from "fflate";
import { Problem } from "../api";
import { piecesOf } from "./digest";
import { isClutter, isPhoto } from "./files";

export interface ZipLimits {
  photos: number;
  photoBytes: number;
  allBytes: number;
}

const refusal = (what: string, tryNext: string) => new Problem(422, "bad-input", what, tryNext);

/** Its photos, each as soon as it is unpacked. Throws a Problem. */
export async function* unzipped(zip: File, limits: ZipLimits): AsyncGenerator<File> {
  const reader = new ZipReader(zip.name, limits);
  for await (const piece of piecesOf(zip)) {
    reader.push(piece);
    yield* reader.take();
  }
  reader.push(new Uint8Array(), true);
  yield* reader.take();
  if (!reader.found) throw refusal(`there are no photos in ${zip.name}`, "zip the photos themselves");
}

class ZipReader {
  found = 0;
  private bytes = 0;
  private whole: File[] = [];
  private failure: Problem | undefined;
  private readonly unzip = new Unzip((file) => this.open(file));

  constructor(
    private readonly name: string,
    private readonly limits: ZipLimits,
  ) {
    this.unzip.register(UnzipInflate);
  }

  push(piece: Uint8Array, last = false) {
    try {
      this.unzip.push(piece, last);
    } catch (error) {
      this.failure ??= refusal(`${this.name} can't be opened (${(error as Error).message})`, "zip the photos again, without a password");
    }
    if (this.failure) throw this.failure;
  }

  take(): File[] {
    return this.whole.splice(0);
  }

  private open(entry: UnzipFile) {
    if (isClutter(entry.name) || !isPhoto(entry.name)) return;
    if (++this.found > this.limits.photos) {
      this.failure ??= refusal(`${this.name} holds more than ${this.limits.photos} photos`, "about 100 photos are plenty");
      return;
    }
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let size = 0;
    entry.ondata = (error, chunk, last) => {
      size += chunk?.length ?? 0;
      this.bytes += chunk?.length ?? 0;
      if (error) this.failure ??= refusal(`${entry.name} can't be unpacked (${error.message})`, "zip the photos again");
      else if (size > this.limits.photoBytes || this.bytes > this.limits.allBytes)
        this.failure ??= refusal(`what is in ${this.name} is too large`, "send fewer or smaller photos");
      if (this.failure) return entry.terminate();
      chunks.push(chunk as Uint8Array<ArrayBuffer>);
      if (last) this.whole.push(new File(chunks, entry.name.split(/[\\/]/).pop()!));
    };
    entry.start();
  }
}
